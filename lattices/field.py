r"""A uniform magnetic field on a lattice: the Peierls phases of the stored entries of h.

``h_ij -> h_ij exp(i pi int_j^i A.dl)`` with i = row = to, j = column = from, curl A = B in flux quanta h/2e per unit
area. Bonds are straight and A is linear, so the integral is A at the middle of the bond times the bond. Going round an
area counter-clockwise (seen against B) multiplies to ``exp(i pi B area)``.

Each component B_c pierces the plane of the axes (a, b) with a, b, c in cyclic order. Two gauges:

* symmetric: ``A = B x (r - r0) / 2``; every pierced axis must be open.
* Landau: ``A_b = B_c (r_a - r0_a)``, or ``A_a = -B_c (r_b - r0_b)`` where a is periodic and b is open, so that A
  always points along the periodic axis. Where both are periodic, A is not periodic along a: it grows by ``B_c L_a``,
  which is a gauge transformation with the phase ``pi B_c L_a (r_b - r0_b)``. Bonds that wrap along a get that phase
  (magnetic translation; Zak 1964); it is single-valued only if ``B_c L_a L_b / 2`` is an integer: a whole number of
  h/e through the torus.

The origin r0 is the centre of the sites along open axes and the lowest coordinate along periodic axes; moving all
positions together changes nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from bdg.lattices.geometry import Period, minimum_image

GAUGES = ("auto", "symmetric", "landau")
FLUX_TOLERANCE = 1e-9  # of one h/e: rounding of B and of the box lengths as people type them


def peierls_phases(
    hamiltonian: sp.csr_matrix, positions: np.ndarray, period: Period, norbs: int, B: Any, gauge: str = "auto"
) -> np.ndarray:
    r"""Return the phase ``pi int_j^i A.dl`` (radian) of each stored entry (i, j) of ``hamiltonian``.

    Parameters
    ----------
    hamiltonian : CSR (s N, s N)
        Only its pattern is used.
    positions : array (N, dim)
        In the length unit of ``B``.
    period : tuple of float or None
        Box length of each periodic axis; bonds follow the minimum image.
    norbs : int
        Orbitals a site s; all entries of a block (i, j) get the same phase.
    B : float (2-D) or 3-vector (3-D)
        In flux quanta h/2e per unit area.
    gauge : {"auto", "symmetric", "landau"}
        "auto" is "symmetric" where every axis that the field pierces is open, else "landau".

    Returns
    -------
    array (nnz,), float64
        In the order of ``hamiltonian.data``; exactly antisymmetric, so that h stays Hermitian to the last bit.

    Raises
    ------
    TypeError
        If ``B`` is not made of real numbers.
    ValueError
        If ``B`` does not fit the dimension, the gauge does not fit the periodic axes, the flux through two periodic
        axes is not a whole number of h/e, or a bond spans half a period (both images are equally near).
    """
    gauge = choose_gauge(B, period, gauge)
    planes = _pierced_planes(B, period)
    row = np.repeat(np.arange(hamiltonian.shape[0]), np.diff(hamiltonian.indptr)) // norbs
    column = hamiltonian.indices // norbs
    if not planes:
        return np.zeros(row.size)
    # Every bond is computed once, from its lower to its higher site; the way back is its exact negative.
    end, start = np.maximum(row, column), np.minimum(row, column)
    sign = np.sign(row - column).astype(float)
    bond = positions[end] - positions[start]
    straight = minimum_image(bond, period)
    _check_half_period(straight, period, planes, start, end)
    wraps = _wraps(bond, period)
    origin = _origin(positions, period)
    middle = positions[end] - straight / 2 - origin
    total = np.zeros(row.size)
    for a, b, strength in planes:
        if gauge == "symmetric":
            total += strength / 2 * (middle[:, a] * straight[:, b] - middle[:, b] * straight[:, a])
            continue
        length = period[a]
        if length is not None and period[b] is None:
            total -= strength * middle[:, b] * straight[:, a]
            continue
        total += strength * middle[:, a] * straight[:, b]
        if length is not None:  # magnetic translation
            total += strength * length * wraps[:, a] * (positions[start, b] - origin[b])
    return np.pi * sign * total


def choose_gauge(B: Any, period: Period, gauge: str = "auto") -> str:
    """Return "symmetric" or "landau": what ``gauge`` means for this field and these periodic axes.

    Raises
    ------
    TypeError, ValueError
        See `peierls_phases`.
    """
    if gauge not in GAUGES:
        raise ValueError(f"gauge must be one of {', '.join(map(repr, GAUGES))}; got {gauge!r}")
    planes = _pierced_planes(B, period)
    blocked = sorted({axis for a, b, _ in planes for axis in (a, b) if period[axis] is not None})
    if gauge == "symmetric" and blocked:
        raise ValueError(
            f"gauge 'symmetric' needs open axes where the field pierces them; axes {blocked} are periodic. "
            "Use gauge='landau' or 'auto'."
        )
    if gauge == "auto":
        gauge = "landau" if blocked else "symmetric"
    if gauge == "landau":
        for a, b, strength in planes:
            _check_torus_flux(a, b, strength, period)
    return gauge


def _pierced_planes(B: Any, period: Period) -> list[tuple[int, int, float]]:
    """Return (a, b, B_c) of each component of the field that is not zero, with (a, b, c) cyclic."""
    dim = len(period)
    field = np.asarray(B)
    if field.dtype.kind not in "iuf":
        raise TypeError(f"B must be made of real numbers (flux quanta h/2e per unit area); got {B!r:.80}")
    if dim not in (2, 3):
        raise ValueError(
            f"B: a field has an orbital effect in 2-D and 3-D only; this system has {dim} dimension(s). Give it "
            "further axes, such as the cross_section of a stack"
        )
    if field.shape != (() if dim == 2 else (3,)):
        expected = "one number, the component along z" if dim == 2 else "a 3-vector (Bx, By, Bz)"
        raise ValueError(f"B must be {expected} in {dim}-D; got shape {field.shape}")
    if not np.isfinite(field).all():
        raise ValueError(f"B must be finite; got {B!r:.80}")
    if dim == 2:
        return [(0, 1, float(field))] if field != 0 else []
    return [((c + 1) % 3, (c + 2) % 3, float(field[c])) for c in range(3) if field[c] != 0]


def _check_torus_flux(a: int, b: int, strength: float, period: Period) -> None:
    length_a, length_b = period[a], period[b]
    if length_a is None or length_b is None:
        return
    flux = strength * length_a * length_b / 2
    nearest = round(flux)
    if abs(flux - nearest) > FLUX_TOLERANCE * max(1, abs(nearest)):
        step = 2 / (length_a * length_b)
        raise ValueError(
            f"B: axes {a} and {b} are both periodic, so the flux between them must be a whole number of h/e; "
            f"got {strength:.10g} (h/2e per area), {flux:.6g} h/e. Allowed are multiples of 2/(La Lb) = {step:.10g}; "
            f"the nearest is {nearest * step:.10g}."
        )


def _check_half_period(
    straight: np.ndarray, period: Period, planes: list[tuple[int, int, float]], start: np.ndarray, end: np.ndarray
) -> None:
    for axis in sorted({axis for a, b, _ in planes for axis in (a, b)}):
        length = period[axis]
        if length is None:
            continue
        half = np.flatnonzero(abs(straight[:, axis]) > length / 2 * (1 - 1e-9))
        if half.size:
            raise ValueError(
                f"with_field: the bond between sites {start[half[0]]} and {end[half[0]]} spans half the period of "
                f"axis {axis}, so two images are equally near and its Peierls phase is not defined. "
                "Use at least 3 sites along a periodic axis."
            )


def _wraps(bond: np.ndarray, period: Period) -> np.ndarray:
    """Return the whole periods (n, dim) between ``bond`` and its minimum image."""
    counts = np.zeros_like(bond)
    for axis, length in enumerate(period):
        if length is not None:
            counts[:, axis] = np.round(bond[:, axis] / length)
    return counts


def _origin(positions: np.ndarray, period: Period) -> np.ndarray:
    lowest, highest = positions.min(axis=0), positions.max(axis=0)
    open_axes = np.array([length is None for length in period])
    return np.where(open_axes, (lowest + highest) / 2, lowest)
