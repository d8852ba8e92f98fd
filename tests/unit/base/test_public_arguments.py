"""Arguments that many public functions share are refused by name, before any work."""

import numpy as np
import pytest

import bdg
from bdg import cli
from bdg.lattices import Layer, from_hamiltonian, stack

SYSTEM = stack([Layer(4, delta=0.3, attraction=1.0), Layer(4)], mu=-0.5)


def _zero(n_sites):
    return bdg.lattices.from_hamiltonian(np.zeros((n_sites, n_sites)), np.arange(n_sites)[:, None])


ZERO = from_hamiltonian(np.zeros((6, 6)), np.arange(6.0)[:, None], delta=0)
SEEDED = {
    "bound_states": lambda seed: bdg.bound_states(SYSTEM, 4, seed=seed),
    "critical_temperature": lambda seed: bdg.critical_temperature(SYSTEM.with_delta(0.0), seed=seed),
    "density_of_states": lambda seed: bdg.density_of_states(SYSTEM, [0.0, 0.1], seed=seed),
    "green_function": lambda seed: bdg.green_function(SYSTEM, 0.1j, seed=seed),
    "pair_amplitude": lambda seed: bdg.pair_amplitude(SYSTEM, 0.1, seed=seed),
    "local_density_of_states": lambda seed: bdg.local_density_of_states(SYSTEM, [0.1], method="dense", seed=seed),
    "thouless_energy": lambda seed: bdg.thouless_energy(SYSTEM.with_delta(0.0), seed=seed),
    "spectrum_along": lambda seed: bdg.spectrum_along(SYSTEM, lambda s, x: s, [0.0, 1.0], seed=seed),
    "estimate": lambda seed: bdg.estimate(SYSTEM, seed=seed),
    # accepted for uniformity, without influence
    "count_states": lambda seed: bdg.count_states(SYSTEM, 0.1, seed=seed),
    "electron_density": lambda seed: bdg.electron_density(SYSTEM, 0.1, seed=seed),
    "free_energy": lambda seed: bdg.free_energy(SYSTEM, 0.1, seed=seed),
    "bond_currents": lambda seed: bdg.bond_currents(SYSTEM, 0.1, seed=seed),
    "solve_gap": lambda seed: bdg.solve_gap(SYSTEM, 0.1, seed=seed),
    "current_phase": lambda seed: bdg.current_phase(SYSTEM, [0.0], 0.1, seed=seed),
    "phase_harmonics": lambda seed: bdg.phase_harmonics(SYSTEM, [0], temperature=0.1, seed=seed),
    "phase_response": lambda seed: bdg.phase_response(SYSTEM, None, seed=seed),
    "superfluid_stiffness": lambda seed: bdg.superfluid_stiffness(SYSTEM, 0.1, "x", seed=seed),
    "proximity_length": lambda seed: bdg.proximity_length(SYSTEM, None, seed=seed),
    "spectral_function": lambda seed: bdg.spectral_function(SYSTEM, [[0.1]], [0.0, 0.1], seed=seed),
}


@pytest.mark.parametrize("seed", ["a", -1, np.nan, 1.5, True])
@pytest.mark.parametrize("name", list(SEEDED))
def test_seeds_are_whole_numbers(name, seed):
    error = ValueError if seed == -1 else TypeError
    with pytest.raises(error, match="seed must be a whole number >= 0, or None for 0; got"):
        SEEDED[name](seed)


@pytest.mark.parametrize("sites", [np.zeros(8, dtype=bool), []])
def test_no_site_is_named(sites):
    with pytest.raises(ValueError, match="sites must be a non-empty list"):
        bdg.pair_amplitude(SYSTEM, 0.1, sites=sites)


def test_ragged_lists_are_named():
    with pytest.raises(TypeError, match="energies must be numbers in lists of equal length"):
        bdg.density_of_states(SYSTEM, [1, [2, 3]])
    with pytest.raises(TypeError, match="momenta must be numbers in lists of equal length"):
        bdg.spectral_function(SYSTEM, [[0.1], [0.1, 0.2]], [0.0, 0.1])


