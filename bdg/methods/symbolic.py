"""What the solvers need of a geometry: elimination orders and symbolic factorisations, made once and shared.

They are kept with the structure of a `System`, so systems that differ in pairing, phases, onsite energies or field use
the same ones. The pattern is that of all links, also where a value happens to vanish.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from bdg.gpu.device.backend import Backend
from bdg.gpu.device.memory import available_bytes
from bdg.gpu.multifrontal import (
    FrontSettings,
    Separators,
    SitePattern,
    Symbolic,
    analyse,
    default_settings,
    predict_memory,
    split_to_fit,
)
from bdg.gpu.multifrontal.imaginary.quaternion import QUATERNION_CPU_SETTINGS
from bdg.gpu.ordering.dissection import DissectionTree, dissect, in_chains, under_root
from bdg.lattices.system import System

_LEAF_OF_FOUR = 12  # sites, of four rows: leaves of 32 take a fifth more time in films, and nothing less in cubes
_NONE = np.zeros(0, dtype=np.int64)
_ROOT_ALONE = DissectionTree(owner=_NONE, parent=_NONE, depth=_NONE, is_leaf=_NONE > 0, level=_NONE)


def dof_rows(system: System) -> np.ndarray:
    """Return the rows of H that belong to each site, (N, 2 s): electrons, then holes."""
    electron = np.arange(system.norbs * system.n_sites).reshape(system.n_sites, system.norbs)
    return np.concatenate([electron, electron + electron.size], axis=1)


def dof_order(system: System) -> np.ndarray:
    """Return the nested-dissection order of all 2 s N rows, the rows of a site together."""
    if "dof_order" not in system.shared:
        sites = dissect(system.positions, system.adjacency).order
        system.shared["dof_order"] = dof_rows(system)[sites].ravel()
    return system.shared["dof_order"]


def site_symbolic(system: System, backend: Backend) -> Symbolic:
    """Return the symbolic factorisation with one row a site: the complex symmetric form ``h + i D``."""
    return _symbolic(system, backend, "site")


def quaternion_symbolic(system: System, backend: Backend) -> Symbolic:
    """Return the same with the front sizes that suit quaternions."""
    return _symbolic(system, backend, "quaternion")


def whole_symbolic(system: System, backend: Backend) -> Symbolic:
    """Return the symbolic factorisation of H, all rows of a site together."""
    return _symbolic(system, backend, "whole")


def electron_symbolic(system: System, backend: Backend) -> Symbolic:
    """Return the symbolic factorisation with the rows of electrons only, both spins of a site together."""
    return _symbolic(system, backend, "electron")


def host_symbolic(system: System, backend: Backend, sites: np.ndarray, *, holes: bool = False) -> Symbolic:
    """Return the symbolic factorisation of h (with ``holes`` of H) whose root owns ``sites``: these stay, others go.

    The last one is kept: other sites give another one.
    """
    key = f"symbolic_{'rooted' if holes else 'host'}_{backend.device}"
    kept = system.shared.get(key)
    if kept is None or not np.array_equal(kept[0], sites):
        kept = system.shared[key] = (sites, _rooted_symbolic(system, backend, sites, holes))
    return kept[1]


def _rooted_symbolic(system: System, backend: Backend, sites: np.ndarray, holes: bool) -> Symbolic:
    pattern, n_sites, rows = _pattern(system), system.n_sites, system.norbs * (2 if holes else 1)
    if rows > 1:
        pattern = pattern.with_rows(dof_rows(system)[:, :rows])
    settings = default_settings(backend)
    others = np.setdiff1d(np.arange(n_sites), sites)
    separators = Separators(_ROOT_ALONE, "positions", settings.leaf)
    if others.size:
        adjacency = sp.csr_matrix(system.adjacency[others][:, others])
        separators = Separators.of(system.positions[others], adjacency, settings)
    tree = separators.tree
    if settings.pivots and others.size:
        tree = in_chains(tree, max(1, settings.pivots // rows))
    rooted = replace(separators, tree=under_root(tree, others, n_sites))
    return analyse(system.positions, pattern, replace(settings, pivots=0), rooted)


def _symbolic(system: System, backend: Backend, kind: str) -> Symbolic:
    key = f"symbolic_{kind}_{backend.device}"
    if key not in system.shared:
        pattern = _pattern(system)
        if kind == "whole":
            pattern = pattern.with_rows(dof_rows(system))
        elif kind == "electron":
            pattern = pattern.with_rows(dof_rows(system)[:, : system.norbs])
        small = kind == "quaternion" and backend.device == "cpu"
        settings = QUATERNION_CPU_SETTINGS if small else default_settings(backend)
        if pattern.rows_per_site == 4 and backend.device == "cpu":
            settings = replace(settings, leaf=min(settings.leaf, _LEAF_OF_FOUR))
        symbolic = analyse(system.positions, pattern, settings, _separators(system, settings))
        system.shared[key] = split_to_fit(symbolic, lambda trial: _largest(trial, kind) < available_bytes(backend))
    return system.shared[key]


def _pattern(system: System) -> SitePattern:
    if "pattern" not in system.shared:
        links = sp.csr_matrix(system.adjacency.astype(float) + sp.identity(system.n_sites))
        system.shared["pattern"] = SitePattern.of(links)
    return system.shared["pattern"]


def _separators(system: System, settings: FrontSettings) -> Separators:
    key = f"separators_{settings.leaf}_{settings.ordering}"
    if key not in system.shared:
        system.shared[key] = Separators.of(system.positions, system.adjacency, settings)
    return system.shared[key]


def _largest(symbolic: Symbolic, kind: str) -> float:
    """Return the bytes of the most demanding use: the selected inverse of a general matrix, if there is one."""
    if kind == "site":
        return predict_memory(symbolic, np.complex128).factor_peak
    predicted = predict_memory(symbolic, np.complex128, general=True)
    planes = 2 if kind == "quaternion" else 1  # four real planes against one complex matrix
    return planes * max(predicted.factor_peak, predicted.releasing_peak)
