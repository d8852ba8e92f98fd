r"""The Green function ``G(z) = (z - H)^{-1}`` of the BdG Hamiltonian, on chosen sites or on the site diagonal."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.arguments import require_choice, require_sites, require_system
from bdg.gpu.backend import Backend, select_backend
from bdg.gpu.multifrontal import Factor, FactorError
from bdg.hamiltonian import BdGHamiltonian
from bdg.lattices.system import System
from bdg.results import Evidence, Result, quantity
from bdg.structure import whole_symbolic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METHODS = ("auto", "multifrontal", "dense")
_PROBES = 4  # sites whose columns are solved for, to check the selected inverse


@dataclass(frozen=True, eq=False, kw_only=True)
class GreenFunction(Result):
    """Blocks of ``(z - H)^-1``.

    Attributes
    ----------
    values : array, complex128
        Chosen sites: (2 s S, 2 s S), rows and columns in the order electron of all these sites | hole of all of them.
        All sites: the diagonal blocks (N, 2 s, 2 s). An array of z adds a leading axis.
    z : array or number, complex
    sites : array (S,) of int, empty for the site diagonal
    positions : array (N, dim)
    """

    values: np.ndarray = quantity("blocks of (z - H)^-1", "1/hopping")
    z: np.ndarray = quantity("complex energies", "hopping")
    sites: np.ndarray = quantity("chosen sites (S,), empty for the diagonal blocks of all sites")
    positions: np.ndarray = quantity("positions of all sites (N, dim)", "length of the system")

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of ``-Im Tr G_ee / pi``, summed over spins, of each site at the first z."""
        from bdg.plotting import plot_site_map

        values = self.values if self.z.ndim == 0 else self.values[0]
        if self.sites.size:
            half = values.shape[0] // 2
            spectral = -np.diag(values)[:half].imag.reshape(self.sites.size, -1).sum(axis=1) / np.pi
            return plot_site_map(self.positions[self.sites], spectral, r"$-\mathrm{Im}\, G/\pi$", ax)
        electron = values.shape[1] // 2
        spectral = -np.trace(values[:, :electron, :electron], axis1=1, axis2=2).imag / np.pi
        return plot_site_map(self.positions, spectral, r"$-\mathrm{Im}\, G/\pi$", ax)


def green_function(
    system: System,
    z: Any,
    sites: Any = None,
    *,
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
        On the host; the evidence holds ``max_residual``: of ``(z - H) G e - e`` for the columns that were solved for,
        or the largest difference of the selected inverse to four such columns.

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
    chosen = None if sites is None else require_sites(sites, system.n_sites)
    backend = select_backend(device)
    hamiltonian = BdGHamiltonian(system)
    probes = np.random.default_rng(0 if seed is None else seed).permutation(system.n_sites)[:_PROBES]
    points = np.atleast_1d(energies).astype(complex)
    if progress:
        from tqdm import tqdm

        points = tqdm(points, unit="energy", desc="Green function")
    results, residuals, contractions = [], [], []
    for point in points:
        if method == "dense":
            values, residual, contraction = _dense(hamiltonian, complex(point), chosen)
        else:
            values, residual, contraction = _multifrontal(hamiltonian, complex(point), chosen, probes, backend)
        results.append(values)
        residuals.append(residual)
        contractions.append(contraction)
    evidence = Evidence.of(
        method="dense" if method == "dense" else "multifrontal",
        why="as asked" if method != "auto" else "one factorisation for each energy",
        backend=select_backend("cpu") if method == "dense" else backend,
        dtype=results[0].dtype,
        start=start,
        max_residual=float(max(residuals)),
        contraction=float(max(contractions)),
    )
    return GreenFunction(
        values=results[0] if energies.ndim == 0 else np.stack(results),
        z=energies.astype(complex),
        sites=np.empty(0, dtype=np.int64) if chosen is None else chosen,
        positions=system.positions,
        evidence=evidence,
    )


def _rows(system: System, sites: np.ndarray) -> np.ndarray:
    """Return the rows of chosen sites: electron of all of them, then hole of all of them."""
    electron = (sites[:, None] * system.norbs + np.arange(system.norbs)).ravel()
    return np.concatenate([electron, electron + system.norbs * system.n_sites])


def _multifrontal(
    hamiltonian: BdGHamiltonian, z: complex, sites: np.ndarray | None, probes: np.ndarray, backend: Backend
) -> tuple[np.ndarray, float, float]:
    system, xp = hamiltonian.system, backend.xp
    symbolic = whole_symbolic(system, backend)
    factor = Factor(symbolic, symbolic.pattern.split(hamiltonian.matrix), z, backend)
    wanted = probes if sites is None else sites
    rows = _rows(system, wanted)
    unit = np.zeros((hamiltonian.shape[0], rows.size), dtype=complex)
    unit[rows, np.arange(rows.size)] = 1
    columns = backend.to_host(factor.solve(xp.asarray(unit)))
    residual = float(abs(z * columns - hamiltonian @ columns - unit).max())
    if sites is not None:
        return columns[rows], residual, factor.contraction
    blocks = backend.to_host(factor.selected_inverse().diagonal(xp)).astype(complex)
    solved = columns[rows].reshape(2, wanted.size, system.norbs, 2, wanted.size, system.norbs)
    own = np.arange(wanted.size)
    expected = solved[:, own, :, :, own, :].reshape(wanted.size, 2 * system.norbs, 2 * system.norbs)
    deviation = float(abs(blocks[wanted] - expected).max())
    if deviation > 1e-4 * max(1.0, float(abs(expected).max())):
        raise FactorError(
            f"the selected inverse at z = {z} differs by {deviation:.2g} from solved columns; move z away from the "
            "eigenvalue next to it, or ask for chosen sites"
        )
    return blocks, max(deviation, residual), factor.contraction


def _dense(hamiltonian: BdGHamiltonian, z: complex, sites: np.ndarray | None) -> tuple[np.ndarray, float, float]:
    system = hamiltonian.system
    matrix = z * np.eye(hamiltonian.shape[0]) - hamiltonian.matrix.toarray()
    inverse = np.linalg.inv(matrix)
    residual = float(abs(matrix @ inverse - np.eye(len(matrix))).max())
    if sites is not None:
        rows = _rows(system, sites)
        return inverse[np.ix_(rows, rows)], residual, 0.0
    whole = inverse.reshape(2, system.n_sites, system.norbs, 2, system.n_sites, system.norbs)
    every = np.arange(system.n_sites)
    shape = (system.n_sites, 2 * system.norbs, 2 * system.norbs)
    return whole[:, every, :, :, every, :].reshape(shape), residual, 0.0
