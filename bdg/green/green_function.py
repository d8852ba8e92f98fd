r"""The Green function ``G(z) = (z - H)^{-1}`` of the BdG Hamiltonian, on chosen sites or on the site diagonal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.base.arguments import require_choice, require_complex, require_seed, require_sites, require_system
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.progress import progress_bar
from bdg.base.quantities import with_axes
from bdg.base.results import Evidence, Result, quantity
from bdg.base.tables import Quantity
from bdg.gpu.device.backend import Backend, select_backend
from bdg.gpu.device.memory import require_memory
from bdg.gpu.device.threads import side_by_side, threaded
from bdg.gpu.multifrontal import FactorError
from bdg.green.choice import _PROBES, _WHAT, METHODS, UNNOTICED, _ways
from bdg.green.resolvent import UNUSABLE, Resolvent, ResolventAt, site_rows
from bdg.green.resolvent_costs import dense_inverse_bytes
from bdg.lattices.system import System
from bdg.methods.choice import first_working

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_UNUSABLE = 1e-4  # of the largest element: difference of the selected inverse to these columns


@dataclass(frozen=True, eq=False, kw_only=True)
class GreenFunction(Result):
    """Blocks of ``(z - H)^-1``.

    Attributes
    ----------
    values : array (2 s S, 2 s S), (2 s S, 2 s C) or (N, 2 s, 2 s), complex128
        Chosen sites: (2 s S, 2 s S), rows and columns in the order electron of all these sites | hole of all of them;
        with ``sources`` (2 s S, 2 s C). All sites: the diagonal blocks (N, 2 s, 2 s). An array of z adds a leading
        axis.
    z : number or array (M,), complex
    sites : array (S,) of int, empty for the site diagonal
    sources : array (C,) of int, equal to ``sites`` where none were given
    positions : array (N, dim)
    """

    values: np.ndarray = quantity("blocks of (z - H)^-1", "1/hopping")
    z: np.ndarray = quantity("complex energies", "hopping")
    sites: np.ndarray = quantity("sites of the rows (S,), empty for the diagonal blocks of all sites")
    sources: np.ndarray = quantity("sites of the columns (C,), empty for the diagonal blocks of all sites")
    positions: np.ndarray = quantity("positions of all sites (N, dim)", "length of the system")

    def quantities(self) -> Iterator[Quantity]:
        """Give what a table of the result may hold: an element a row."""
        matrix = ("row", "column") if self.sites.size else ("N", "row", "column")
        axes = {"z": ("z",), "values": (*("z",) * self.z.ndim, *matrix)}
        return with_axes(super().quantities(), axes)

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure at the first z.

        ``-Im Tr G_ee / pi`` of each site, summed over spins; with ``sources`` the sum of |G|^2 over these and both
        parts.
        """
        from bdg.plots.maps import plot_site_map

        values = self.values if self.z.ndim == 0 else self.values[0]
        label = rf"$-\mathrm{{Im}}\, G/\pi$ ({self.units.put_into('1/hopping')})"
        if not self.sites.size:
            electron = values.shape[1] // 2
            spectral = -np.trace(values[:, :electron, :electron], axis1=1, axis2=2).imag / np.pi
            return plot_site_map(self.positions, spectral, label, ax, length_unit=self.length_unit)
        positions = self.positions[self.sites]
        if not np.array_equal(self.sites, self.sources):
            strength = (abs(values) ** 2).sum(axis=1).reshape(2, self.sites.size, -1).sum(axis=(0, 2))
            return plot_site_map(positions, strength, r"$\sum |G|^2$", ax, length_unit=self.length_unit)
        half = values.shape[0] // 2
        spectral = -np.diag(values)[:half].imag.reshape(self.sites.size, -1).sum(axis=1) / np.pi
        return plot_site_map(positions, spectral, label, ax, length_unit=self.length_unit)


