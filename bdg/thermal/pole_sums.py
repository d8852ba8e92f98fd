r"""Thermal sums over all sites at once: few poles, one selected inverse at each.

With ``tanh(x/2T) = d x + sum_j c_j x/(x^2 + w_j^2)`` on the spectrum,

.. math:: \tanh(H/2T) = d H - \tfrac12 \sum_j c_j \, [G(i w_j) + G(i w_j)^\dagger], \qquad G(z) = (z - H)^{-1},

so the on-site pair amplitude follows from the elements of G between electron and hole of each site
(`bdg.methods.imaginary`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bdg.base.hamiltonian import BdGHamiltonian
from bdg.gpu.device.backend import Backend
from bdg.gpu.device.threads import side_by_side
from bdg.gpu.multifrontal import Restriction, Symbolic
from bdg.gpu.multifrontal.factors.selected_inverse import inverse_share
from bdg.gpu.poles.tanh_poles import Poles
from bdg.methods.imaginary import form_of

SINGLE_SAFETY = 2.5  # on the expected error of single precision, which held within 1.5 on lattices up to 20^3
WORTH_A_CHECK = 3  # poles that must remain: the check of single precision costs half a pole, each saves nearly half
DRIFT = 2.0  # on an error of single precision that was measured for another Delta
LOWER = 0.9  # times the frequency at which it was measured: the fits of other accuracies put the same pole there
WORTH_RESTRICTING = 0.9  # share of the work of a selected inverse above which leaving out parts gains nothing


@dataclass(frozen=True)
class SinglePrecision:
    """How far off single precision was in a sum.

    Attributes
    ----------
    scale : float
        Of `single_precision_errors`, safety included.
    frequency : float
        Where it was measured; it holds from there upwards.
    """

    scale: float
    frequency: float


@dataclass(frozen=True, eq=False)
class PoleSum:
    """Pair amplitude on the chosen sites with the bound of its error, and what it took."""

    values: np.ndarray
    error: float
    dtype: str
    facts: dict[str, Any]
    single: SinglePrecision | None = None  # what the sum has found out about it, or was told


def pair_amplitude_by_poles(
    hamiltonian: BdGHamiltonian,
    poles: Poles,
    backend: Backend,
    sites: np.ndarray,
    allowed: float = 0.0,
    known: SinglePrecision | None = None,
    slack: float = 1.0,
) -> PoleSum:
    """Return F on ``sites``; single precision is used where the error stays below ``allowed``.

    No element of a function of H exceeds its norm, so the fit leaves ``|F - exact| <= max|tanh fit error|/2``, a
    bound. Poles are taken from the lowest on, in double precision until single precision at all that remain is
    expected to fit into ``allowed``. Before that is done the last one is computed in both; what it changes scales the
    estimate, which is added to the bound. ``known``: what a sum for nearly the same Hamiltonian has found spares that.
    ``slack``: how many times more than the fit leaves of ``allowed`` single precision may be off by.
    """
    system = hamiltonian.system
    form = form_of(hamiltonian, backend)
    restriction, share = _restriction(form.symbolic, sites)
    places = form.places(sites)

    def onsite(asked: tuple[int, bool]) -> np.ndarray:
        number, single = asked
        factor = form.factorise(poles.frequencies[number], single=single)
        return form.onsite_pairing(factor, places, restriction)

    delta = system.pairing_block.diagonal().reshape(-1, system.norbs).mean(axis=1)[sites]
    values = 0.5 * poles.linear * delta.astype(complex)
    precision, done = _Precision(poles, slack * (allowed - 0.5 * poles.error), known), 0
    while done < poles.frequencies.size:  # once, unless a check fails
        asked = precision.expected(done)
        found = side_by_side(onsite, asked, backend, each_bytes=form.bytes_at_once, divisible=True)
        elements = np.empty(0)
        for (number, single), new in zip(asked, found, strict=True):
            if single and number < done:  # computed in both
                if not precision.holds(number, float(abs(new - elements).max())):
                    break
                continue
            elements, done = new, number + 1
            values -= 0.5 * poles.weights[number] * elements
    facts = {
        "poles": int(poles.frequencies.size),
        "frequencies": "matsubara" if poles.matsubara else "free",
        "single_precision_poles": precision.poles,
        "single_precision_error": precision.error,
        "form": form.variant,
        "factor_bytes": form.factor_bytes,
        "inverse_share": share,
    }
    return PoleSum(values, 0.5 * poles.error + precision.error, "float64", facts, precision.known)


class _Precision:
    """Which poles are computed in single precision, from the lowest to the highest.

    Attributes
    ----------
    poles : int
        How many are.
    error : float
        What that is expected to change F by, at most.
    known : SinglePrecision or None
        What is known about it.
    """

    def __init__(self, poles: Poles, left: float, known: SinglePrecision | None) -> None:
        self._expected, self._weights = single_precision_errors(poles), poles.weights
        self._frequencies = poles.frequencies
        self._left, self.known = left, known
        self._scale = SINGLE_SAFETY if known is None else DRIFT * known.scale
        self.poles, self.error = 0, 0.0

    def _rest(self, number: int) -> float:
        """Return the expected error of single precision at all poles after one; they are independent."""
        return self._scale * float(np.linalg.norm(self._expected[number + 1 :]))

    def expected(self, begin: int) -> list[tuple[int, bool]]:
        """Return poles from ``begin`` on, and whether each is computed in single precision, as far as is foreseen.

        The last one in double precision follows in single precision, unless its error is known: `holds` takes the
        difference.
        """
        total = self._expected.size
        if self.known is not None:
            first = int(np.searchsorted(self._frequencies, LOWER * self.known.frequency))
            while first < total and not self._rest(first - 1) < self._left:
                first += 1
            self.poles, self.error = total - first, self._rest(first - 1)
            return [(number, number >= first) for number in range(total)]
        worth = (number for number in range(begin, total - WORTH_A_CHECK) if self._rest(number) < self._left)
        last = next(worth, total - 1)
        double = [(number, False) for number in range(begin, last + 1)]
        return double + [(number, True) for number in range(last, total)] if last < total - 1 else double

    def holds(self, number: int, change: float) -> bool:
        """Return whether all poles after this one may be computed in single precision, which changes G by so much."""
        change *= 0.5 * abs(float(self._weights[number]))
        self._scale = SINGLE_SAFETY * max(change / self._expected[number], 0.5)
        if not self._rest(number) < self._left:
            return False
        self.poles, self.error = self._expected.size - number - 1, self._rest(number)
        self.known = SinglePrecision(self._scale, float(self._frequencies[number]))
        return True


def single_precision_errors(poles: Poles) -> np.ndarray:
    """Return how much single precision at each pole is expected to change F.

    Rounding of ``w + i H`` is amplified by 1/w, and once more by the cancellation of elements of size s towards w:
    ``|dG| = eps/w (1 + s/20w)`` within a factor 1.5 for disordered and clean cubes of 12^3 to 20^3 sites, w from 0.01
    to 3 times the hopping.
    """
    w = poles.frequencies
    unit = np.finfo(np.float32).eps / 2
    return 0.5 * abs(poles.weights) * unit / w * (1 + poles.bound / (20 * w))


def _restriction(symbolic: Symbolic, sites: np.ndarray) -> tuple[Restriction | None, float]:
    """Return the restriction to ``sites`` where it saves work, and the share of the work that is done."""
    if sites.size == symbolic.pattern.n_sites or inverse_share(symbolic, sites) > WORTH_RESTRICTING:
        return None, 1.0
    restriction = Restriction(symbolic, sites)
    return restriction, float(restriction.share)
