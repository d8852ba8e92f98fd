r"""The irreversibility line ``H = H_0 (1 - T_irr/T_c)^n``: its exponent, and what an exponent says of other fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bdg.base.arguments import real_array
from bdg.lattices.arguments import non_negative_number, positive_number


@dataclass(frozen=True)
class IrreversibilityExponent:
    """Exponent of an irreversibility line.

    Attributes
    ----------
    value, error : float
    field : float
        H_0 in the unit of the fields.
    points : int
        How many fields count.
    """

    value: float
    error: float
    field: float
    points: int


def irreversibility_exponent(
    fields: Any, temperatures: Any, errors: Any, critical_temperature: float
) -> IrreversibilityExponent:
    r"""Return n of ``H = H_0 (1 - T_irr/T_c)^n``, fitted.

    .. math:: \ln(1 - T_{\mathrm{irr}}/T_c) = \frac{1}{n} (\ln H - \ln H_0)

    Parameters
    ----------
    fields : array (F,)
        > 0, in any unit.
    temperatures, errors : arrays (F,)
        T_irr and its standard error > 0. Fields without one (NaN, 0, or at or above T_c) do not count.
    critical_temperature : float
        T_c, in the unit of the temperatures.

    Returns
    -------
    IrreversibilityExponent
        The error holds those of the temperatures, enlarged where they scatter about the line by more. A line that does
        not fall with the field has no exponent: value infinity.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range, or fewer than two fields count.

    References
    ----------
    K. A. Mueller, M. Takashige, J. G. Bednorz, Phys. Rev. Lett. 58, 1143 (1987): n = 3/2 of a ceramic.

    Examples
    --------
    >>> import numpy as np
    >>> from bdg.granular import irreversibility_exponent
    >>> temperatures = np.array([10.0, 15.0, 20.0, 25.0])
    >>> fields = 1e4 * (1 - temperatures / 30) ** 1.5
    >>> line = irreversibility_exponent(fields, temperatures, [0.1] * 4, critical_temperature=30.0)
    >>> print(round(line.value, 2), round(line.field))
    1.5 10000
    """
    critical = positive_number("critical_temperature", critical_temperature)
    h, t, spread = (
        np.atleast_1d(real_array(name, v)).astype(float)
        for name, v in (("fields", fields), ("temperatures", temperatures), ("errors", errors))
    )
    if not h.shape == t.shape == spread.shape or h.ndim != 1:
        raise ValueError(
            f"fields, temperatures and errors must be of one length; got {h.shape}, {t.shape}, {spread.shape}"
        )
    kept = np.isfinite(h) & np.isfinite(t) & (t > 0) & (t < critical) & np.isfinite(spread)
    if kept.sum() < 2 or not (h[kept] > 0).all() or not (spread[kept] > 0).all():
        raise ValueError(
            "fields and errors must be > 0, and at least two temperatures between 0 and critical_temperature; "
            f"{kept.sum()} count"
        )
    x, y, sigma = np.log(h[kept]), np.log1p(-t[kept] / critical), spread[kept] / (critical - t[kept])
    design = np.stack([np.ones_like(x), x], axis=1) / sigma[:, None]
    covariance = np.linalg.inv(design.T @ design)
    value, slope = covariance @ (design.T @ (y / sigma))
    left = float(((y / sigma - design @ [value, slope]) ** 2).sum()) / max(1, x.size - 2)
    error = float(np.sqrt(covariance[1, 1] * max(1.0, left)))
    if slope <= 0:
        return IrreversibilityExponent(np.inf, np.inf, np.nan, int(kept.sum()))
    return IrreversibilityExponent(
        float(1 / slope), error / float(slope) ** 2, float(np.exp(-value / slope)), int(kept.sum())
    )


def irreversibility_bound(
    exponent: float, low_field: float, high_field: float, temperature: float, critical_temperature: float
) -> float:
    r"""Return T_irr at a lower field that an exponent implies, given T_irr at a higher one.

    .. math:: T_{\mathrm{low}} = T_c - (T_c - T_{\mathrm{high}}) (H_{\mathrm{low}}/H_{\mathrm{high}})^{1/n}

    A temperature that is a lower bound gives a lower bound.

    Parameters
    ----------
    exponent : float
        n > 0.
    low_field, high_field : float
        0 < low <= high, in one unit.
    temperature : float
        T_irr at the higher field, 0 <= T <= T_c.
    critical_temperature : float

    Returns
    -------
    float
        In the unit of the temperatures.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Examples
    --------
    >>> from bdg.granular import irreversibility_bound
    >>> print(round(irreversibility_bound(1.5, 100.0, 1000.0, 20.0, 30.0), 2))
    27.85
    """
    n, critical = positive_number("exponent", exponent), positive_number("critical_temperature", critical_temperature)
    low, high = positive_number("low_field", low_field), positive_number("high_field", high_field)
    known = non_negative_number("temperature", temperature)
    if low > high or known > critical:
        raise ValueError(
            "low_field must be <= high_field and temperature <= critical_temperature; got "
            f"{low:g}, {high:g}, {known:g}, {critical:g}"
        )
    return float(critical - (critical - known) * (low / high) ** (1 / n))
