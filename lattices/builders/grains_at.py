"""Superconducting spheres at given places in a normal host: two grains at a distance, or a cluster of one's own."""

from __future__ import annotations

from typing import Any

import numpy as np

from bdg.lattices import budget
from bdg.lattices.arguments import non_negative_number, positive_number, real_number
from bdg.lattices.builders.disorder import uniform_disorder
from bdg.lattices.builders.grid import assemble_grid, grid_positions
from bdg.lattices.builders.interface import describe_interface, hopping_scale
from bdg.lattices.builders.labelled_grid import grain_hoppings
from bdg.lattices.builders.site_labels import label_sites
from bdg.lattices.packing.building_costs import Cost, composite_building
from bdg.lattices.packing.pack_spheres import box_lengths, centre_distances, flag, surface_gaps
from bdg.lattices.seeds import DISORDER, resolve_seed, stream
from bdg.lattices.system import System


def grains_at(
    size: Any,
    spacing: float,
    centres: Any,
    diameters: Any,
    *,
    periodic: bool = False,
    t: float = 1,
    mu: float = -1,
    delta: Any = 0.3,
    attraction: float = 0,
    disorder: float = 0,
    transparency: float = 1,
    seed: int | None = None,
) -> System:
    r"""Return spheres (3-D) or discs (2-D) at given centres in a normal host on a square or simple cubic grid.

    ``h = sum_i (w_i - mu) |i><i| - sum_<ij> t x_ij |i><j|`` as in `grain_composite`, whose grains are at random.

    Parameters
    ----------
    size : sequence of 2 or 3 floats
        Lengths of the box. An axis has ``round(length/spacing)`` sites at ``(index + 1/2) spacing``.
    spacing : float
        Distance of neighbouring sites.
    centres : array (G, dim)
        In the frame of the box; the order of the grains' numbers. Spheres must not overlap; a face of an open box may
        cut them.
    diameters : float or array (G,)
    periodic : bool
        True: hoppings and grains wrap around.
    t, mu : float
        Hopping -t and onsite energy -mu on every site.
    delta : complex, or array (G,)
        On-site pairing on the sites whose centre lies in a grain; one value for all grains, or one each.
    attraction : float
        U >= 0 on the same sites.
    disorder : float
        Width W >= 0: every site gets an independent energy, uniform in [-W/2, W/2].
    transparency : float
        0 < tau <= 1 of the bonds between grain and host sites, through their hopping ``-x t``
        (`bdg.lattices.builders.interface`).
    seed : int, optional
        Of the disorder: the same arguments and seed give the same arrays, bit for bit. None draws a seed.

    Returns
    -------
    System
        ``grain`` (N,) numbers the spheres in the order of ``centres``, -1 in the host; ``info`` holds the arguments,
        ``seed``, ``centre_distances`` and ``surface_gaps`` (G,) to the nearest other grain.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, spheres overlap, or a sphere holds no site.
    MemoryBudgetError
        If it does not fit into the memory of this machine; nothing has been made then.
    """
    lengths, wraps = box_lengths(size), flag("periodic", periodic)
    spacing = positive_number("spacing", spacing)
    shape = tuple(round(min(length / spacing, budget.MOST)) for length in lengths.tolist())
    if min(shape) < (2 if wraps else 1):
        raise ValueError(f"size must hold at least {2 if wraps else 1} sites an axis; got {lengths.tolist()}")
    box = np.array(shape) * spacing
    period = tuple(box.tolist()) if wraps else (None,) * box.size
    places, widths = _spheres(centres, diameters, box.size)
    gaps = surface_gaps(places, widths, period)
    if (gaps < -1e-12 * widths.max()).any():
        first = int(np.argmin(gaps))
        raise ValueError(
            f"centres must be at least a diameter apart; sphere {first} overlaps another by {-gaps[first]:g}"
        )
    values = _pairing(delta, len(places))
    mu, disorder = real_number("mu", mu), non_negative_number("disorder", disorder)
    t, attraction = positive_number("t", t), non_negative_number("attraction", attraction)
    transparency = real_number("transparency", transparency)
    scale = hopping_scale(transparency, mu, t)
    budget.require(composite_building(shape, wraps, Cost(), 0.0))
    given = resolve_seed(seed)
    grain = label_sites(shape, spacing, places, widths, wraps)
    missing = np.setdiff1d(np.arange(len(places)), grain)
    if missing.size:
        raise ValueError(
            f"sphere {missing[0]} holds no site: take a finer grid, a larger sphere, or move it into the box"
        )
    inside = grain >= 0
    onsite = uniform_disorder(grain.size, disorder, stream(given, DISORDER)) - mu
    hoppings, between = grain_hoppings(grain.reshape(shape), t, scale, wraps)
    info = {
        "kind": "grains_at",
        "spacing": spacing,
        "shape": list(shape),
        "box": box.tolist(),
        "centres": places,
        "diameters": widths,
        "centre_distances": centre_distances(places, period),
        "surface_gaps": gaps,
        "periodic": wraps,
        "t": t,
        "mu": mu,
        "attraction": attraction,
        "disorder": disorder,
        "transparency": transparency,
        "interface": describe_interface(transparency, mu, t),
        "grain_grain_bonds": between,
        "volume_fraction": float(inside.mean()),
        "seed": given,
    }
    return System(
        hamiltonian=assemble_grid(shape, onsite, hoppings, wraps),
        positions=grid_positions(shape, spacing, offset=0.5),
        delta=np.where(inside, values[grain], 0),
        attraction=np.where(inside, attraction, 0.0),
        grain=grain,
        period=period,
        info=info,
    )


def _spheres(centres: Any, diameters: Any, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Return centres (G, dim) and diameters (G,) after their checks."""
    try:
        places, widths = np.asarray(centres, dtype=float), np.asarray(diameters, dtype=float)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"centres and diameters must be real numbers; got {centres!r:.80}, {diameters!r:.80}"
        ) from error
    if places.ndim != 2 or places.shape[1] != dim or not len(places) or not np.isfinite(places).all():
        raise ValueError(f"centres must be finite, of shape (G, {dim}), one row a grain; got shape {places.shape}")
    if widths.shape not in ((), (len(places),)) or not (np.isfinite(widths).all() and (widths > 0).all()):
        raise ValueError(
            f"diameters must be positive, one number or one for each of {len(places)}; got {diameters!r:.80}"
        )
    return places, np.broadcast_to(widths, len(places)).copy()


def _pairing(delta: Any, count: int) -> np.ndarray:
    """Return the pairing of each grain (G,)."""
    values = np.asarray(delta)
    if values.dtype.kind not in "iufc" or values.shape not in ((), (count,)) or not np.isfinite(values).all():
        raise ValueError(f"delta must be a finite number, or one for each of the {count} grains; got {delta!r:.80}")
    if values.dtype.kind == "c" and not values.imag.any():
        values = values.real
    return np.broadcast_to(values, count).astype(complex if values.dtype.kind == "c" else float)
