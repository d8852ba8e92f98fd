r"""The Green function ``G(z) = (z - H)^{-1}`` of the BdG Hamiltonian, on chosen sites or on the site diagonal."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.arguments import require_choice, require_sites, require_system
from bdg.gpu.backend import select_backend
from bdg.gpu.memory import require_memory
from bdg.gpu.multifrontal import FactorError
from bdg.hamiltonian import BdGHamiltonian
from bdg.lattices.system import System
from bdg.resolvent import Resolvent, ResolventAt, site_rows, with_progress
from bdg.results import Evidence, Result, quantity

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METHODS = ("auto", "multifrontal", "dense")
_PROBES = 4  # sites whose columns are solved for, to check the selected inverse
_UNUSABLE = 1e-4  # of the largest element: difference of the selected inverse to these columns


@dataclass(frozen=True, eq=False, kw_only=True)
class GreenFunction(Result):
    """Blocks of ``(z - H)^-1``.

    Attributes
    ----------
    values : array, complex128
        Chosen sites: (2 s S, 2 s S), rows and columns in the order electron of all these sites | hole of all of them;
        with ``sources`` (2 s S, 2 s C). All sites: the diagonal blocks (N, 2 s, 2 s). An array of z adds a leading
        axis.
    z : array or number, complex
    sites : array (S,) of int, empty for the site diagonal
    sources : array (C,) of int, equal to ``sites`` where none were given
    positions : array (N, dim)
    """

    values: np.ndarray = quantity("blocks of (z - H)^-1", "1/hopping")
    z: np.ndarray = quantity("complex energies", "hopping")
    sites: np.ndarray = quantity("sites of the rows (S,), empty for the diagonal blocks of all sites")
    sources: np.ndarray = quantity("sites of the columns (C,), empty for the diagonal blocks of all sites")
    positions: np.ndarray = quantity("positions of all sites (N, dim)", "length of the system")

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure at the first z.

        ``-Im Tr G_ee / pi`` of each site, summed over spins; with ``sources`` the sum of |G|^2 over these and both
        parts.
        """
        from bdg.plotting import plot_site_map

        values = self.values if self.z.ndim == 0 else self.values[0]
        if not self.sites.size:
            electron = values.shape[1] // 2
            spectral = -np.trace(values[:, :electron, :electron], axis1=1, axis2=2).imag / np.pi
            return plot_site_map(self.positions, spectral, r"$-\mathrm{Im}\, G/\pi$", ax)
        positions = self.positions[self.sites]
        if not np.array_equal(self.sites, self.sources):
            strength = (abs(values) ** 2).sum(axis=1).reshape(2, self.sites.size, -1).sum(axis=(0, 2))
            return plot_site_map(positions, strength, r"$\sum |G|^2$", ax)
        half = values.shape[0] // 2
        spectral = -np.diag(values)[:half].imag.reshape(self.sites.size, -1).sum(axis=1) / np.pi
        return plot_site_map(positions, spectral, r"$-\mathrm{Im}\, G/\pi$", ax)