@threaded
def green_function(
    system: System,
    z: Any,
    sites: Any = None,
    *,
    sources: Any = None,
    method: str = "auto",
    device: str = "auto",
    threads: int | str = "auto",
    seed: int | None = None,
    progress: bool = False,
) -> GreenFunction:
    r"""Return blocks of ``(z - H)^{-1}`` for complex energies z.

    Parameters
    ----------
    system : System
    z : complex or array (M,) of complex
        In the unit of the hopping; real values away from eigenvalues are allowed.
    sites : list of int or mask (N,), optional
        All blocks between these sites; default: the diagonal blocks of all sites, by selected inversion.
    sources : list of int or mask (N,), optional
        Only the columns of these sites: ``values`` (2 s S, 2 s C) with rows on ``sites``, by default on all sites. What
        a source sends to the whole system costs one solve a column this way.
    method : {"auto", "multifrontal", "dense"}
        "multifrontal" takes one sparse factorisation for each z, "dense" inverts the full matrix. "auto" takes what is
        expected to be done first (`bdg.estimate`), "multifrontal" where that is expected within 0.1 s, and "dense"
        where factors turn out to be of no use and it fits; the evidence says so.
    device : {"auto", "cpu", "gpu"}
        "auto" takes the one that is expected to be done first, "gpu" never falls back.
    threads : int or "auto"
        Of the host; "auto" takes ``BDG_THREADS``, else the cores at hand. Results do not depend on it.
    seed : int, optional
        Of the sites that check a selected inverse; None means 0.
    progress : bool
        Show a bar over the energies.

    Returns
    -------
    GreenFunction
        ``values``, complex128, in 1/hopping, on the host: (2 s S, 2 s S) between S sites, (2 s S, 2 s C) with the
        columns of C sources, (N, 2 s, 2 s) for the diagonal blocks of all sites; an array of z adds a leading axis.
        Orbitals in the order electron of all these sites, then hole of all of them. The evidence holds
        ``max_residual``: the largest norm of ``(z - H) G e - e`` of the columns that were solved for; without ``sites``
        also the largest difference of the selected inverse to the columns of four sites; and ``form``: the kind of
        factors ("quaternion", "majorana" at large systems and imaginary z).

    Raises
    ------
    TypeError, ValueError
        If z is not finite, or a site does not exist.
    ArithmeticError
        If z lies so close to an eigenvalue that no factor can be used, and with "auto" no dense inverse.
    MemoryBudgetError
        If nothing that may be taken fits: with what each method needs, before it is begun.
    BackendUnavailableError
        If ``device="gpu"`` and no GPU can be used.

    References
    ----------
    Selected inversion: L. Lin et al., ACM Trans. Math. Softw. 37, 40 (2011).

    Examples
    --------
    >>> import bdg
    >>> from bdg.lattices import Layer, stack
    >>> chain = stack([Layer(101, delta=0.2)])
    >>> block = bdg.green_function(chain, [0.1 + 0.02j], sites=[50]).values
    >>> print(block.shape)  # one energy, one site, rows and columns (electron, hole)
    (1, 2, 2)
    >>> print(block[0, 0].round(2))
    [-0.28-0.08j -0.57-0.04j]
    """
    start = time.perf_counter()
    require_system(system)
    require_choice("method", method, METHODS)
    energies = require_complex(z)
    chosen = None if sites is None and sources is None else require_sites(sites, system.n_sites)
    origin = chosen if sources is None else require_sites(sources, system.n_sites, "sources")
    seed = require_seed(seed)
    select_backend(device)  # refused before any work
    hamiltonian, points = BdGHamiltonian(system), np.atleast_1d(energies)
    backends, options, task = _ways(device, hamiltonian, points, chosen, origin)
    probes = np.random.default_rng(seed).permutation(system.n_sites)[:_PROBES]

    def run(way: str, on: Backend) -> tuple[list[np.ndarray], float, set[str]]:
        each = next(option.bytes for option in options if (option.method, option.device) == (way, on.device))
        return _blocks(way, Resolvent(hamiltonian, on), points, chosen, origin, probes, each, progress)

    found, choice = first_working(method, options, backends, run, _WHAT, task, UNNOTICED)
    results, residual, forms = found
    form = ", ".join(sorted(forms))
    evidence = Evidence.of(choice, dtype=results[0].dtype, start=start, max_residual=residual, form=form)
    none = np.empty(0, dtype=np.int64)
    return GreenFunction(
        values=results[0] if energies.ndim == 0 else np.stack(results),
        z=energies,
        sites=none if chosen is None else chosen,
        sources=none if origin is None else origin,
        positions=system.positions,
        evidence=evidence,
        units=system.units,
    )


