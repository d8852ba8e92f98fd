"""Cuts of a graph into halves with few edges between them, by METIS (the extra ``bdg[metis]``).

For sites whose positions say little about which of them are connected: networks, folded or abstract geometries.
G. Karypis and V. Kumar, SIAM J. Sci. Comput. 20, 359 (1998).
"""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import scipy.sparse as sp

_SEED = 1  # METIS draws random numbers; orders should repeat


def has_metis() -> bool:
    """Return whether pymetis is installed."""
    return importlib.util.find_spec("pymetis") is not None


def require_metis() -> Any:
    """Return the module pymetis.

    Raises
    ------
    ImportError
        Names the extra, if it is not installed.
    """
    try:
        import pymetis
    except ImportError as error:
        raise ImportError("ordering='metis' needs pymetis: pip install 'bdg[metis]'") from error
    return pymetis


def halves(part: np.ndarray, active: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return, for each active site, whether it belongs to the second half of its part; no half is empty.

    Parameters
    ----------
    part : array (N,)
        Number of the part of each site.
    active : array of int
        Sites of the parts to be cut, at least two of each.
    start, end : arrays (n_edges,)
        Each connected pair once.
    """
    metis = require_metis()
    options = metis.Options(seed=_SEED)
    sites = active[np.argsort(part[active], kind="stable")]
    number = np.full(part.size, -1, dtype=np.int64)
    number[sites] = np.arange(sites.size)
    inside = (number[start] >= 0) & (number[end] >= 0) & (part[start] == part[end])
    row, column = number[start[inside]], number[end[inside]]
    ones = np.ones(row.size, dtype=np.int8)
    graph = sp.csr_matrix((ones, (row, column)), shape=(sites.size,) * 2)
    graph = (graph + graph.T).tocsr()
    bounds = np.append(np.flatnonzero(np.diff(part[sites], prepend=part[sites[0]] - 1)), sites.size)
    second = np.zeros(part.size, dtype=bool)
    for begin, stop in zip(bounds[:-1], bounds[1:], strict=True):
        first_edge, last_edge = graph.indptr[begin], graph.indptr[stop]
        neighbours = metis.CSRAdjacency(
            graph.indptr[begin : stop + 1] - first_edge, graph.indices[first_edge:last_edge] - begin
        )
        side = np.asarray(metis.part_graph(2, neighbours, options=options).vertex_part, dtype=bool)
        if side.all() or not side.any():  # METIS may leave a half of a tiny part empty
            side = np.arange(stop - begin) >= (stop - begin) // 2
        second[sites[begin:stop]] = side
    return second[active]
