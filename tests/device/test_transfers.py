"""What public functions copy between host and device, and how often they wait, counted on the checking array module.

The figures are those of a second call on the same geometry: index arrays are copied once, by the first. Planted errors
(an implicit copy, a host index, a wait or a copy in a loop, a way around the device) show that all of it is seen.
"""

from dataclasses import replace

import numpy as np
import pytest
from checking_module import StrictError
from host_kernels import HostKernels
from public_calls import CALLS, assert_came_from, call, make_system

from bdg.gpu.eigen import dense
from bdg.gpu.eigen.lanczos import _GPU_BLOCK
from bdg.gpu.kernels.source import instances, kernel_source
from bdg.gpu.kernels.stack_kernels import DeviceKernels
from bdg.gpu.multifrontal import GPU_SETTINGS
from bdg.gpu.multifrontal.analysis.symbolic import Symbolic
from bdg.gpu.multifrontal.factors import elimination
from bdg.gpu.multifrontal.factors import extend_add as extend_add_module
from bdg.gpu.multifrontal.factors import factor as factor_module
from bdg.gpu.multifrontal.factors.stored import StoredFactors
from bdg.green.resolvent import _COLUMNS

_POLISHING = 3  # steps of inverse iteration after a search, at most
DEEP = replace(GPU_SETTINGS, leaf=3, call_flops=1e4, base=8)
COUNTED = [name for name in CALLS if name.split(",")[0] in ("states", "count", "pairing", "green", "ldos")]
COUNTED = [name for name in COUNTED if "chebyshev" not in name and "auto" not in name and "window" not in name]


