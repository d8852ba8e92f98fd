"""Nested dissection: a permutation whose separators separate, on any geometry."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.spatial import cKDTree

from bdg.gpu.ordering.dissection import dissect, in_chains


def _cases():
    rng = np.random.default_rng(0)
    cube = np.stack(np.meshgrid(*[np.arange(6)] * 3, indexing="ij"), -1).reshape(-1, 3).astype(float)
    points = rng.random((300, 2)) * 17
    diluted = cube[rng.random(len(cube)) > 0.3]
    parts = np.concatenate([cube, cube + 50.0])
    return {
        "cube": (cube, 1.01),
        "wire": (np.arange(100.0)[:, None], 1.01),
        "second neighbours": (cube, 1.5),
        "random points": (points, 1.3),
        "dilution": (diluted, 1.01),
        "two parts": (parts, 1.01),
        "misleading positions": (np.zeros((40, 2)), 1.0),
        "one site": (np.zeros((1, 3)), 1.0),
    }


def _adjacency(positions, reach):
    pairs = cKDTree(positions).query_pairs(reach, output_type="ndarray")
    n_sites = len(positions)
    pattern = sp.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n_sites, n_sites))
    return sp.csr_matrix(pattern + pattern.T)


@pytest.mark.parametrize("name", list(_cases()))
def test_tree_separates(name):
    positions, reach = _cases()[name]
    adjacency = _adjacency(positions, reach)
    tree = dissect(positions, adjacency, leaf=4)
    assert np.array_equal(np.sort(tree.order), np.arange(len(positions)))
    ancestors = [set() for _ in tree.parent]
    for node in np.argsort(tree.depth, kind="stable"):
        parent = tree.parent[node]
        if parent >= 0:
            assert tree.depth[node] == tree.depth[parent] + 1
            ancestors[node] = ancestors[parent] | {int(parent)}
    coo = adjacency.tocoo()
    for i, j in zip(tree.owner[coo.row], tree.owner[coo.col], strict=True):
        assert i == j or i in ancestors[j] or j in ancestors[i]  # no edge joins two branches
    sizes = np.bincount(tree.owner, minlength=len(tree.parent))
    assert (sizes[tree.is_leaf] <= 4).all()
    depths = tree.depth[tree.owner][tree.order]
    assert (np.diff(depths) <= 0).all()  # separators come after what they separate


@pytest.mark.parametrize("name", list(_cases()))
def test_separators_in_chains_still_separate(name):
    positions, reach = _cases()[name]
    adjacency = _adjacency(positions, reach)
    whole = dissect(positions, adjacency, leaf=4)
    tree = in_chains(whole, 5)
    sizes = np.bincount(tree.owner, minlength=tree.parent.size)
    assert (sizes <= 5).all() and (np.bincount(whole.owner).max() <= 5 or tree.parent.size > whole.parent.size)
    assert tree.parent[0] == -1 and (tree.parent[1:] >= 0).all()
    assert np.array_equal(tree.depth[1:], tree.depth[tree.parent[1:]] + 1)
    assert np.array_equal(tree.is_leaf, np.bincount(tree.parent[1:], minlength=tree.parent.size) == 0)
    ancestors = [set() for _ in tree.parent]
    for node in np.argsort(tree.depth, kind="stable")[1:]:
        ancestors[node] = ancestors[tree.parent[node]] | {int(tree.parent[node])}
    coo = adjacency.tocoo()
    for i, j in zip(tree.owner[coo.row], tree.owner[coo.col], strict=True):
        assert i == j or i in ancestors[j] or j in ancestors[i]


def test_root_separator_of_a_cube_is_one_plane():
    positions, reach = _cases()["cube"]
    tree = dissect(positions, _adjacency(positions, reach), leaf=4)
    root = positions[tree.owner == 0]
    assert len(root) == 36 and (np.ptp(root, axis=0) == 0).sum() == 1