def _blocks(
    method: str,
    resolvent: Resolvent,
    points: np.ndarray,
    sites: np.ndarray | None,
    sources: np.ndarray | None,
    probes: np.ndarray,
    each_bytes: float,
    progress: bool,
) -> tuple[list[np.ndarray], float, set[str]]:
    """Return the blocks at each point, their largest residual, and the forms of the factors."""

    def solved(point: complex) -> tuple[np.ndarray, float, str]:
        if method == "dense":
            return *_dense(resolvent, complex(point), sites, sources), "dense"
        at = resolvent.at(complex(point))
        found = _site_diagonal(at, probes) if sites is None or sources is None else _between(at, sites, sources)
        return *found, at.form

    results, worst, forms = [], 0.0, set()
    found = side_by_side(solved, points, resolvent.backend, each_bytes=each_bytes)
    for values, residual, form in progress_bar(progress, "Green function", "energy", found, total=points.size):
        results.append(values)
        worst = max(worst, residual)
        forms.add(form)
    return results, worst, forms


def _between(at: ResolventAt, sites: np.ndarray, sources: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the blocks between sites and sources, and the largest residual."""
    system, backend = at.resolvent.system, at.resolvent.backend
    wanted = backend.xp.asarray(site_rows(system, sites))
    parts, worst = [], 0.0
    for solved in at.columns(site_rows(system, sources)):
        parts.append(backend.to_host(solved.values[wanted]))
        worst = max(worst, float(solved.residuals.max()))
    return np.concatenate(parts, axis=1).astype(complex), worst


def _site_diagonal(at: ResolventAt, probes: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the diagonal block of each site, and their largest difference to solved columns."""
    system = at.resolvent.system
    blocks = at.blocks(np.arange(system.n_sites))
    solved, residual = _between(at, probes, probes)
    columns = solved.reshape(2, probes.size, system.norbs, 2, probes.size, system.norbs)
    own = np.arange(probes.size)
    expected = columns[:, own, :, :, own, :].reshape(probes.size, 2 * system.norbs, 2 * system.norbs)
    deviation = float(abs(blocks[probes] - expected).max())
    if not deviation <= _UNUSABLE * max(1.0, float(abs(expected).max())):
        raise FactorError(
            f"the selected inverse at z = {at.z} differs by {deviation:.2g} from solved columns. Move z away from the "
            "eigenvalue next to it, ask for chosen sites, or use method='dense'"
        )
    return blocks, max(deviation, residual)


def _dense(
    resolvent: Resolvent, z: complex, sites: np.ndarray | None, sources: np.ndarray | None
) -> tuple[np.ndarray, float]:
    system, dimension, backend = resolvent.system, resolvent.hamiltonian.shape[0], resolvent.backend
    require_memory(
        dense_inverse_bytes(dimension), backend, f"inverting dimension {dimension}", "Use method='multifrontal'."
    )
    xp = backend.xp
    matrix = xp.asarray(z * np.eye(dimension) - resolvent.hamiltonian.matrix.toarray())
    try:
        found = xp.linalg.inv(matrix)
    except np.linalg.LinAlgError:
        residual = np.inf
    else:
        residual = float(abs(xp.matmul(matrix, found) - xp.eye(dimension)).max())
    if not residual < UNUSABLE:
        raise FactorError(
            f"the dense inverse of z - H at z = {z} has a residual of {residual:.2g}: z lies at an eigenvalue to "
            "rounding. Move it away, or give it a larger imaginary part"
        )
    inverse = backend.to_host(found)
    if sites is not None and sources is not None:
        return inverse[np.ix_(site_rows(system, sites), site_rows(system, sources))], residual
    whole = inverse.reshape(2, system.n_sites, system.norbs, 2, system.n_sites, system.norbs)
    every = np.arange(system.n_sites)
    shape = (system.n_sites, 2 * system.norbs, 2 * system.norbs)
    return whole[:, every, :, :, every, :].reshape(shape), residual