def green_function(
    system: System,
    z: Any,
    sites: Any = None,
    *,
    sources: Any = None,
    method: str = "auto",
    device: str = "auto",
    seed: int | None = None,
    progress: bool = False,
) -> GreenFunction:
    r"""Return blocks of ``(z - H)^{-1}`` for complex energies z.

    Parameters
    ----------
    system : System
    z : complex or array of complex
        In the unit of the hopping; real values away from eigenvalues are allowed.
    sites : list of int or mask (N,), optional
        All blocks between these sites; default: the diagonal blocks of all sites, by selected inversion.
    sources : list of int or mask (N,), optional
        Only the columns of these sites: ``values`` (2 s S, 2 s C) with rows on ``sites``, by default on all sites. What
        a source sends to the whole system costs one solve a column this way.
    method : {"auto", "multifrontal", "dense"}
        "auto" is "multifrontal"; "dense" inverts the full matrix, for comparison.
    device : {"auto", "cpu", "gpu"}
    seed : int, optional
        Of the sites that check a selected inverse; None means 0.
    progress : bool
        Show a bar over the energies.

    Returns
    -------
    GreenFunction
        On the host. The evidence holds ``max_residual``: the largest norm of ``(z - H) G e - e`` of the columns that
        were solved for; without ``sites`` also the largest difference of the selected inverse to the columns of four
        sites; and ``form``: the kind of factors ("quaternion", "majorana" at large systems and imaginary z).

    Raises
    ------
    ValueError
        If z is not finite, or a site does not exist.
    ArithmeticError
        If z lies so close to an eigenvalue that no factor can be used.
    MemoryBudgetError
        If the factors do not fit.

    References
    ----------
    Selected inversion: L. Lin et al., ACM Trans. Math. Softw. 37, 40 (2011).
    """
    start = time.perf_counter()
    require_system(system)
    require_choice("method", method, METHODS)
    energies = np.asarray(z)
    if energies.dtype.kind not in "iufc" or energies.ndim > 1 or not energies.size:
        raise TypeError(f"z must be a complex number or a list of them; got {z!r:.80}")
    if not np.isfinite(energies).all():
        raise ValueError(f"z must be finite; got {z!r:.80}")
    chosen = None if sites is None and sources is None else require_sites(sites, system.n_sites)
    origin = chosen if sources is None else require_sites(sources, system.n_sites, "sources")
    backend = select_backend(device)
    resolvent = Resolvent(BdGHamiltonian(system), backend)
    probes = np.random.default_rng(0 if seed is None else seed).permutation(system.n_sites)[:_PROBES]
    results, residuals, forms = [], [], set()
    for point in with_progress(np.atleast_1d(energies).astype(complex), progress, "Green function"):
        if method == "dense":
            values, residual = _dense(resolvent, complex(point), chosen, origin)
            form = "dense"
        else:
            at = resolvent.at(complex(point))
            form = at.form
            if chosen is None or origin is None:
                values, residual = _site_diagonal(at, probes)
            else:
                values, residual = _between(at, chosen, origin)
        results.append(values)
        residuals.append(residual)
        forms.add(form)
    evidence = Evidence.of(
        method="dense" if method == "dense" else "multifrontal",
        why="as asked" if method != "auto" else "one factorisation for each energy",
        backend=backend,
        dtype=results[0].dtype,
        start=start,
        max_residual=float(max(residuals)),
        form=", ".join(sorted(forms)),
    )
    none = np.empty(0, dtype=np.int64)
    return GreenFunction(
        values=results[0] if energies.ndim == 0 else np.stack(results),
        z=energies.astype(complex),
        sites=none if chosen is None else chosen,
        sources=none if origin is None else origin,
        positions=system.positions,
        evidence=evidence,
    )


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
            f"the selected inverse at z = {at.z} differs by {deviation:.2g} from solved columns; move z away from the "
            "eigenvalue next to it, or ask for chosen sites"
        )
    return blocks, max(deviation, residual)


def _dense(
    resolvent: Resolvent, z: complex, sites: np.ndarray | None, sources: np.ndarray | None
) -> tuple[np.ndarray, float]:
    system, dimension, backend = resolvent.system, resolvent.hamiltonian.shape[0], resolvent.backend
    require_memory(4 * 16.0 * dimension**2, backend, f"inverting dimension {dimension}", "Use method='multifrontal'.")
    xp = backend.xp
    matrix = xp.asarray(z * np.eye(dimension) - resolvent.hamiltonian.matrix.toarray())
    found = xp.linalg.inv(matrix)
    residual = float(abs(xp.matmul(matrix, found) - xp.eye(dimension)).max())
    inverse = backend.to_host(found)
    if sites is not None and sources is not None:
        return inverse[np.ix_(site_rows(system, sites), site_rows(system, sources))], residual
    whole = inverse.reshape(2, system.n_sites, system.norbs, 2, system.n_sites, system.norbs)
    every = np.arange(system.n_sites)
    shape = (system.n_sites, 2 * system.norbs, 2 * system.norbs)
    return whole[:, every, :, :, every, :].reshape(shape), residual
