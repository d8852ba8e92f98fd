r"""Layers one behind the other along x: S/N/S, S/N/S/N/S and any other list, in 1-D, 2-D and 3-D.

Sites lie on a grid with positions ``index * spacing``, every axis counted from 0, the last axis fastest. Inside a
layer the hopping is ``-t hopping`` along every axis. The bond between two layers gets the geometric mean of both,
``-t x sqrt(hopping_left hopping_right)``, with x = 1 unless ``transparency`` is given;
`bdg.lattices.builders.interface.hopping_scale` says which x has which transparency between two like chains.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from bdg.lattices import budget
from bdg.lattices.arguments import non_negative_number, positive_number, real_number, whole_number
from bdg.lattices.builders.disorder import uniform_disorder
from bdg.lattices.builders.grid import assemble_grid, grid_positions
from bdg.lattices.builders.interface import describe_interface, hopping_scale
from bdg.lattices.doubts import doubt_degrees
from bdg.lattices.nambu import phase_factor
from bdg.lattices.packing.building_costs import grid_building
from bdg.lattices.seeds import DISORDER, resolve_seed, stream
from bdg.lattices.system import System
from bdg.lattices.unit_names import UnitNames


@dataclass(frozen=True)
class Layer:
    """One layer of a `stack`.

    Attributes
    ----------
    length : int
        Sites along x.
    delta : float
        Magnitude of the on-site pairing, in the unit of t.
    phase : float
        Phase of the pairing in radian: the pairing is ``delta exp(i phase)``.
    onsite : float
        Onsite energy, added to -mu.
    attraction : float
        U >= 0 of the gap equation.
    hopping : float
        Factor > 0 on t inside the layer.
    disorder : float
        Width W >= 0 of the box [-W/2, W/2] from which onsite energies are drawn.

    Raises
    ------
    TypeError, ValueError
        If a value is not a finite real number or out of its range.

    Examples
    --------
    >>> from bdg.lattices import Layer, stack
    >>> junction = stack([Layer(2, delta=0.3), Layer(1, onsite=1.5), Layer(2, delta=0.3, phase=3.14159)])
    >>> print(junction.delta.real.round(3))
    [ 0.3  0.3  0.  -0.3 -0.3]
    >>> print(junction.hamiltonian.diagonal())
    [0.  0.  1.5 0.  0. ]
    """

    length: int
    _: KW_ONLY
    delta: float = 0
    phase: float = 0
    onsite: float = 0
    attraction: float = 0
    hopping: float = 1
    disorder: float = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "length", whole_number("length", self.length, 1, unit="sites"))
        for name in ("delta", "phase", "onsite"):
            object.__setattr__(self, name, real_number(f"{name} of a layer", getattr(self, name)))
        for name in ("attraction", "disorder"):
            object.__setattr__(self, name, non_negative_number(f"{name} of a layer", getattr(self, name)))
        object.__setattr__(self, "hopping", positive_number("hopping of a layer", self.hopping))
        doubt_degrees("phase of a layer", np.array([self.phase]))

    @property
    def superconducting(self) -> bool:
        """True if the layer has pairing or attraction."""
        return self.delta != 0 or self.attraction != 0


def stack(
    layers: Sequence[Layer],
    cross_section: Sequence[int] = (),
    *,
    t: float = 1,
    mu: float = 0,
    spacing: float = 1,
    transparency: Any = None,
    barrier: Any = 0,
    periodic: Any = False,
    seed: int | None = None,
    energy_unit: str | None = None,
    length_unit: str | None = None,
) -> System:
    r"""Return layers one behind the other along x as a `System`.

    Parameters
    ----------
    layers : sequence of `Layer`
        From left to right. Each superconducting one (pairing or attraction) is one grain: 0, 1, ...
    cross_section : () or (Ny,) or (Ny, Nz)
        Sites across.
    t, mu : float
        Hopping (h_ij = -t) and chemical potential (onsite -mu, no shift by 2dt).
    spacing : float
        Length of a bond.
    transparency : float or sequence of float, one an interface, optional
        0 < tau <= 1 of each interface, set through the hopping x t of its bonds:
        ``tau = 4 x^2 sin^2 k / ((1 - x^2)^2 + 4 x^2 sin^2 k)``, ``2 cos k = -mu/t``, one channel at normal incidence.
        ``sin k = 1`` is taken where |mu| >= 2t, noted in ``info``. Default: x = 1.
    barrier : float or sequence of float, one an interface
        Onsite energy added to the last site before each interface.
    periodic : bool or sequence of bool, one a cross-section axis
        Whether the cross-section wraps around; the x axis is always open.
    seed : int, optional
        Of the disorder. Default: a fresh one, recorded in ``info``.
    energy_unit, length_unit : str, optional
        Names of the units of energies and positions ("meV", "nm"); nothing is converted. Default: the unit of the
        hopping, of the positions.

    Returns
    -------
    System
        ``info`` holds all arguments but the names of units (``layers`` as dicts), ``interface_hoppings`` (energies,
        positive), ``interface`` (x and k behind ``transparency``), ``disorder`` (W of the layers without pairing, None
        if they differ or there are none) and ``kind`` = "stack".

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, length or range.
    MemoryBudgetError
        If it does not fit into the memory of this machine, with what would; nothing has been made then.

    Examples
    --------
    >>> from bdg.lattices import Layer, stack
    >>> film = stack([Layer(5, delta=0.3), Layer(3)], (4,), mu=-1, periodic=True)
    >>> print(film.n_sites, film.n_grains)  # 8 x 4 sites, the layer with delta is grain 0
    32 1
    >>> print(film.delta.reshape(8, 4)[:, 0])
    [0.3 0.3 0.3 0.3 0.3 0.  0.  0. ]
    """
    units = UnitNames(energy_unit, length_unit)
    layers = _layers(layers)
    shape = (sum(layer.length for layer in layers), *_cross_section(cross_section))
    wraps = _wraps(periodic, len(shape) - 1)
    t, mu, spacing = positive_number("t", t), real_number("mu", mu), positive_number("spacing", spacing)
    cure, drawn = "take shorter layers or a smaller cross_section", any(layer.disorder for layer in layers)
    budget.require(grid_building("stack", cure, shape, (False, *wraps), drawn))
    count = len(layers) - 1
    barriers = _per_interface("barrier", barrier, count)
    factors, interface = _factors(transparency, count, t, mu)

    def along_x(name: str) -> np.ndarray:
        return np.repeat([getattr(layer, name) for layer in layers], [layer.length for layer in layers])

    ends = np.cumsum([layer.length for layer in layers])[:-1] - 1  # last x index before each interface
    scale = along_x("hopping")
    x_bonds = _x_bonds(t, scale)
    x_bonds[ends] *= factors
    onsite = along_x("onsite") - mu
    onsite[ends] += barriers

    def whole(values: np.ndarray) -> np.ndarray:
        """Spread values along x over the grid."""
        return np.broadcast_to(values.reshape((-1,) + (1,) * (len(shape) - 1)), shape)

    energies, used_seed = _with_disorder(whole(onsite), whole(along_x("disorder")), seed)
    hoppings = [whole(-x_bonds)] + [whole(-t * scale)] * (len(shape) - 1)
    superconducting = np.array([layer.superconducting for layer in layers])
    labels = np.where(superconducting, np.cumsum(superconducting) - 1, -1)
    info = {
        "kind": "stack",
        "layers": [dataclasses.asdict(layer) for layer in layers],
        "cross_section": list(shape[1:]),
        "t": t,
        "mu": mu,
        "spacing": spacing,
        "transparency": None if transparency is None else np.asarray(transparency, dtype=float).tolist(),
        "barrier": barriers.tolist(),
        "periodic": wraps,
        "seed": used_seed,
        "interface": interface,
        "interface_hoppings": x_bonds[ends].tolist(),
        "disorder": _host_disorder(layers),
    }
    return System(
        hamiltonian=assemble_grid(shape, energies, hoppings, [False, *wraps]),
        positions=grid_positions(shape, spacing),
        delta=whole(along_x("delta") * phase_factor(along_x("phase"))).ravel(),
        attraction=whole(along_x("attraction")).ravel(),
        grain=whole(np.repeat(labels, [layer.length for layer in layers])).ravel(),
        period=(None, *(n * spacing if wrap else None for n, wrap in zip(shape[1:], wraps, strict=True))),
        info=info,
        energy_unit=units.energy,
        length_unit=units.length,
    )


def _x_bonds(t: float, scale: np.ndarray) -> np.ndarray:
    """Return the hopping from each plane to the next: the geometric mean of both, exact within a layer."""
    after = np.roll(scale, -1)
    return np.where(scale == after, t * scale, t * np.sqrt(scale * after))


def _factors(transparency: Any, count: int, t: float, mu: float) -> tuple[np.ndarray, dict[str, Any] | None]:
    """Return x of each interface, and how it was found (None without ``transparency``)."""
    if transparency is None:
        return np.ones(count), None
    values = _per_interface("transparency", transparency, count)
    return hopping_scale(values, mu, t), describe_interface(values, mu, t)


def _with_disorder(onsite: np.ndarray, width: np.ndarray, seed: Any) -> tuple[np.ndarray, int | None]:
    """Return onsite energies plus disorder, and its seed; a site draws the same number whatever the widths are."""
    if not width.any():
        return onsite, None if seed is None else resolve_seed(seed)
    seed = resolve_seed(seed)
    draws = uniform_disorder(onsite.size, 1.0, stream(seed, DISORDER))
    return onsite + width * draws.reshape(onsite.shape), seed


def _host_disorder(layers: Sequence[Layer]) -> float | None:
    widths = {layer.disorder for layer in layers if not layer.superconducting}
    return widths.pop() if len(widths) == 1 else None


def _layers(layers: Any) -> list[Layer]:
    if isinstance(layers, Layer):
        layers = [layers]
    layers = list(layers)
    if not layers:
        raise ValueError("layers is empty: a stack needs at least one Layer")
    for layer in layers:
        if not isinstance(layer, Layer):
            raise TypeError(f"layers must be bdg.lattices.Layer objects; got {layer!r:.80}")
    return layers


def _cross_section(cross_section: Any) -> tuple[int, ...]:
    counts = tuple(cross_section) if isinstance(cross_section, Iterable) else (cross_section,)
    if len(counts) > 2:
        raise ValueError(f"cross_section must be (), (Ny,) or (Ny, Nz); got {cross_section!r}")
    return tuple(whole_number("cross_section", count, 1, unit="sites") for count in counts)


def _wraps(periodic: Any, across: int) -> list[bool]:
    flags = np.asarray(periodic)
    if flags.dtype != bool or flags.shape not in ((), (across,)):
        raise ValueError(f"periodic must be True or False, or one of them a cross-section axis; got {periodic!r}")
    if flags.any() and across == 0:
        raise ValueError("periodic applies to the cross-section, and a chain has none; the x axis is always open")
    return [bool(flag) for flag in np.broadcast_to(flags, (across,))]


def _per_interface(name: str, value: Any, count: int) -> np.ndarray:
    values = np.asarray(value)
    if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite real numbers; got {value!r:.80}")
    if values.shape not in ((), (count,)):
        raise ValueError(f"{name} must be one number, or one an interface ({count}); got shape {values.shape}")
    return np.broadcast_to(values.astype(float), (count,))
