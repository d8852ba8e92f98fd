"""Bound states through the public function on the checking array module: every number system, blocks of a GPU."""

import numpy as np
import pytest
import scipy.sparse as sp
from checking_module import checking_backend
from numpy.testing import assert_allclose

import bdg
from bdg.gpu.eigen import lanczos
from bdg.lattices.nambu import SIGMA_X, SIGMA_Z

FORMS = {
    "takagi": "takagi",
    "flux": "hermitian, quaternion",
    "rashba": "skew, majorana",
    "zeeman": "chiral, majorana",
    "damped": "h_minus_i_eta",
}


def _system(name):
    rng = np.random.default_rng(5)
    size = 6 if name in ("rashba", "zeeman") else 8
    number = np.arange(size * size).reshape(size, size)
    pairs = [(number[:-1].ravel(), number[1:].ravel()), (number[:, :-1].ravel(), number[:, 1:].ravel())]
    shape = (size * size,) * 2
    along = [sp.csr_matrix((np.ones(start.size), (end, start)), shape=shape) for start, end in pairs]
    positions = np.stack(np.unravel_index(number.ravel(), number.shape), axis=1)
    onsite = sp.diags(0.3 + rng.random(size * size))
    delta = np.where(rng.random(size * size) < 0.3, 0.4, 0.0)
    if name in ("rashba", "zeeman"):
        spin_orbit = 0.2j * SIGMA_X if name == "rashba" else np.zeros((2, 2))
        half = -sum(sp.kron(hop, np.eye(2)) for hop in along) + sp.kron(along[1], spin_orbit)
        h = half + half.conj().T + sp.kron(onsite, np.eye(2)) + sp.kron(sp.identity(size * size), 0.2 * SIGMA_Z)
        h = sp.csr_matrix(h if name == "rashba" else h.real)
        return bdg.lattices.from_hamiltonian(h, positions, norbs=2, delta=delta)
    h = -sum(hop + hop.T for hop in along) + onsite
    system = bdg.lattices.from_hamiltonian(sp.csr_matrix(h), positions, delta=delta)
    return system.with_field(0.07) if name in ("flux", "damped") else system


@pytest.mark.parametrize("block", [4, 8])
@pytest.mark.parametrize("name", list(FORMS))
def test_bound_states_equal_dense_ones(monkeypatch, name, block):
    backend, module = checking_backend()
    monkeypatch.setattr("bdg.states.choice.select_backend", lambda device: backend)
    monkeypatch.setattr(lanczos, "_GPU_BLOCK", block)
    if name == "damped":
        monkeypatch.setattr(lanczos, "_USABLE", -1.0)
    system = _system(name)
    states = bdg.bound_states(system, 10, method="lanczos", device="gpu")
    assert states.evidence.form == FORMS[name] and states.evidence.device == "gpu"
    exact = np.linalg.eigvalsh(bdg.BdGHamiltonian(system).matrix.toarray())
    assert_allclose(np.sort(abs(states.energies)), np.sort(abs(exact))[:10], atol=1e-11)  # residual^2 / gap
    assert (states.residuals < 1e-9).all() and states.complete
    assert module.operations > 100  # it did run there


def test_a_step_copies_back_small_matrices_only(monkeypatch):
    """The basis stays on the device: what comes back between start and end are projections of a few kilobytes."""
    backend, module = checking_backend()
    monkeypatch.setattr("bdg.states.choice.select_backend", lambda device: backend)
    copied = []
    to_numpy = module.asnumpy

    def record(array):
        copied.append(array.size)
        return to_numpy(array)

    module.asnumpy = record
    states = bdg.bound_states(_system("flux"), 10, method="lanczos", device="gpu")
    large = [size for size in copied if size >= 128 * 9]  # nine columns of H and more
    assert len(large) <= 3  # the Ritz vectors, and up to two rounds of polishing
    assert states.complete
