"""Self-consistent solutions at one phase difference after the other, the phase held deep in both electrodes."""

from __future__ import annotations

from typing import Any

import numpy as np

from bdg.condensate.gap.solve_gap import GUESS, solve_gap
from bdg.lattices.system import System


class PhaseBias:
    """Solutions of the gap equation of one system, each the start of the next.

    Parameters
    ----------
    system : System
    pair : (first, last)
        Grains between which the phase difference is imposed.
    deep : array of int
        Sites of both where the phase is held.
    temperature, tol : float
    options : dict
        Further arguments of `bdg.solve_gap`.
    """

    def __init__(
        self,
        system: System,
        pair: tuple[int, int],
        deep: np.ndarray,
        temperature: float,
        tol: float,
        options: dict[str, Any],
    ) -> None:
        self._system, self._pair, self._deep = system, pair, deep
        self._temperature, self._options = temperature, {**options, "tol": tol, "pinned": {"phase": deep}}
        self._latest: System | None = None
        self._at = 0.0
        self._iterations: list[int] = []
        self._errors: list[float] = []

    def __call__(self, phase: float) -> tuple[System, float]:
        """Return the self-consistent system at a phase, and its free energy."""
        found = solve_gap(self._start(phase), self._temperature, **self._options)
        self._iterations.append(found.iterations)
        self._errors.append(found.error)
        self._latest, self._at = (found.system, phase) if found.delta[self._deep].all() else (None, 0.0)
        return found.system, found.free_energy

    def _start(self, phase: float) -> System:
        first, last = self._pair
        if self._latest is not None:  # the last grain turned by the change of phase
            return self._latest.with_phases({last: phase - self._at})
        system = self._system
        if not system.delta[self._deep].all():
            attractive = system.attraction > 0
            if not attractive[self._deep].all():
                raise ValueError(
                    "self_consistent=True holds the phase of sites without delta and without attraction; give the "
                    "electrodes attraction=..., or other pinned sites"
                )
            guess = GUESS * system.attraction[attractive].mean()
            system = system.with_delta(np.where(attractive & (system.delta == 0), guess, system.delta))
        return system.with_phases({first: 0.0, last: phase})

    def facts(self) -> dict[str, Any]:
        """Return what goes into the evidence."""
        return {"iterations": self._iterations, "gap_error": max(self._errors)}
