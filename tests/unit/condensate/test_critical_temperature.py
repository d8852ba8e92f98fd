"""Tc from the linearised kernel: closed forms on a torus, dense kernels of disordered systems, and the gap itself."""

import functools

import numpy as np
import pytest

import bdg


@functools.lru_cache(maxsize=1)
def _eigenvectors(system):
    return np.linalg.eigh(system.hamiltonian.toarray())


def _kernel(system, temperature):
    """U^(1/2) chi U^(1/2) from all eigenvectors of h (norbs = 1)."""
    energies, vectors = _eigenvectors(system)
    fermi = np.tanh(energies / (2 * temperature))
    total = energies[:, None] + energies[None]
    with np.errstate(all="ignore"):
        factor = 0.5 * (fermi[:, None] + fermi[None]) / total
    small = abs(total) < 1e-9
    factor[small] = (0.5 / (2 * temperature) / np.cosh(energies / (2 * temperature)) ** 2)[np.nonzero(small)[0]]
    pairs = (vectors[:, :, None] * vectors[:, None]).reshape(len(vectors), -1)
    chi = (pairs * factor.ravel()) @ pairs.conj().T
    weight = np.sqrt(system.attraction)
    return weight[:, None] * chi * weight


def _exact(system, low, high):
    for _ in range(60):
        middle = (low + high) / 2
        above = np.linalg.eigvalsh(_kernel(system, middle))[-1] > 1
        low, high = (middle, high) if above else (low, middle)
    return low


@pytest.fixture
def patches(grid):
    rng = np.random.default_rng(5)
    return grid((7, 7), disorder=1.0, attraction=np.where(rng.random(49) < 0.4, 2.5, 0.0))


@pytest.mark.parametrize("field", [0.0, 0.05])
@pytest.mark.parametrize("method", ["dense", "poles"])
def test_equals_the_kernel_from_all_eigenvectors(patches, field, method):
    system = patches.with_field(field) if field else patches
    found = bdg.critical_temperature(system, method=method)
    exact = _exact(system, 1e-3, 1.0)
    assert abs(found.temperature - exact) < found.error < 1e-5 * exact
    assert abs(found.mode).max() == pytest.approx(1) and not found.mode[system.attraction == 0].any()
    kernel = _kernel(system, exact)
    vector = np.linalg.eigh(kernel)[1][:, -1] * np.sqrt(system.attraction)
    overlap = abs(np.vdot(vector, found.mode)) / np.linalg.norm(vector) / np.linalg.norm(found.mode)
    assert overlap == pytest.approx(1, abs=1e-3)
    below, above = (bdg.solve_gap(system, share * exact, tol=1e-4) for share in (0.97, 1.03))
    assert abs(below.delta).max() > 1e-2 and not above.delta.any()


def test_progress_is_a_bar_on_stderr(patches, capsys):
    bdg.critical_temperature(patches, tol=1e-2, progress=True)
    told = capsys.readouterr()
    assert not told.out and "critical temperature: " in told.err and ": eigenvalue 1.0" in told.err


def test_spinful_form_has_the_same_tc(patches, spinful):
    found = [bdg.critical_temperature(system).temperature for system in (patches, spinful(patches))]
    assert found[0] == pytest.approx(found[1], rel=1e-6)


def test_no_transition_is_said(grid):
    """Two levels far from zero energy: chi is at most 1/(2 |xi|), so a weak attraction never suffices."""
    system = grid((2,), mu=5.0, attraction=0.5)
    found = bdg.critical_temperature(system)
    assert found.temperature == 0 and found.error == found.evidence.lowest > 0


def test_result_is_saved_and_drawn(patches, tmp_path):
    found = bdg.critical_temperature(patches)
    found.save(tmp_path / "tc.h5")
    assert bdg.load(tmp_path / "tc.h5").temperature == found.temperature
    assert found.plot().axes


def test_bad_input_is_named(grid):
    with pytest.raises(ValueError, match="system has no attraction"):
        bdg.critical_temperature(grid((4, 4)))
    attraction = np.ones(16)
    attraction[3] = 0
    with pytest.raises(ValueError, match="pairing is imposed on sites without attraction"):
        bdg.critical_temperature(grid((4, 4), delta=0.3, attraction=attraction))
    with pytest.raises(ValueError, match="method must be one of"):
        bdg.critical_temperature(grid((4, 4), attraction=1.0), method="chebyshev")


@pytest.mark.parametrize("tol", [2, 0.11, 1e-12])
def test_tolerance_has_a_range(grid, tol):
    """A relative error of 2 says nothing; 1e-12 is below the rounding of the linear response, and not kept silently."""
    with pytest.raises(ValueError, match=r"tol must lie between 1e-08 and 0\.1 \(relative error of Tc\); got"):
        bdg.critical_temperature(grid((4, 4), attraction=1.0), tol=tol)
    with pytest.raises(TypeError, match="tol must be a real number"):
        bdg.critical_temperature(grid((4, 4), attraction=1.0), tol="small")
