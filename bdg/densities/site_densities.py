r"""Densities of chosen sites from the resolvent at ``E + i eta``, with an error on every value.

.. math:: \rho_i(E) = -\tfrac1\pi \mathrm{Im} \sum_{spin} G(i, i; E + i \eta)

of the electron part (part 0) and of the hole part (part 1), which is the electron part at -E.
"""

from __future__ import annotations

import numpy as np

from bdg.densities import local_choice as ldos_plan
from bdg.gpu.multifrontal import FactorError
from bdg.green.resolvent import ResolventAt, site_rows

# times the largest |dG_ii| of these sites; that of all sites was at most 22 and 31 times it, 3 times in the median, in
# 17 systems of 900 to 1600 rows at 4 energies and 6 broadenings from 1e-5 to 0.1
SAFETY = {True: 40.0, False: 60.0}
_UNUSABLE = 1e-2  # error in units of the largest density from which a selected inverse is refused


def densities(
    at: ResolventAt, route: str, sites: np.ndarray, parts: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the densities (2, S) of electrons and holes at one energy, and their errors.

    Parameters
    ----------
    at : ResolventAt
    route : {"columns", "selected inverse", "restricted selected inverse"}
        Errors of columns are bounds, those of a selected inverse estimates, the same on all sites.
    sites : array (S,) of int
    parts : array of int
        Which of electrons (0) and holes (1) are wanted; the other may be nan.
    rng : numpy.random.Generator
        Draws the sites that check a selected inverse where nothing says which are worth it.

    Raises
    ------
    FactorError
        If the factors are of no use.
    """
    if route == "columns":
        return _by_columns(at, sites, parts)
    return _by_selection(at, sites, parts, route != "selected inverse", rng)


def _elements(at: ResolventAt, sites: np.ndarray, parts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the diagonal elements of G (parts, S, s), electrons (part 0) or holes (1), and bounds of their errors."""
    backend = at.resolvent.backend
    rows = site_rows(at.resolvent.system, sites).reshape(2, -1)[parts]
    found, residuals = [], []
    for solved in at.columns(rows.ravel()):
        place = backend.xp.asarray(solved.sources), backend.xp.arange(solved.sources.size)
        found.append(backend.to_host(solved.values[place]))
        residuals.append(solved.residuals)
    elements = np.concatenate(found)
    norm = np.concatenate(residuals) / np.sqrt(at.z.imag)
    # the error is at most norm sqrt(y) with y = -Im G, which bounds the exact y, too
    root = 0.5 * (norm + np.sqrt(norm**2 + 4 * (-elements.imag).clip(0)))
    shape = parts.size, sites.size, at.resolvent.system.norbs
    return elements.reshape(shape), (norm * root).reshape(shape)


def _by_columns(at: ResolventAt, sites: np.ndarray, parts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the densities (2, S) of electrons and holes, and bounds of their errors; nan in parts not asked for."""
    elements, bounds = _elements(at, sites, parts)
    density, error = np.full((2, 2, sites.size), np.nan)
    density[parts], error[parts] = -elements.imag.sum(axis=2) / np.pi, bounds.sum(axis=2) / np.pi
    return density, error


def _by_selection(
    at: ResolventAt, sites: np.ndarray, parts: np.ndarray, restricted: bool, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the densities (2, S) of electrons and holes, and an estimate of their errors, the same on all sites.

    Errors of a selected inverse vary from site to site, relative ones most. Where the diagonal of (z - H) G - 1 is at
    hand it shows where they are large, and the sites that it points at are solved for; else some drawn at random.
    """
    norbs = at.resolvent.system.norbs
    blocks, defect = at.checked_blocks(sites, restricted)
    elements = np.einsum("ikk->ik", blocks).reshape(sites.size, 2, norbs).swapaxes(0, 1)
    density = -elements.imag.sum(axis=2) / np.pi
    known = defect is not None
    order = rng.permutation(sites.size) if defect is None else np.argsort(-defect, kind="stable")
    probes = order[: ldos_plan.PROBES[known]]
    solved, bounds = _elements(at, sites[probes], parts)
    deviation = float((abs(elements[parts][:, probes] - solved) + bounds).max())
    error = SAFETY[known] * norbs * deviation / np.pi
    if not error < _UNUSABLE * float(density.max()):
        raise FactorError(
            f"the selected inverse at z = {at.z} has an estimated error of {error:.2g} with densities up to "
            f"{float(density.max()):.2g}: the broadening is too small for it. Take a larger broadening, few sites, or "
            "method='dense'"
        )
    return density, np.full(density.shape, error)
