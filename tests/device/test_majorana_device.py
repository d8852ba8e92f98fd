"""The forms on the imaginary axis on the checking array module: equal to NumPy bit by bit, no copies."""

import numpy as np
import pytest
import scipy.sparse as sp
from checking_module import checking_backend

from bdg.gpu.device.backend import select_backend
from bdg.gpu.multifrontal import FrontSettings, Restriction, SitePattern, analyse
from bdg.gpu.multifrontal.imaginary.majorana import MajoranaFactor, MajoranaForm
from bdg.gpu.multifrontal.imaginary.quaternion import QuaternionFactor

CPU = select_backend("cpu")
SETTINGS = FrontSettings(leaf=3, call_flops=1e4, base=8, upper=6, split=0)


def _chain(phases):
    """Spinless wire of odd-parity pairing in a ladder: h, D = -D^T, positions."""
    shape = (12, 3, 2)
    number = np.arange(72).reshape(shape)
    ends = [(np.delete(number, -1, axis).ravel(), np.delete(number, 0, axis).ravel()) for axis in range(3)]
    start, end = np.concatenate(ends, axis=1)
    h = sp.csr_matrix((-np.ones(start.size), (start, end)), shape=(72, 72))
    gap = sp.csr_matrix((0.3 * np.exp(1j * start * phases), (start, end)), shape=(72, 72))
    normal = h + h.T + sp.diags(np.linspace(0, 1, 72))
    return np.stack(np.unravel_index(number.ravel(), shape), axis=1), sp.csr_matrix(normal), sp.csr_matrix(gap - gap.T)


@pytest.mark.parametrize("phases", [False, True])
def test_majorana_form_equals_numpy_bit_by_bit(phases):
    positions, h, gap = _chain(phases)
    matrix = sp.csr_matrix(sp.bmat([[h, gap], [gap.conj().T, -h.conj()]]))
    pattern = SitePattern.of(matrix, np.stack([np.arange(72), 72 + np.arange(72)], axis=1))
    symbolic = analyse(positions, pattern, SETTINGS)
    form = MajoranaForm.of(pattern.split(matrix), np.array([[0, 1], [1, 0]]))
    assert (form.signs is None) == phases
    backend, module = checking_backend()
    host = MajoranaFactor(symbolic, form, 0.1, CPU)
    device = MajoranaFactor(symbolic, form, 0.1, backend)
    sites = np.array([3, 40])
    for restriction in (None, sites):
        restrictions = [None if restriction is None else Restriction(symbolic, sites) for _ in range(2)]
        expected, found = (f.selected_inverse(r) for f, r in zip((host, device), restrictions, strict=True))
        numbers = pattern.diagonal[sites]
        before = module.synchronisations
        blocks = found.blocks(module, numbers)
        assert before == module.synchronisations == (restriction is not None)  # what the next line did last time
        assert np.array_equal(module.asnumpy(blocks), expected.blocks(np, numbers))


@pytest.mark.parametrize("phases", [False, True])
def test_restricted_quaternion_form_equals_numpy_bit_by_bit(phases):
    positions, h, gap = _chain(phases)
    pattern = SitePattern.of(h)
    symbolic = analyse(positions, pattern, SETTINGS)
    matrices = pattern.split(h), pattern.split(sp.csr_matrix(abs(gap) if not phases else gap.multiply(gap)))
    backend, module = checking_backend()
    found = []
    for where in (CPU, backend):
        restriction = Restriction(symbolic, np.array([3, 40]))
        assert restriction.share < 1
        found.append(QuaternionFactor(symbolic, *matrices, 0.1, where).selected_inverse(restriction).anomalous)
    assert module.synchronisations == 0
    assert np.array_equal(module.asnumpy(found[1]), found[0], equal_nan=True)
