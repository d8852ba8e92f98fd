"""A host of two phases, such as Mg2Si and MgO: which sites belong to which, and what that costs in energy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bdg.lattices.arguments import non_negative_number, positive_number, real_number
from bdg.lattices.builders.disorder import gaussian_field, upper_part
from bdg.lattices.packing.layering import check_keys


@dataclass(frozen=True)
class TwoPhaseHost:
    """Host of two phases: a share ``fraction`` of the host's sites has the energy ``onsite`` in addition.

    ``fraction`` is (in the MgO-rich layers, in the others); both are equal unless layers are used. The phases are
    cut from a Gaussian field of correlation ``exp(-r^2/(2 correlation_length^2))``.
    """

    fraction: tuple[float, float]
    correlation_length: float
    onsite: float

    @classmethod
    def parse(cls, host: Any, layered: bool) -> TwoPhaseHost | None:
        """Read the argument ``host`` of a builder: None or a dict with exactly the fields as keys."""
        if host is None:
            return None
        values = check_keys("host", host, ("fraction", "correlation_length", "onsite"))
        given = values["fraction"]
        pair = given if isinstance(given, Sequence | np.ndarray) and not isinstance(given, str) else (given, given)
        if len(pair) != 2 or (pair is given and not layered):
            raise ValueError(
                "host['fraction'] must be one number between 0 and 1 or, with layers, a pair (in the MgO-rich "
                f"layers, in the others); got {given!r:.80}"
            )
        rich, other = (non_negative_number("host['fraction']", each) for each in pair)
        if max(rich, other) > 1:
            raise ValueError(f"host['fraction'] must lie between 0 and 1; got {given!r:.80}")
        length = positive_number("host['correlation_length']", values["correlation_length"])
        return cls((rich, other), length, real_number("host['onsite']", values["onsite"]))

    @property
    def info(self) -> dict[str, Any]:
        """The argument in a form that a file can hold."""
        fraction = self.fraction[0] if self.fraction[0] == self.fraction[1] else list(self.fraction)
        return {"fraction": fraction, "correlation_length": self.correlation_length, "onsite": self.onsite}

    def phases(
        self,
        shape: Sequence[int],
        spacing: float,
        grain: np.ndarray,
        rich: np.ndarray | None,
        rng: np.random.Generator,
        periodic: bool,
    ) -> np.ndarray:
        """Return the phase of each site, (N,) int8: 1 on the wanted share of the host's sites, 0 on the rest.

        Sites of grains get -1. The share is met to one site, in the MgO-rich layers (``rich``) and in the others
        separately if they have shares of their own.
        """
        field = gaussian_field(shape, spacing, self.correlation_length, rng, periodic).ravel()
        phase = np.where(grain >= 0, -1, 0).astype(np.int8)
        regions = [(self.fraction[0], grain < 0)]
        if rich is not None and self.fraction[0] != self.fraction[1]:
            regions = [(self.fraction[0], rich & (grain < 0)), (self.fraction[1], ~rich & (grain < 0))]
        for fraction, region in regions:
            sites = np.flatnonzero(region)
            phase[sites[upper_part(field[sites], fraction)]] = 1
        return phase
