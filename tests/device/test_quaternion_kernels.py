"""The compiled elimination and selected inverse of quaternion fronts against array calls and dense algebra."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from bdg.base.hamiltonian import BdGHamiltonian
from bdg.gpu.device.backend import select_backend
from bdg.gpu.kernels import HostQuaternions, quaternion_kernels
from bdg.gpu.kernels.compiling import host_library
from bdg.gpu.kernels.host_quaternions import blas_address
from bdg.gpu.multifrontal.imaginary import quaternion
from bdg.gpu.multifrontal.imaginary.quaternion_algebra import QuaternionAlgebra
from bdg.lattices import Layer, stack
from bdg.methods.imaginary import form_of

SIZES = [(1, 0), (1, 3), (7, 5), (8, 8), (33, 0), (13, 130), (70, 40), (150, 260)]
TOL = {"float64": 1e-12, "float32": 5e-4}  # of elements of size 10; (150, 260): 1e2 roundings of 1e2


@pytest.fixture
def library():
    found = host_library().library
    if found is None:
        pytest.skip("no compiled kernels here")
    return found


def _front(n, a, u, symmetric, dtype, seed=0):
    """Return fronts in planes whose Hermitian part is positive, as of w + i H."""
    rng, m = np.random.default_rng(seed), a + u
    planes = rng.standard_normal((4, n, m, m)) / np.sqrt(m)
    back = planes.swapaxes(2, 3) * np.array([1, 1, -1, 1])[:, None, None, None]
    planes = 0.5 * (planes + back) if symmetric else planes
    planes[0] += 3 * np.eye(m)
    return planes.astype(dtype)


def _expected(front, a):
    """Return Pi, W, V, S and the logarithm of the determinants from the complex matrices that are meant."""
    algebra = QuaternionAlgebra(np, np.dtype(float), symmetric=False, base=4)
    blocks = (front[:, :, :a, :a], front[:, :, :a, a:], front[:, :, a:, :a], front[:, :, a:, a:])
    pp, pu, up, uu = (np.ascontiguousarray(block.astype(float)) for block in blocks)
    complex_inverse = np.linalg.inv(algebra.to_complex(pp))
    inverse = algebra.from_complex(complex_inverse)
    logs = -float(np.linalg.slogdet(complex_inverse)[1].sum())
    if not pu.size:
        return inverse, None, None, None, logs
    product = lambda x, y: algebra.product(algebra.left(x), algebra.right(y))  # noqa: E731
    forward = product(inverse, pu)
    return inverse, forward, product(up, inverse), uu - product(up, forward), logs


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("a", "u"), SIZES)
def test_elimination_equals_dense_algebra(library, a, u, dtype, symmetric):
    """The lower triangle of symmetric fronts is not read, and nothing is written beyond the scratch."""
    n = 2 if a < 100 else 1
    front = _front(n, a, u, symmetric, dtype)
    inverse, forward, backward, schur, logs = _expected(front, a)
    if symmetric:
        front[:, :, *np.tril_indices(a + u, -1)] = np.nan
    kernels = HostQuaternions(library, np.dtype(dtype), symmetric, 16, [(a, u)])
    guard = np.full(kernels._scratch.size + 64, 7.25, dtype)
    kernels._scratch = guard[:-64]
    with threadpool_limits(1):
        found = kernels.eliminate(front, a)
    close = lambda x, y: np.testing.assert_allclose(x, y, rtol=0, atol=TOL[dtype])  # noqa: E731
    assert (guard[-64:] == 7.25).all()
    assert kernels.log_determinant == pytest.approx(logs, abs=1e-9 if dtype == "float64" else 1e-2)
    close(found[0], inverse)
    if not u:
        assert found[1:] == (None, None, None)
        return
    close(found[1], forward)
    if symmetric:
        assert found[2] is None
        upper = np.triu_indices(u)
        close(found[3][:, :, *upper], schur[:, :, *upper])
    else:
        close(found[2], backward)
        close(found[3], schur)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("is_leaf", [True, False])
@pytest.mark.parametrize(("a", "u"), [size for size in SIZES if size[1]])
def test_selected_inverse_is_that_of_the_whole(library, a, u, is_leaf, dtype, symmetric):
    """From the factors of a front and the inverse of what is left: all of the inverse of the front."""
    front = _front(1, a, u, symmetric, dtype)
    algebra = QuaternionAlgebra(np, np.dtype(float), symmetric=False, base=4)
    exact = algebra.from_complex(np.linalg.inv(algebra.to_complex(front.astype(float))))
    kernels = HostQuaternions(library, np.dtype(dtype), symmetric, 16, [(a, u)])
    whole = np.full((4, 1, a if is_leaf else a + u, a + u), np.nan, dtype)
    outer = np.empty((4, 1, u, u), dtype) if is_leaf else whole[:, :, a:, a:]
    outer[...] = exact[:, :, a:, a:]
    with threadpool_limits(1):
        inverse, forward, backward, _ = kernels.eliminate(front, a)
        left = kernels.selected(inverse, forward, backward, outer, whole, is_leaf)
    np.testing.assert_allclose(whole, exact[:, :, : whole.shape[2]], rtol=0, atol=TOL[dtype])
    if symmetric:  # exactly: an asymmetry of rounding would grow from level to level
        assert np.array_equal(whole[:, :, :a, :a], algebra.reversed(whole[:, :, :a, :a]))
        assert left is None
    elif is_leaf:
        np.testing.assert_allclose(left, exact[:, :, a:, :a], rtol=0, atol=TOL[dtype])


def test_blocks_without_a_large_diagonal_are_inverted_with_pivoting(library):
    """h without onsite energies: every element on the diagonal is w; rounding is amplified by 1/w at most."""
    size, w = 16, 1e-6
    planes = np.zeros((4, 1, size, size))
    planes[0, 0] = w * np.eye(size)
    planes[1, 0] = -np.eye(size, k=1) - np.eye(size, k=-1)
    kernels = HostQuaternions(library, np.dtype(float), True, 16, [(size, 0)])
    algebra = QuaternionAlgebra(np, np.dtype(float), symmetric=False, base=4)
    exact = np.linalg.inv(algebra.to_complex(planes))
    found = algebra.to_complex(kernels.eliminate(planes, size)[0])
    assert abs(found - exact).max() < 1e-13


def test_factors_are_those_of_array_calls(library, monkeypatch):
    """Through all stacks, with phases of Delta or without: the difference is rounding."""
    real = stack([Layer(3, delta=0.3, disorder=1.0), Layer(4, disorder=1.0)], (6, 5), mu=0.3, seed=2)
    turned = real.with_delta(real.delta * np.exp(1j * np.arange(real.n_sites)))
    for system in (real, turned):
        form = form_of(BdGHamiltonian(system), select_backend("cpu"))
        found = []
        for compiled in (True, False):
            if not compiled:
                monkeypatch.setattr(quaternion, "quaternion_kernels", lambda *_: None)
            factor = form.factorise(0.05, log_determinant=True)
            found.append((factor.log_determinant(), *form.elements(factor)))
        monkeypatch.undo()
        assert found[0][0] == pytest.approx(found[1][0], rel=1e-13)
        for one, other in zip(found[0][1:], found[1][1:], strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


def test_there_is_none_on_a_device_nor_for_other_dtypes():
    assert quaternion_kernels(None, np.dtype(float), True, 16, []) is None
    assert blas_address("complex128") is None


def test_planes_that_do_not_lie_in_one_piece_are_refused(library):
    kernels = HostQuaternions(library, np.dtype(float), True, 16, [(3, 2)])
    with pytest.raises(ValueError, match="planes must be float64 in one piece; got float32"):
        kernels.eliminate(np.zeros((4, 1, 5, 5), np.float32), 3)