def allowed_transfers(name, system, result):
    """Return how many copies to the device and back a call may make; a factorisation copies values once."""
    evidence = result.evidence
    if name == "green, dense":
        return len(result.z), len(result.z)
    if "dense" in name:
        return 1, 2  # the matrix; energies and states
    if name == "count, lanczos":
        return 2, 1  # values, columns that measure the contraction; how fast these shrink
    if name == "states, lanczos":
        searches, counts = evidence.searches, len(evidence.counts_tried)
        partner = 3 if evidence.form.split(", ")[-1] in ("quaternion", "majorana") else 0
        halves = "symbolic_whole_gpu" not in system.shared  # spins without coupling: two halves of H are counted
        # values and contraction of each factor, start vectors, small matrices of restarts and of the last combination
        up = 2 * (1 + (1 + halves) * counts) + partner + searches + 2 * (evidence.restarts + searches)
        blocks = -(-evidence.solves // _GPU_BLOCK)
        polish = _POLISHING * searches  # states go there and back where a residual is above the tolerance
        analysed = system.shared["symbolic_electron_gpu" if halves else "symbolic_whole_gpu"]
        stacks = (1 + halves) * sum(c.a > 0 for c in analysed.classes)
        empty = blocks + polish if evidence.form.startswith("chiral") else 0  # which one of the coordinates is empty
        # two small matrices a step, contraction, errors of the pivot inverses of each stack and of all, the basis
        errors = counts * (stacks + 1 + halves) + 2 * evidence.get("count_improved", 0)
        return up + polish, 2 * blocks + empty + 1 + errors + searches + polish
    if name.startswith("pairing"):
        factors = evidence.poles + (evidence.single_precision_poles > 0)  # one pole in both precisions
        chosen = 0 if evidence.inverse_share == 1 else _arrays_of_restriction(system)
        each = 2 if evidence.form == "quaternion" else 4  # values; constant tables, or bases and block numbers
        return each * factors + 1 + chosen, factors
    if name.startswith("green"):
        points, real = result.z.size, np.count_nonzero(result.z.imag == 0)
        diagonal = result.sites.size == 0  # then also block numbers, blocks, and a refinement of the probes
        # values, unit columns, wanted rows for each z; values of H for residuals; contraction at real z
        # columns, norms of residuals, once more after a refinement
        return (3 + diagonal) * points + 1 + real, (3 + diagonal) * points + real
    factors = evidence.factorisations
    if evidence.route == "columns":  # sources and places of each block; elements, norms, once more after a refinement
        blocks = -(-2 * system.norbs * result.sites.size // _COLUMNS)
        return (1 + 2 * blocks) * factors + 1, 3 * blocks * factors
    return (3 + 1) * factors + 1, (2 + 2) * factors


def _arrays_of_restriction(system):
    """Return the index arrays of the classes and links of a restricted tree."""
    symbolic = next(value for key, value in system.shared.items() if key.endswith("_gpu"))
    return sum(9 + 3 * (len(c.up) + len(c.down)) + 1 for c in symbolic.classes)


def allowed_waits(name, system, result):
    """Return the waits beside downloads: static pivoting at real z looks at each base block, a count at its sum."""
    if name == "green, dense":
        return len(result.z)  # the residual
    if name in ("count, lanczos", "states, lanczos"):
        factors = 1 if name == "count, lanczos" else len(result.evidence.counts_tried)
        halves = "symbolic_whole_gpu" not in system.shared  # spins without coupling: two halves of H are counted
        whole = system.shared["symbolic_electron_gpu" if halves else "symbolic_whole_gpu"]
        searched = system.shared["symbolic_site_gpu"] if result.evidence.get("form") == "takagi" else whole
        search = 0 if name == "count, lanczos" else _base_blocks(searched)
        return factors * (1 + halves) * (_base_blocks(whole) + 1) + search
    if name.startswith("green"):
        real = np.count_nonzero(result.z.imag == 0)
        return real * _base_blocks(system.shared["symbolic_whole_gpu"])
    return 0


def _base_blocks(symbolic):
    def parts(size, base):
        if size <= base:
            return 1
        half = base * max(1, (-(-size // base)) // 2) if size > 2 * base else (size + 1) // 2
        return parts(half, base) + parts(size - half, base)

    return sum(parts(c.a, symbolic.settings.base) for c in symbolic.classes if c.a)


def proven(module, name, system):
    """Run a call and hold it to all bounds; return its result and counts."""
    call(name, system, "gpu")
    module.download_sizes.clear()
    with module.counting() as counts:
        result = call(name, system, "gpu")
    assert_came_from(counts, result)
    up, down = allowed_transfers(name, system, result)
    assert counts.uploads <= up, "copies to the device"
    assert counts.downloads <= down, "copies to the host"
    assert counts.waits <= allowed_waits(name, system, result), "waits"
    return result, counts


@pytest.fixture
def deep_trees(monkeypatch):
    """Small fronts, else as a GPU has them."""
    monkeypatch.setattr("bdg.methods.symbolic.default_settings", lambda backend: DEEP)


@pytest.mark.parametrize("name", COUNTED)
@pytest.mark.parametrize("kind", ["real", "flux", "spins", "spins, complex"])
def test_few_transfers_and_no_needless_wait(device, kind, name):
    proven(device, name, make_system(kind))


@pytest.mark.parametrize("kind", ["real", "flux", "spins, complex"])
def test_deep_trees_wait_once_a_base_block(device, deep_trees, kind):
    system = make_system(kind)
    result, counts = proven(device, "count, lanczos", system)
    assert counts.waits == allowed_waits("count, lanczos", system, result) > 10
    _, counts = proven(device, "ldos, green", system)
    assert counts.waits == 0


@pytest.mark.parametrize("kind", ["real", "flux", "spins"])
def test_states_come_back_once_and_projections_are_small(device, kind):
    """One copy of the basis for each search, and for its polishing; each step copies overlaps, never columns."""
    system = make_system(kind, (5, 5, 5))
    result, _ = proven(device, "states, lanczos", system)
    rows = 125 * (1 if result.evidence.form == "takagi" else 2 * system.norbs)
    values, item = (16, 8) if result.evidence.form == "symmetric" else (8, 16)
    searches = result.evidence.searches
    assert searches <= device.download_sizes.count(rows * values * item) <= (1 + _POLISHING) * searches
    small = [size for size in device.download_sizes if size != rows * values * item]
    assert max(small) <= 16 * 2 * _GPU_BLOCK * (80 + 2 * _GPU_BLOCK)  # overlaps of a block with all of the basis


def test_pair_amplitudes_copy_back_the_elements_of_each_site(device):
    for kind, each in (("real", 16), ("spins", 16 * 16)):  # G_uv, or the block of four rows
        system = make_system(kind)
        result, counts = proven(device, "pairing, poles", system)
        assert counts.downloaded_bytes == result.evidence.poles * system.n_sites * each


def test_unit_columns_are_made_where_they_are_used(device):
    """A solve copies the numbers of its sources to the device, not their columns."""
    system = make_system("real", (6, 6, 6))
    result, counts = proven(device, "green, sites", system)
    values = 16 * system.shared["symbolic_whole_gpu"].pattern.n_blocks * 4
    assert counts.uploaded_bytes <= (result.z.size + 1) * (values + 1000) + 4 * 8 * 2 * 216  # and four random columns


# ------------------------------------------------------------------------------------------------------ planted errors


def _implicit_copy(monkeypatch):
    sweep = factor_module.sweep
    monkeypatch.setattr(factor_module, "sweep", lambda stored, columns: sweep(stored, np.asarray(columns)))


def _host_index(monkeypatch):
    monkeypatch.setattr(Symbolic, "on", lambda self, xp: self.classes)


def _wait_in_a_loop(monkeypatch):
    extend_add = elimination.extend_add

    def looked_at(xp, front, link, schur, upper):
        if float(abs(schur).max()) > 0:
            extend_add(xp, front, link, schur, upper=upper)

    monkeypatch.setattr(elimination, "extend_add", looked_at)


def _copy_in_a_loop(monkeypatch):
    forward_of = StoredFactors.forward_of

    def there_and_back(self, number):
        kept = forward_of(self, number)
        return None if kept is None else self.backend.xp.asarray(self.backend.to_host(kept))

    monkeypatch.setattr(StoredFactors, "forward_of", there_and_back)


def _around_the_device(monkeypatch):
    monkeypatch.setattr(dense, "eigh", lambda matrix, backend: np.linalg.eigh(matrix.toarray()))


def _result_on_the_device(monkeypatch):
    monkeypatch.setattr(
        dense, "eigh", lambda matrix, backend: backend.xp.linalg.eigh(backend.xp.asarray(matrix.toarray()))
    )


PLANTED = {
    "implicit copy": (_implicit_copy, "states, lanczos", "implicit conversion"),
    "host index": (_host_index, "green, diagonal", "host index array"),
    "wait in a loop": (_wait_in_a_loop, "ldos, green", "waits"),
    "copy in a loop": (_copy_in_a_loop, "states, lanczos", "copies to"),
    "around the device": (_around_the_device, "pairing, dense", "computed on the host"),
    "result on the device": (_result_on_the_device, "states, dense", "implicit conversion"),
}


@pytest.mark.parametrize("error", PLANTED)
def test_a_planted_error_is_found_through_a_public_function(device, deep_trees, monkeypatch, error):
    plant, name, message = PLANTED[error]
    system = make_system("real")
    proven(device, name, system)
    plant(monkeypatch)
    with pytest.raises((StrictError, AssertionError, TypeError), match=message):
        proven(device, name, system)


# ---------------------------------------------------------------------------------------------------- compiled kernels


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    return HostKernels(tmp_path_factory.mktemp("kernels"), kernel_source("extend_add"), instances("extend_add"))


@pytest.mark.parametrize("name", ["pairing, poles", "count, lanczos", "ldos, green"])
@pytest.mark.parametrize("kind", ["real", "spins, complex"])
def test_compiled_kernels_under_a_public_function(device, deep_trees, monkeypatch, host, kind, name):
    """The same bits with the extend-add as kernels; each is one launch instead of three array calls."""
    system = make_system(kind)
    expected, with_calls = proven(device, name, system)
    before = host.launches
    monkeypatch.setattr(
        extend_add_module, "stack_kernels", lambda xp: None if xp is np else DeviceKernels(xp, host.launch)
    )
    with device.counting() as counts:
        found = call(name, system, "gpu")
    launches = host.launches - before
    assert launches > 0 and counts.operations + launches < with_calls.operations
    for item in ("values", "count"):
        assert np.array_equal(getattr(found, item, 0), getattr(expected, item, 0))


def test_default_settings_of_the_gpu(device):
    """That the counts above are those of the fronts that a GPU gets."""
    system = make_system("real")
    call("count, lanczos", system, "gpu")
    assert system.shared["symbolic_whole_gpu"].settings == GPU_SETTINGS
