"""Tc of random small systems against the largest eigenvalue of a kernel of its own, wherever the leading mode lives."""

import numpy as np
import pytest
import scipy.linalg as sl
from scipy.optimize import brentq

import bdg
from bdg.condensate import connected_parts
from bdg.condensate.linear_response import LOCAL_CURVATURE, ResponseKernel
from bdg.condensate.pair_kernel import CURVATURE, pair_weights, weight_vectors
from bdg.gpu.device.backend import select_backend
from bdg.lattices.nambu import SIGMA_X, SIGMA_Y, SIGMA_Z


def _kernel(h, attraction, norbs, temperature):
    """U^(1/2) chi U^(1/2) from products of pairs of eigenvectors, one column a pair."""
    energies, vectors = np.linalg.eigh(h)
    other = vectors.conj() if norbs == 1 else np.kron(np.eye(len(h) // 2), SIGMA_Y) @ vectors.conj()
    x, y = energies[:, None] / (2 * temperature), energies[None] / (2 * temperature)
    close = abs(x + y) < 1e-5
    divided = np.where(close, 1.0, x + y)
    slope = 1 - np.tanh(0.5 * (x - y)) ** 2
    weight = np.where(close, slope, (np.tanh(x) + np.tanh(y)) / divided) / (4 * temperature)
    active = np.flatnonzero(attraction)
    u = vectors.reshape(-1, norbs, len(h))[active]
    v = other.reshape(-1, norbs, len(h))[active].conj()
    pairs = np.einsum("isa,isb->iab", u, v).reshape(active.size, -1)
    chi = (pairs * weight.ravel()) @ pairs.conj().T / norbs
    root = np.sqrt(attraction[active])
    return root[:, None] * chi * root


def _largest(h, attraction, norbs, temperature):
    return np.linalg.eigvalsh(_kernel(h, attraction, norbs, temperature))[-1]


def _highest(h, attraction, norbs, low):
    """Highest temperature with an eigenvalue of one: a scan from max U/4 down, then bisection; 0 if there is none."""
    scan = np.geomspace(1.001 * attraction.max() / 4, low, 120)
    above = next((k for k, t in enumerate(scan) if _largest(h, attraction, norbs, t) >= 1), None)
    if above is None:
        return 0.0
    if above == 0:
        return attraction.max() / 4
    low, high = scan[above], scan[above - 1]
    for _ in range(45):
        middle = np.sqrt(low * high)
        low, high = (middle, high) if _largest(h, attraction, norbs, middle) >= 1 else (low, middle)
    return low


def _part(rng, size, norbs, broken):
    """A connected h of a random size and scale: chain with some further bonds, spins coupled for norbs = 2."""
    scale = 10.0 ** rng.uniform(-1.5, 1.5)
    h = np.diag(rng.normal(size=size)) * rng.choice([0.0, 0.3, 2.0]) + 0j
    bonds = np.eye(size, k=1) + np.triu(rng.random((size, size)) < 1.0 / size, 1)
    phases = np.exp(2j * np.pi * rng.random((size, size))) if broken and norbs == 1 else 1.0
    h = h - np.triu(bonds * phases, 1) - np.triu(bonds * phases, 1).conj().T
    if norbs == 2:
        turn = 0.3j * (np.eye(size, k=1) - np.eye(size, k=-1)) if size > 1 else np.zeros((1, 1))
        h = np.kron(h, np.eye(2)) + np.kron(turn, SIGMA_Y + SIGMA_X)
        if broken:
            h = h + np.kron(np.diag(rng.normal(size=size)) * 0.3, SIGMA_Z)
    return scale * h, scale


def random_system(seed):
    """Return h, U and norbs: parts that do not touch or touch weakly, of all scales, with attraction on some sites."""
    rng = np.random.default_rng(seed)
    norbs, broken = 1 + seed % 2, bool(seed // 2 % 2)
    most = 24 if norbs == 1 else 10
    parts, attraction = [], []
    for _ in range(rng.integers(1, 5)):
        size = int(rng.choice([1, 2, rng.integers(3, most)]))
        h, scale = _part(rng, size, norbs, broken)
        parts.append(h)
        attraction.append(scale * rng.uniform(0.5, 4.0) * (rng.random(size) < rng.choice([0.2, 1.0])))
    h, attraction = sl.block_diag(*parts), np.concatenate(attraction)
    link = 10.0 ** rng.uniform(-9, 0) if rng.random() < 0.6 else 0.0
    for edge in np.cumsum([len(part) for part in parts])[:-1]:
        size = link * min(abs(h[edge - 1]).max(), abs(h[edge]).max())
        for spin in range(norbs):
            at = edge - norbs + spin, edge + spin
            h[at] = h[at[::-1]] = size
    if not attraction.any():
        attraction[0] = abs(h).max() + 1.0
    return h if abs(h.imag).any() else h.real, attraction, norbs


def _system(seed):
    h, attraction, norbs = random_system(seed)
    return bdg.lattices.from_hamiltonian(h, np.arange(len(attraction)), attraction=attraction, norbs=norbs)


def _assert_within_its_error(found, system):
    expected = _highest(
        system.hamiltonian.toarray(),
        system.attraction,
        system.norbs,
        min(found.evidence.lowest, system.attraction.max() / 8),
    )
    print(expected, found.temperature, found.error, found.evidence)
    assert abs(found.temperature - expected) <= found.error + 1e-9 * expected  # rounding of the kernel here
    assert found.temperature or found.error == found.evidence.lowest
    if found.temperature:  # the mode belongs to the eigenvalue one
        kernel = _kernel(system.hamiltonian.toarray(), system.attraction, system.norbs, found.temperature)
        vector = found.mode[system.attraction > 0] / np.sqrt(system.attraction[system.attraction > 0])
        assert np.linalg.norm(kernel @ vector - vector) < 1e-3 * np.linalg.norm(vector)


@pytest.mark.parametrize("seed", range(60))
def test_random_systems(seed):
    system = _system(seed)
    found = bdg.critical_temperature(system, method="auto" if seed % 3 else "dense")
    _assert_within_its_error(found, system)
    assert found.evidence.proven and found.evidence.proof == "all levels"
    assert found.error <= 1e-6 * found.temperature or not found.temperature


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 7, 10, 12, 20])
def test_random_systems_by_poles(seed):
    system = _system(seed)
    found = bdg.critical_temperature(system, method="poles")
    _assert_within_its_error(found, system)
    assert found.evidence.method == "poles" and found.evidence.proven and found.error <= 1e-5 * found.temperature


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4, 5, 8, 11, 13, 18, 24, 31])
def test_random_systems_as_if_they_were_large(seed, monkeypatch):
    """No levels: Ritz values from below, and from above positive vectors or, without time reversal, random ones."""
    monkeypatch.setattr(connected_parts, "LEVELS_UP_TO", 0)
    system = _system(seed)
    found = bdg.critical_temperature(system)
    _assert_within_its_error(found, system)
    assert found.evidence.proven and found.evidence.proof != "all levels"


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("link", [0.0, 1e-6, 1e-2])
def test_two_chains_whose_modes_change_places(link, large, monkeypatch):
    """At the Tc of the second chain, 0.02, the first has an eigenvalue of 3.9: what decides is 0.0877, on the first."""
    if large:
        monkeypatch.setattr(connected_parts, "LEVELS_UP_TO", 0)
    chains = [-mu * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1) for n, mu in ((5, 0.0), (6, 2.6))]
    h = sl.block_diag(*chains)
    h[4, 5] = h[5, 4] = -link
    attraction = np.repeat([0.9, 3.2], [5, 6])
    system = bdg.lattices.from_hamiltonian(h, np.arange(11), attraction=attraction)
    found = bdg.critical_temperature(system)
    _assert_within_its_error(found, system)
    assert found.temperature == pytest.approx(0.0877, abs=1e-5)
    assert abs(found.mode[5:]).max() < 2 * link + (1e-3 if large else 1e-12) and found.evidence.parts == (
        2 if link == 0 else 1
    )


