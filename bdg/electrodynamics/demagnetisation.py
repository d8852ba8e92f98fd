r"""Demagnetising factors of cuboids in closed form, half axes a, b, c, the field along c.

- "prozorov-kogan": an effective factor of a superconductor, ``N = 4ab/(4ab + 3c(a + b))``: an interpolation. For plates
  with c/a <= .2 the moment ``-1/(1 - N)`` is 17 to 31 % too large; `bdg.electrodynamics.plate_susceptibility` solves
  the problem.
- "aharoni": the magnetometric factor of a uniformly magnetised prism (exact; not that of a superconductor, whose
  magnetisation is not uniform).
"""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

from bdg.base.arguments import require_choice
from bdg.lattices.arguments import positive_number

FORMULAS = ("prozorov-kogan", "aharoni")


def demagnetisation_factor(a: float, b: float, c: float, formula: str) -> float:
    r"""Return the demagnetising factor N of a cuboid by a formula of the literature.

    .. math:: N_{\text{Prozorov-Kogan}} = \frac{4ab}{4ab + 3c(a + b)}

    Parameters
    ----------
    a, b, c : float
        Half axes > 0 in one unit, c along the field.
    formula : {"prozorov-kogan", "aharoni"}
        An effective factor of a screening cuboid (an interpolation); that of a uniformly magnetised prism (exact).

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    TypeError, ValueError
        If an axis is not positive or the formula is unknown.

    References
    ----------
    R. Prozorov, V. G. Kogan, Phys. Rev. Applied 10, 014030 (2018); A. Aharoni, J. Appl. Phys. 83, 3432 (1998).

    Examples
    --------
    >>> from bdg.electrodynamics import demagnetisation_factor
    >>> print(round(demagnetisation_factor(1, 1, 1, "prozorov-kogan"), 3))
    0.4
    """
    a, b, c = (positive_number(name, value) for name, value in (("a", a), ("b", b), ("c", c)))
    require_choice("formula", formula, FORMULAS)
    if formula == "prozorov-kogan":
        return 1 / (1 + 0.75 * (c / a + c / b))
    return _aharoni(a, b, c)


def _aharoni(a: float, b: float, c: float) -> float:
    """Return Aharoni's factor. Its terms, up to (longest/shortest)^3, cancel: digits are added for that."""
    largest = max(a, b, c)
    lost = 4 * math.log10(largest / min(a, b, c))
    with localcontext() as context:
        context.prec = 40 + math.ceil(lost)
        x, y, z = (Decimal(value) / Decimal(largest) for value in (a, b, c))
        xy, yz, zx = ((p * p + q * q).sqrt() for p, q in ((x, y), (y, z), (z, x)))
        d = (x * x + y * y + z * z).sqrt()

        def log_ratio(root: Decimal, side: Decimal) -> Decimal:
            """ln((root - side)/(root + side)); the difference is (root^2 - side^2)/(root + side)."""
            return ((root - side) / (root + side)).ln()

        total = (y * y - z * z) / (2 * y * z) * log_ratio(d, x) + (x * x - z * z) / (2 * x * z) * log_ratio(d, y)
        total -= y / (2 * z) * log_ratio(xy, x) + x / (2 * z) * log_ratio(xy, y)
        total += z / (2 * x) * log_ratio(yz, y) + z / (2 * y) * log_ratio(zx, x)
        total += 2 * _arctan(x * y / (z * d))
        total += (x**3 + y**3 - 2 * z**3 + (x * x + y * y - 2 * z * z) * d - xy**3 - yz**3 - zx**3) / (3 * x * y * z)
        total += z / (x * y) * (zx + yz)
        return float(total / (4 * _arctan(Decimal(1))))


def _arctan(value: Decimal) -> Decimal:
    """Return the arctangent to the precision of the context: halved until its series is short."""
    halvings = 0
    if value > 1:
        return 2 * _arctan(Decimal(1)) - _arctan(1 / value)
    while value > Decimal("0.01"):
        value = value / (1 + (1 + value * value).sqrt())
        halvings += 1
    term, total, order = value, Decimal(0), 1
    while total + term / order != total:
        total += term / order
        term *= -value * value
        order += 2
    return 2**halvings * total
