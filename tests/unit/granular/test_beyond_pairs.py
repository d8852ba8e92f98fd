"""What no pairwise model explains: of models with a known loop, and of real grains."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import bdg
from bdg.granular.beyond_pairs import nonlocal_response

PAIRS = np.array([[0.0, 1.0, 0.3], [1.0, 0.0, 0.7], [0.3, 0.7, 0.0]])
LOOP = np.array([2.0, -1.0, -1.0])  # F = -sum_ij [..] - loop cos(2 phi_0 - phi_1 - phi_2)


class Model:
    """Three grains with two harmonics a pair, shifted phases, and a loop."""

    grains = np.arange(3)

    def __init__(self, loop=0.0, shift=0.0):
        self.loop, self.shift = loop, shift

    def hessian(self, phases):
        away = phases[:, :, None] - phases[:, None, :] - self.shift * np.sign(np.arange(3) - np.arange(3)[:, None])
        pairs = -PAIRS * (np.cos(away) + 0.4 * np.cos(2 * away))
        wave = self.loop * np.cos(phases @ LOOP)
        return pairs + wave[:, None, None] * np.outer(LOOP, LOOP)


@pytest.mark.parametrize(("shift", "real"), [(0.0, True), (0.0, False), (0.7, False)])
def test_two_harmonics_a_pair_are_local(shift, real):
    phases = np.random.default_rng(1).uniform(0, 2 * np.pi, (7, 3))
    whole, beyond = nonlocal_response(Model(shift=shift), phases, real=real)
    assert beyond.max() < 1e-12 and whole[0, 1] > 0.1 and not np.diag(whole).any()


def test_a_loop_is_found_with_its_strength():
    """rms of ``n_i n_j loop cos(..)`` over random phases: its modulus over sqrt(2)."""
    phases = np.random.default_rng(1).uniform(0, 2 * np.pi, (4000, 3))
    _, beyond = nonlocal_response(Model(loop=0.05), phases, real=True)
    expected = 0.05 * abs(np.outer(LOOP, LOOP)) / np.sqrt(2) * (1 - np.eye(3))
    assert_allclose(beyond, expected, rtol=0.03)  # 4000 points: 1 / sqrt(2 * 4000) of an rms, three times


def test_too_few_phases_are_refused():
    with pytest.raises(ValueError, match="phases must be more than 4 points"):
        nonlocal_response(Model(), np.zeros((4, 3)), real=False)


def test_the_third_grain_changes_the_response_of_two_others():
    """Of two grains alone only harmonics above the second are left; a third one between them carries a fifth."""
    h = -(np.eye(13, k=1) + np.eye(13, k=-1)) + np.diag(np.linspace(-0.2, 0.3, 13))
    grain = np.select([np.arange(13) < 3, np.arange(13) > 9, abs(np.arange(13) - 6) < 2], [0, 1, 2], -1)
    system = bdg.lattices.from_hamiltonian(h, np.arange(13), delta=np.where(grain >= 0, 0.3, 0), grain=grain)
    found = bdg.grain_landscape(system, 0.1)
    phases = np.random.default_rng(0).uniform(0, 2 * np.pi, (12, 3))
    whole, beyond = nonlocal_response(found, phases, real=True)
    alone = nonlocal_response(found.only([0, 1]), phases[:, :2], real=True)
    assert alone[1][0, 1] < 0.02 * alone[0][0, 1]
    assert beyond[0, 1] > 0.1 * whole[0, 1]