@pytest.mark.parametrize("energies", [[0.0], [0.3], [0.49995], [0.0, 0.2, 0.6], [0.1, 0.7], [0.0, 0.0]])
def test_lone_sites(energies):
    """Tc = |x|/(2 artanh(2|x|/U)) where 2|x| < U, U/4 at x = 0; the highest counts."""
    x, attraction = np.array(energies), np.array([1.0, 0.8, 1.5])[: len(energies)]
    each = [
        0.0 if 2 * e >= u else u / 4 if e == 0 else e / 2 / np.arctanh(2 * e / u)
        for e, u in zip(x, attraction, strict=True)
    ]
    system = bdg.lattices.from_hamiltonian(np.diag(x), np.arange(x.size), attraction=attraction)
    found = bdg.critical_temperature(system)
    assert abs(found.temperature - max(each)) <= found.error <= 1e-6 * max(each)
    assert np.flatnonzero(found.mode).tolist() == [int(np.argmax(each))]


def test_a_site_at_its_threshold_has_no_transition_and_says_how_far_that_is_known():
    """1 - tanh(1/4T) is below rounding at T = 0.0166 and less."""
    found = bdg.critical_temperature(bdg.lattices.from_hamiltonian([[0.5]], [0.0], attraction=1.0))
    assert found.temperature == 0 and 0.01 < found.error < 0.02 and not found.evidence.proven
    assert not found.evidence.converged


