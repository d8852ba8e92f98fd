"""The size of a dissection from the shape of a grid alone, beside the dissection of that grid itself."""

import numpy as np
import pytest

from bdg.gpu.cost.grid_dissection import grid_work
from bdg.gpu.device.backend import select_backend
from bdg.gpu.multifrontal.analysis.flops import factor_flops
from bdg.gpu.multifrontal.analysis.settings import CPU_SETTINGS
from bdg.lattices import Layer, stack
from bdg.methods.symbolic import site_symbolic

SHAPES = [
    ((3000,), (False,)),
    ((60, 60), (False, False)),
    ((60, 45), (False, True)),
    ((16, 16, 16), (False, False, False)),
    ((16, 16, 16), (False, True, True)),
    ((17, 13, 19), (False, True, False)),
    ((4, 40, 40), (False, False, False)),
    ((4, 40, 40), (False, True, True)),
    ((200, 6, 5), (False, False, False)),
    ((30, 2, 2), (False, False, False)),
    ((3, 3), (False, False)),
]


@pytest.mark.parametrize(("shape", "periodic"), SHAPES)
def test_fronts_are_those_of_the_grid(shape, periodic):
    """Planes where the ordering takes minimum covers, whole separators where it takes chains: a seventh at most."""
    system = stack([Layer(shape[0], delta=0.1)], shape[1:], periodic=list(periodic[1:]) if shape[1:] else False)
    structure = site_symbolic(system, select_backend("cpu")).structure
    pivots, updates = structure.n_pivots.astype(float), structure.n_updates.astype(float)
    found = grid_work(shape, periodic)
    assert found.flops == pytest.approx(factor_flops(pivots, updates).sum(), rel=0.15)
    assert found.elements == pytest.approx(((pivots + updates) ** 2).sum(), rel=0.15)
    assert found.kept == pytest.approx((pivots * (pivots + updates)).sum(), rel=0.15)
    assert found.largest == pytest.approx(((pivots + updates) ** 2).max(), rel=0.15)


def test_it_grows_as_nested_dissection_does():
    """Operations like N^2 in cubes and N^(3/2) in squares (George 1973), and like N along a bar."""

    def power(small, large):
        ratio = grid_work(large, (False,) * len(large)).flops / grid_work(small, (False,) * len(small)).flops
        return np.log(ratio) / np.log(np.prod(large) / np.prod(small))

    assert power((100,) * 3, (400,) * 3) == pytest.approx(2, abs=0.03)
    assert power((1000,) * 2, (8000,) * 2) == pytest.approx(1.5, abs=0.03)
    assert power((1000, 8, 8), (16000, 8, 8)) == pytest.approx(1, abs=0.02)


def test_any_size_takes_a_moment():
    """The work of 1e18 sites: any loop over them would not end."""
    grid_work((10**6, 10**6, 10**6), (True, True, True))
    grid_work((1, 1, 1), (False, False, False))
    assert grid_work((4, 4), (True, False), leaf=CPU_SETTINGS.leaf).flops == factor_flops(16, 0)