def test_the_number_of_vectors_is_a_number():
    with pytest.raises(TypeError, match="vectors must be a whole number >= 1, or 'all'"):
        bdg.local_density_of_states(SYSTEM, [0.1], vectors=np.array([1, 2]))
    with pytest.raises(TypeError, match="z must be numbers in lists of equal length"):
        bdg.green_function(SYSTEM, [0.1j, [0.2j, 0.3j]])
    with pytest.raises(TypeError, match="sites must be numbers in lists of equal length"):
        bdg.pair_amplitude(SYSTEM, 0.1, sites=[1, [2, 3]])


@pytest.mark.parametrize(
    "call",
    [
        lambda: bdg.pair_amplitude(ZERO, 0.1, method="chebyshev"),
        lambda: bdg.pair_amplitude(ZERO, 0.1, method="poles"),
        lambda: bdg.bound_states(_zero(40), 2, method="chebyshev"),  # fewer sites are diagonalised
        lambda: bdg.local_density_of_states(ZERO, [0.1], broadening=0.1, method="chebyshev"),
        lambda: bdg.local_density_of_states(ZERO, [0.1], moments=8, method="chebyshev", broadening=None),
        lambda: bdg.density_of_states(ZERO, [0.0, 0.1]),
    ],
)
def test_a_zero_hamiltonian_has_no_scale(call):
    with pytest.raises(ValueError, match="Hamiltonian (is|that is) zero"):
        call()


@pytest.mark.parametrize("method", ["auto", "dense"])
def test_a_zero_hamiltonian_has_no_pair_amplitude(method):
    assert not bdg.pair_amplitude(ZERO, 0.1, method=method).values.any()
    found = bdg.local_density_of_states(ZERO, [0.1], broadening=0.1, method=method)
    assert found.values == pytest.approx(2 * 0.1 / np.pi / 0.02 / 2, rel=1e-12)  # a level at 0, a Lorentzian at E = eta
    assert bdg.estimate(ZERO, "pair_amplitude", temperature=0.1).method == "dense"


def test_estimates_take_the_arguments_of_their_functions():
    assert bdg.estimate(SYSTEM, k=4, seed=1, progress=True).seconds == bdg.estimate(SYSTEM, k=4).seconds
    with pytest.raises(ValueError, match="moments must be a whole number from 2"):
        bdg.estimate(SYSTEM, "local_density_of_states", energies=[0.1], moments=-1)
    with pytest.raises(ValueError, match="moments must be a whole number from 2 to"):
        bdg.estimate(SYSTEM, "density_of_states", energies=[0.1], moments=-1)
    with pytest.raises(TypeError, match="workers belongs to the estimate of a job"):
        bdg.estimate(SYSTEM, workers=2)
    with pytest.raises(TypeError, match="overrides belongs to the estimate of a job"):
        bdg.estimate(SYSTEM, overrides=["a=1"])


def test_a_bad_value_of_an_estimated_job_is_one_line(capsys):
    assert cli.main(["estimate", "runs/dos.toml", "--set", "compute.broadening_meV=1e-9"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_broadening_wider_than_the_fewest_moments_is_said():
    found = bdg.density_of_states(SYSTEM, [0.0, 0.1], broadening=1e3)
    assert found.broadening < 1e3
    assert "sharper than the broadening 1000" in str(found.evidence)


def test_columns_that_do_not_fit_are_refused(monkeypatch):
    system = stack([Layer(10, delta=0.3), Layer(10)], (8, 8), mu=-0.5)
    for module in ("bdg.methods.options", "bdg.gpu.cost.model", "bdg.gpu.device.memory"):
        imported = __import__(module, fromlist=["x"])
        if hasattr(imported, "available_bytes"):
            monkeypatch.setattr(imported, "available_bytes", lambda backend: 1e4)
    with pytest.raises(bdg.MemoryBudgetError, match="chebyshev on the cpu needs"):
        bdg.pair_amplitude(system, 0.1, method="chebyshev", device="cpu")
