"""Counts against dense algebra."""

import numpy as np
import pytest
from algebra import random_chain, random_spinful, system_bdg

import bdg


def test_count_states_by_inertia():
    for system in (
        bdg.lattices.from_hamiltonian(*[random_chain(30)[i] for i in (0, 2)], delta=random_chain(30)[1]),
        bdg.lattices.from_hamiltonian(*[random_spinful(14)[i] for i in (0, 2)], norbs=2, delta=random_spinful(14)[1]),
    ):
        levels = np.abs(np.linalg.eigvalsh(system_bdg(system)))
        for energy in (0.05, 0.4, 1.3, 50.0):
            result = bdg.count_states(system, energy)
            assert isinstance(result.count, int)
            assert result.count == np.sum(levels < energy)
            assert result.evidence is not None
    with pytest.raises(ValueError, match="energy"):
        bdg.count_states(system, -0.1)
    with pytest.raises(ValueError, match="energy"):
        bdg.count_states(system, np.nan)
