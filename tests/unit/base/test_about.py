"""What systems and results say of themselves at the prompt and in notebooks, and what ``dir`` lists."""

import numpy as np
import pytest

import bdg
from bdg.base.results import Result
from bdg.lattices import Layer


def junction(**names):
    layers = [Layer(3, delta=0.4), Layer(2, disorder=0.5), Layer(3, delta=0.4, attraction=2)]
    return bdg.lattices.stack(layers, (4,), periodic=True, seed=1, **names)


def test_a_system_says_what_it_is():
    assert repr(junction(energy_unit="meV", length_unit="nm").with_field(0.25)).splitlines() == [
        "System (stack)",
        "  sites       32 in 2-D, norbs = 1 (spin-degenerate), complex",
        "  box         7 x 4 nm, periodic along y",
        "  grains      2, of 12 sites",
        "  Delta       0.4 meV on 24 sites",
        "  attraction  2 meV on 12 sites",
        "  units       energies in meV, lengths in nm",
    ]
    bonds = bdg.System(np.eye(4), np.arange(2.0), pairing=0.1 * np.kron([[0, 1], [1, 0]], np.eye(2)), norbs=2)
    assert repr(bonds).splitlines() == [
        "System",
        "  sites   2 in 1-D, norbs = 2 (spin up and down), real",
        "  box     1, open",
        "  grains  none",
        "  Delta   none on sites, some on bonds",
        "  units   energies in the unit of the hopping, lengths in that of the positions",
    ]


def test_a_result_says_what_it_holds():
    found = bdg.pair_amplitude(junction(energy_unit="meV"), 0.1)
    title, *lines = repr(found).splitlines()
    assert title.startswith("PairAmplitude by dense on cpu, ")
    told = dict(line.strip().split("  ", 1) for line in lines)
    assert told["temperature"].strip() == "0.1 meV" and told["sites"].strip() == "(32,), 0 to 31"
    low, high = abs(found.values).min(), abs(found.values).max()
    assert told["values"].strip() == f"(32,) complex, moduli {low:.4g} to {high:.4g}"
    assert told["why"].strip() == found.evidence.why
    assert len(lines) <= 16 and max(map(len, lines)) < 120


def test_every_kind_of_result_is_short_at_the_prompt():
    kinds = [kind for kind in Result._kinds.values() if isinstance(kind, type) and issubclass(kind, Result)]
    assert len(kinds) > 30 and all(kind.__repr__ is Result.__repr__ for kind in kinds)


def test_notebooks_show_a_table():
    system = bdg.lattices.from_hamiltonian(np.eye(2), np.arange(2), delta=0.1, energy_unit="<meV>")
    shown = system._repr_html_()
    assert shown.startswith("<div><b>System (hamiltonian)</b><table>") and "0.1 &lt;meV&gt; on 2 sites" in shown
    assert "<b>StateCount by dense on cpu" in bdg.count_states(system, 0.3)._repr_html_()


@pytest.mark.parametrize("module", [bdg, bdg.lattices, bdg.granular, bdg.electrodynamics, bdg.instruments])
def test_dir_lists_the_public_names(module):
    assert set(dir(module)) - {"__version__"} == set(module.__all__)
    assert all(hasattr(module, name) for name in dir(module))