@pytest.mark.parametrize("attraction", [3.0, 3.4, 3.9, 4.1])
def test_superconducting_between_two_temperatures(attraction):
    """Dimer with U on one site: 4 t lambda/U = tanh y + y/cosh^2 y, y = t/2T, is largest at y tanh y = 1, T > 0."""
    system = bdg.lattices.from_hamiltonian([[0.0, 1.0], [1.0, 0.0]], [0, 1], attraction=[attraction, 0.0])
    value = lambda y: attraction / 4 * (np.tanh(y) + y / np.cosh(y) ** 2) - 1  # noqa: E731
    found = bdg.critical_temperature(system)
    if attraction == 3.0:
        assert found.temperature == 0
        return
    expected = 0.5 / brentq(value, 1e-3, 1.19968, xtol=1e-15)
    assert abs(found.temperature - expected) <= found.error < 1e-6


@pytest.mark.parametrize("large", [False, True])
def test_a_narrow_range_of_temperatures_above_a_lower_transition(large, monkeypatch):
    """The same dimer, superconducting about 0.42 t, and a site with Tc = 0.01 t where a plain search ends."""
    if large:
        monkeypatch.setattr(connected_parts, "LEVELS_UP_TO", 0)
    h = [[0.0, 1.0, 0.0], [1.0, 0.0, 1e-5], [0.0, 1e-5, 0.0]]
    system = bdg.lattices.from_hamiltonian(h, np.arange(3), attraction=[3.34, 0.0, 0.04])
    value = lambda y: 3.34 / 4 * (np.tanh(y) + y / np.cosh(y) ** 2) - 1  # noqa: E731
    expected = 0.5 / brentq(value, 1e-3, 1.19968, xtol=1e-15)
    found = bdg.critical_temperature(system)
    assert found.evidence.proven and abs(found.temperature - expected) <= found.error + 1e-9 < 1e-4


def test_parts_of_very_different_scales():
    """A strong attraction that never suffices, hard walls, and a weak part that decides far below both."""
    h = np.diag([6e5, 1e7, 0.1])
    found = bdg.critical_temperature(bdg.lattices.from_hamiltonian(h, np.arange(3), attraction=[1e6, 1e6, 1.0]))
    assert abs(found.temperature - 0.1 / 2 / np.arctanh(0.2)) <= found.error < 1e-6
    h = sl.block_diag([[6e5, 1.0], [1.0, 1e7]], [[0.1, 1e-3], [1e-3, 1e7]])
    system = bdg.lattices.from_hamiltonian(h, np.arange(4), attraction=[1e6, 1e6, 1.0, 0.0])
    found = bdg.critical_temperature(system)
    assert abs(found.temperature - 0.1 / 2 / np.arctanh(0.2)) <= found.error + 1e-9
    assert np.flatnonzero(abs(found.mode) > 1e-3).tolist() == [2]


def test_a_mode_that_no_vector_sees_is_found_by_the_search_for_a_positive_one(monkeypatch):
    """Both start vectors on the chain that is normal at this temperature; few steps lead nowhere across the link."""
    h = sl.block_diag(*(-mu * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1) for n, mu in ((5, 0.0), (6, 2.6))))
    h[4, 5] = h[5, 4] = -1e-7
    system = bdg.lattices.from_hamiltonian(h, np.arange(11), attraction=np.repeat([0.9, 3.2], [5, 6]))
    kernel = ResponseKernel(system, "auto", 1e-6, select_backend("cpu"), np.random.default_rng(0))
    blind = np.repeat([0.0, 1.0], [5, 6])
    monkeypatch.setattr(kernel, "_random", lambda: blind * np.arange(11))
    kernel.start_from(blind)
    assert kernel.largest(0.05, 1e-2, False).value < 1
    kernel.start_from(blind)
    truth = _largest(h, system.attraction, 1, 0.05)
    found = kernel.largest(0.05, 1e-2, True)
    assert truth - 0.05 < found.value < truth + 1e-6 and truth > 1.5


def test_what_the_bounds_rest_on():
    """Weights of pairs of levels against differences in ln T: K <= 1/4T, T K grows, and how far K is from convex."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=300) * 10.0 ** rng.uniform(-3, 1.5, 300), [0.0, 1.76]])
    x = np.concatenate([x, -x * (1 + 1e-9)])
    step = 1e-3
    below, here, above = (pair_weights(x[:, None], x, np.exp(s)) for s in (-step, 0.0, step))
    rounding = 4e-16 / step**2
    assert here.max() <= 0.25 and (above * np.exp(step) - here > -1e-16).all()
    u = abs(x) / 2
    k = CURVATURE * (1 + u**2) / np.cosh(np.minimum(u, 300)) ** 2
    assert (4 * (above - 2 * here + below) / step**2 > -(k[:, None] + k) / 2 - rounding).all()
    own = np.diag(here)
    assert ((above - 2 * here + below) / step**2 > -LOCAL_CURVATURE * (own[:, None] + own) / 2 - rounding).all()
    vectors, missing = weight_vectors(x, 1.0, 1e-6)
    rest = here - np.array(vectors).T @ np.array(vectors)
    assert abs(rest).max() <= missing + 1e-13 and missing <= 1e-6
    assert np.linalg.eigvalsh(rest)[0] > -1e-12
