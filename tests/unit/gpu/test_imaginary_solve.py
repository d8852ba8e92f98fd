"""Solves with quaternion and Majorana factors, without the refinement that would hide their errors."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import bdg
from bdg.gpu.device.backend import select_backend
from bdg.gpu.multifrontal import FrontSettings, SitePattern, analyse
from bdg.gpu.multifrontal.imaginary.majorana import MajoranaFactor, MajoranaForm
from bdg.gpu.multifrontal.imaginary.quaternion import QuaternionFactor
from bdg.gpu.multifrontal.imaginary.solve import majorana_solve, quaternion_solve
from bdg.lattices.nambu import SIGMA_X, SIGMA_Z, particle_hole
from bdg.methods.symbolic import dof_rows

CPU = select_backend("cpu")
DEEP = FrontSettings(leaf=3, call_flops=1e4, base=8, upper=6)  # trees of six levels, padded fronts
W = 0.05


def _columns(rows):
    rng = np.random.default_rng(5)
    return rng.standard_normal((rows, 3)) + 1j * rng.standard_normal((rows, 3))


def _assert_solves(hamiltonian, columns, solution):
    expected = np.linalg.solve(1j * W * np.eye(len(columns)) - hamiltonian.toarray(), columns)
    assert_allclose(solution, expected, rtol=0, atol=1e-12 * abs(expected).max() / W)


@pytest.mark.parametrize(
    ("delta", "flux", "symmetric"),
    [(0.3, 0.0, True), (0.3 * np.exp(0.9j), 0.0, True), (0.3, 0.03, False), ("phases", 0.0, False)],
    ids=["real", "one phase", "flux", "phases"],
)
def test_quaternion_solve(grid, delta, flux, symmetric):
    rng = np.random.default_rng(2)
    values = np.full(63, delta) if delta != "phases" else 0.3 * np.exp(2j * np.pi * rng.random(63))
    system = grid((9, 7), delta=np.where(rng.random(63) < 0.5, values, 0), disorder=1.0).with_field(flux)
    pattern = SitePattern.of(system.hamiltonian)
    matrices = pattern.split(system.hamiltonian), pattern.split(system.pairing_block)
    factor = QuaternionFactor(analyse(system.positions, pattern, DEEP), *matrices, W, CPU)
    assert factor.symmetric == symmetric
    columns = _columns(126)
    _assert_solves(bdg.BdGHamiltonian(system).matrix, columns, quaternion_solve(factor, columns))


@pytest.mark.parametrize("turned", [False, True], ids=["real", "spins turned"])
def test_majorana_solve(grid, spinful, islands, turned):
    system = spinful(grid((6, 5), delta=islands(30), disorder=1.0))
    if turned:
        system = system.with_delta(islands(30, 4, True)).with_onsite(0.3 * SIGMA_Z + 0.1 * SIGMA_X).with_field(0.02)
    matrix = bdg.BdGHamiltonian(system).matrix
    pattern = SitePattern.of(matrix, dof_rows(system))
    form = MajoranaForm.of(pattern.split(matrix), particle_hole(np.eye(4), 2))
    factor = MajoranaFactor(analyse(system.positions, pattern, DEEP), form, W, CPU)
    assert factor.symmetric != turned
    columns = _columns(120)
    _assert_solves(matrix, columns, majorana_solve(factor, columns))
