"""Wrong calls of all public functions end in one message: the argument and its rule, what came, and what helps."""

import dataclasses
import inspect
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import bdg
from bdg import (
    BackendUnavailableError,
    ClosedSystemWarning,
    DoubtfulArgumentWarning,
    JobError,
    ResultFileError,
    electrodynamics,
    granular,
    instruments,
    lattices,
)
from bdg.lattices import Layer, Lead, from_hamiltonian, stack

ROOMS = (bdg, lattices, granular, electrodynamics, instruments)
LAYERS = [Layer(2, delta=0.3, attraction=1.0), Layer(2), Layer(2, delta=0.3)]
JUNCTION = stack(LAYERS, mu=-0.5)  # two grains, 6 sites
CHAIN = stack([Layer(6)], mu=-0.5)  # normal
RING = stack(LAYERS, (3,), mu=-0.5, periodic=True)
OPEN = dataclasses.replace(JUNCTION, leads=(Lead(np.zeros((1, 1)), np.ones((1, 1)), np.array([0])),))
STATES = bdg.bound_states(JUNCTION, 4, method="dense", device="cpu")
BOX = (50.0, 50.0, 50.0)
PACKING = lattices.pack_spheres(BOX, volume_fraction=0.05, diameter=15.0, seed=1)
WALLED = lattices.pack_spheres(BOX, volume_fraction=0.05, diameter=15.0, seed=1, periodic=False)
NETWORK = granular.Network.cubic(2)
GAP_FILE = Path(__file__).parents[1] / "data" / "gap_without_unit_names.h5"
IMAGE, SPOT = np.ones((8, 8)), [[0.0, 0.0]]
CURVE = {"radius_m": 1e-3, "frequency_Hz": 100.0, "ideal_ohm_m": lambda temperature: 1e-9}
SHELL = instruments.LinkedShell(critical_temperature_K=30.0, critical_current_A=1e-3)
METER = instruments.AcSusceptometer(100.0, 80.0, amplitude_is="peak")
DEGREES = "looks like degrees, and phases are in radian. numpy.deg2rad converts them"
MAKE_A_NETWORK = "Make one with Network.cubic, Network.from_packing or Network("
PACKED = {"volume_fraction": 0.05, "diameter": 15.0}


def _two_sites(hamiltonian=((0, 1), (1, 0)), **more):
    return from_hamiltonian(np.array(hamiltonian), [[0.0], [1.0]], **more)


# the function, the call, the class of the error, and pieces of its message in their order
WRONG = [
    # states and counts
    ("bound_states", lambda: bdg.bound_states(np.eye(3)), TypeError, "system must be", "got ndarray", "Make one with"),
    ("bound_states", lambda: bdg.bound_states(JUNCTION, 13), ValueError, "k must be", "from 1 to 12", "got 13"),
    ("bound_states", lambda: bdg.bound_states(JUNCTION, 2.5), TypeError, "k must be a whole number", "got 2.5 (float)"),
    ("bound_states", lambda: bdg.bound_states(JUNCTION, method="arpack"), ValueError, "method", "lanczos", "'arpack'"),
    ("bound_states", lambda: bdg.bound_states(JUNCTION, 4, device="tpu"), ValueError, "device must be", "got 'tpu'"),
    ("bound_states", lambda: bdg.bound_states(JUNCTION, 4, threads=0), ValueError, "threads must be", ">= 1; got 0"),
    ("bound_states", lambda: bdg.bound_states(JUNCTION, window=(0.3, -0.3)), ValueError, "window", "a < b", "-0.3)"),
    ("bound_states", lambda: bdg.bound_states(JUNCTION, 4, tol=-1e-9), ValueError, "tol must be positive", "-1e-09"),
    ("bound_states", lambda: bdg.bound_states(OPEN, 4), ClosedSystemWarning, "1 lead", "pass system.without_leads()"),
    ("count_states", lambda: bdg.count_states(JUNCTION, -0.1), ValueError, "energy must be finite and >= 0", "-0.1"),
    ("count_states", lambda: bdg.count_states(JUNCTION, "0.1 t"), TypeError, "energy must be a real number", "'0.1 t'"),
    ("count_states", lambda: bdg.count_states(JUNCTION, 0, method="poles"), ValueError, "method", "dense", "'poles'"),
    ("level_statistics", lambda: bdg.level_statistics([1.0]), ValueError, "fewer than three", "Compute more levels"),
    ("level_statistics", lambda: bdg.level_statistics("abc"), TypeError, "states must be results", "got 'abc' (str)"),
    ("spectrum_along", lambda: bdg.spectrum_along(JUNCTION, [0, 1], 3, 4), TypeError, "change must be", "got int"),
    (
        "spectrum_along",
        lambda: bdg.spectrum_along(JUNCTION, [0, 1], lambda s, x: x, 4),
        TypeError,
        "change must return a System",
        "gave float",
    ),
    (
        "spectrum_along",
        lambda: bdg.spectrum_along(JUNCTION, [], abs, 4),
        ValueError,
        "values must be at least two",
        "[]",
    ),
    ("phase_response", lambda: bdg.phase_response(JUNCTION, None), TypeError, "states must be", "bound_states", "None"),
    ("phase_response", lambda: bdg.phase_response(CHAIN, STATES), ValueError, "not those of this system", "Take bdg."),
    (
        "phase_response",
        lambda: bdg.phase_response(JUNCTION, STATES, degeneracy=-1),
        ValueError,
        "degeneracy must be finite and >= 0",
        "got -1",
    ),
    ("thouless_energy", lambda: bdg.thouless_energy(JUNCTION), ValueError, "axis must name", "[]", "period"),
    ("thouless_energy", lambda: bdg.thouless_energy(CHAIN, "q"), ValueError, "axis must be 'x', 'y', 'z'", "got 'q'"),
    ("thouless_energy", lambda: bdg.thouless_energy([]), ValueError, "system is an empty list", "at least one System"),
    ("thouless_energy", lambda: bdg.thouless_energy(RING, device="gpu"), ValueError, "CPU only", "use device='cpu'"),
    # thermal sums
    ("pair_amplitude", lambda: bdg.pair_amplitude(JUNCTION, -0.1), ValueError, "temperature must", ">= 0", "got -0.1"),
    (
        "pair_amplitude",
        lambda: bdg.pair_amplitude(JUNCTION, "4 K"),
        TypeError,
        "temperature",
        "k_B T in",
        "'4 K' (str)",
    ),
    (
        "pair_amplitude",
        lambda: bdg.pair_amplitude(JUNCTION, 40.0),
        DoubtfulArgumentWarning,
        "temperature = 40",
        "Is it in kelvin?",
        "temperature_in_t",
    ),
    ("pair_amplitude", lambda: bdg.pair_amplitude(JUNCTION, 0.1, sites=[9]), ValueError, "sites", "0 and 5; got 9"),
    (
        "pair_amplitude",
        lambda: bdg.pair_amplitude(JUNCTION, 0.1, sites=[0.5]),
        ValueError,
        "site numbers or a mask",
        "0.5",
    ),
    (
        "pair_amplitude",
        lambda: bdg.pair_amplitude(JUNCTION, 0.0, method="poles"),
        ValueError,
        "method='poles' affords temperatures down to",
        "got temperature = 0.0",
        "Use method='dense'",
    ),
    ("electron_density", lambda: bdg.electron_density(JUNCTION, np.nan), ValueError, "temperature must", "got nan"),
    ("electron_density", lambda: bdg.electron_density(JUNCTION, 1, tol=0), ValueError, "tol must be positive", "got 0"),
    (
        "free_energy",
        lambda: bdg.free_energy(JUNCTION, None),
        TypeError,
        "temperature must be a real number",
        "got None",
    ),
    ("free_energy", lambda: bdg.free_energy(JUNCTION, 0.0, method="poles"), ValueError, "> 0", "use method='dense'"),
    ("bond_currents", lambda: bdg.bond_currents(JUNCTION, [0.1]), TypeError, "temperature must be", "got [0.1] (list)"),
    ("superfluid_stiffness", lambda: bdg.superfluid_stiffness(JUNCTION, 0.1, "z"), ValueError, "'x' or 'all'", "'z'"),
    (
        "penetration_depth",
        lambda: bdg.penetration_depth(0.1, hopping_meV=-1, length_unit_nm=1, site_volume_nm3=1),
        ValueError,
        "hopping_meV must be positive and finite (meV)",
        "got -1",
    ),
    # spectra
    ("green_function", lambda: bdg.green_function(JUNCTION, "i"), TypeError, "z must be a complex number", "got 'i'"),
    ("green_function", lambda: bdg.green_function(JUNCTION, 1j, sources=[9]), ValueError, "sources must", "got 9"),
    (
        "local_density_of_states",
        lambda: bdg.local_density_of_states(JUNCTION, [0.1], broadening=0.1, moments=64),
        ValueError,
        "moments belongs to method='chebyshev'",
        "got moments = 64",
        "Leave it out",
    ),
    (
        "local_density_of_states",
        lambda: bdg.local_density_of_states(JUNCTION, [np.inf]),
        ValueError,
        "finite",
        "got inf",
    ),
    ("density_of_states", lambda: bdg.density_of_states(JUNCTION, [1j]), TypeError, "energies must be a real", "[1j]"),
    ("density_of_states", lambda: bdg.density_of_states(JUNCTION, [0.1], vectors="few"), TypeError, "'all'", "'few'"),
    (
        "spectral_function",
        lambda: bdg.spectral_function(JUNCTION, [[0, 1]], [0]),
        ValueError,
        "momenta",
        "(K, 1)",
        "[[0",
    ),
    # gaps, currents, phases
    ("solve_gap", lambda: bdg.solve_gap(CHAIN, 0.1), ValueError, "no attraction", "U_i = 0", "Give attraction="),
    ("solve_gap", lambda: bdg.solve_gap(JUNCTION, 0.1, mixing="broyden"), ValueError, "mixing", "linear", "'broyden'"),
    ("solve_gap", lambda: bdg.solve_gap(JUNCTION, 0.1, filling=2.5), ValueError, "filling", "0 and 2", "got 2.5"),
    (
        "solve_gap",
        lambda: bdg.solve_gap(JUNCTION, 0.1, hartree="no"),
        TypeError,
        "hartree must be True or False",
        "'no'",
    ),
    (
        "solve_gap",
        lambda: bdg.solve_gap(JUNCTION, 0.1, checkpoint=__file__),
        ResultFileError,
        __file__,
        "not that of a bdg",
    ),
    (
        "solve_gap",
        lambda: bdg.solve_gap(JUNCTION, 0.1, max_iterations=1, tol=1e-9),
        bdg.ConvergenceError,
        "after 1 iterations",
        "estimated error",
        "Take more max_iterations",
    ),
    ("critical_temperature", lambda: bdg.critical_temperature(CHAIN), ValueError, "no attraction", "give attraction="),
    (
        "critical_temperature",
        lambda: bdg.critical_temperature(JUNCTION),
        ValueError,
        "pairing is imposed",
        "with_delta(0)",
    ),
    ("current_phase", lambda: bdg.current_phase(CHAIN, [0.1], 0.1), ValueError, "two grains", "has 0", "Give it two"),
    (
        "current_phase",
        lambda: bdg.current_phase(JUNCTION, [0.1], 0.1, between=(0, 5)),
        ValueError,
        "grain 5",
        "2 grains",
    ),
    ("current_phase", lambda: bdg.current_phase(JUNCTION, [0.1], 0.1, between=0), ValueError, "(first, last)", "got 0"),
    ("current_phase", lambda: bdg.current_phase(JUNCTION, [30, 60], 0.1), DoubtfulArgumentWarning, "60", DEGREES),
    (
        "current_phase",
        lambda: bdg.current_phase(JUNCTION, [0.1], 0.1, self_consistent="no"),
        TypeError,
        "self_consistent must be True or False",
        "got 'no'",
    ),
    ("phase_harmonics", lambda: bdg.phase_harmonics(JUNCTION, [0, 7], 0.1), ValueError, "names 7", "numbered from 0"),
    ("phase_harmonics", lambda: bdg.phase_harmonics(JUNCTION, [0, 0], 0.1), ValueError, "grains must differ", "[0, 0]"),
    (
        "phase_harmonics",
        lambda: bdg.phase_harmonics(JUNCTION, [0, 1], 0.1, points=1),
        ValueError,
        "points",
        ">= 4",
        "got 1",
    ),
    ("grain_landscape", lambda: bdg.grain_landscape(CHAIN, 0.1), ValueError, "no grain that pairs", "give it delta"),
    (
        "grain_landscape",
        lambda: bdg.grain_landscape(JUNCTION, 0.0),
        ValueError,
        "must be > 0",
        "got 0",
        "method='dense'",
    ),
    (
        "proximity_length",
        lambda: bdg.proximity_length(CHAIN, np.ones(6)),
        ValueError,
        "no superconducting",
        "give it delta",
    ),
    ("proximity_length", lambda: bdg.proximity_length(JUNCTION, np.ones(3)), ValueError, "array (6,)", "shape (3,)"),
    # costs and files
    ("estimate", lambda: bdg.estimate(JUNCTION, "fly"), ValueError, "what must be one of bound_states", "got 'fly'"),
    ("estimate", lambda: bdg.estimate(JUNCTION, "pair_amplitude"), TypeError, "needs the argument temperature="),
    ("estimate", lambda: bdg.estimate(3), TypeError, "a System, a Job or the path of a job file", "got int"),
    ("estimate", lambda: bdg.estimate("absent.toml"), JobError, "absent.toml", "No such file"),
    ("load", lambda: bdg.load("absent.h5"), ResultFileError, "absent.h5", "no such file"),
    ("load", lambda: bdg.load(__file__), ResultFileError, __file__, "first line is not that of a bdg file"),
    ("load", lambda: bdg.load(3), TypeError, "path must be the path of a file", "got 3 (int)"),
    ("load", lambda: lattices.load(GAP_FILE), ResultFileError, GAP_FILE.name, "Gap"),
    # builders
    ("stack", lambda: stack([]), ValueError, "layers is empty", "needs at least one Layer"),
    ("stack", lambda: stack([3]), TypeError, "layers must be bdg.lattices.Layer objects", "got 3"),
    (
        "stack",
        lambda: stack(LAYERS, transparency=2.0),
        ValueError,
        "transparency",
        "(0, 1]",
        "got 2.0",
        "take a small one",
    ),
    (
        "stack",
        lambda: stack([Layer(2)], energy_unit=3),
        TypeError,
        "energy_unit must be",
        "got 3",
        'Give a text such as "meV"',
    ),
    ("stack", lambda: Layer(2, attraction=-1), ValueError, "attraction of a layer must be finite and >= 0", "got -1"),
    ("stack", lambda: Layer(2, phase=90), DoubtfulArgumentWarning, "phase of a layer: 90", DEGREES),
    ("from_hamiltonian", lambda: _two_sites([[0, 1j], [1j, 0]]), ValueError, "not Hermitian", "(0, 1)", "Each hopping"),
    ("from_hamiltonian", lambda: _two_sites(np.eye(3)), ValueError, "hamiltonian must have shape (2, 2)", "got (3, 3)"),
    ("from_hamiltonian", lambda: _two_sites(norbs=3), ValueError, "norbs must be 1", "or 2", "got 3"),
    ("from_hamiltonian", lambda: _two_sites(grain=[0, 2]), ValueError, "grain must", "or be a mask", "labels [0, 2]"),
    ("from_hamiltonian", lambda: _two_sites(pairing=[[0, 1], [-1, 0]]), ValueError, "Fermi statistics", "missed by 2"),
    ("from_hamiltonian", lambda: JUNCTION.with_phases({5: 0.1}), ValueError, "phases names grain 5", "has 2 grains"),
    ("from_hamiltonian", lambda: JUNCTION.with_phases([90.0, 0]), DoubtfulArgumentWarning, "phases: 90", DEGREES),
    ("from_hamiltonian", lambda: JUNCTION.with_delta([0.1]), ValueError, "one value a site, shape (6,)", "shape (1,)"),
    ("from_hamiltonian", lambda: JUNCTION.with_field(0.1), ValueError, "2-D and 3-D", "1 dimension", "cross_section"),
    ("from_hamiltonian", lambda: RING.with_field([1, 2, 3]), ValueError, "B must be one number", "got shape (3,)"),
    (
        "from_kwant",
        lambda: lattices.from_kwant(np.eye(2)),
        TypeError,
        "kwant.Builder",
        "got ndarray",
        "from_hamiltonian(",
    ),
    (
        "grain_composite",
        lambda: lattices.grain_composite((6, 6), 1.0, volume_fraction=0.2, diameter=4, host={"onsit": 1}),
        ValueError,
        "unknown key 'onsit'",
        "did you mean 'onsite'?",
    ),
    (
        "grains_at",
        lambda: lattices.grains_at((6, 6), 1, [[3, 3, 3]], 4),
        ValueError,
        "shape (G, 2)",
        "got shape (1, 3)",
    ),
    (
        "grains_at",
        lambda: lattices.grains_at((6, 6), 1, [[30, 3]], 4),
        ValueError,
        "holds no site",
        "take a finer grid",
    ),
    (
        "pack_spheres",
        lambda: lattices.pack_spheres((5, 5, -5), **PACKED),
        ValueError,
        "size must be positive",
        "got -5",
    ),
    (
        "cluster_spheres",
        lambda: lattices.cluster_spheres(BOX, **PACKED, cluster_size=5, fractal_dimension=4),
        ValueError,
        "fractal_dimension must lie between 1.1 and 2.5",
        "got 4",
    ),
    ("material", lambda: lattices.material("MgB3"), ValueError, "no material 'MgB3'", "did you mean 'MgB2'?"),
    (
        "resistivity",
        lambda: lattices.resistivity("MgB2", residual_ohm_m=-1),
        ValueError,
        "residual_ohm_m",
        ">= 0",
        "-1",
    ),
    (
        "composition",
        lambda: lattices.composition("1:2"),
        TypeError,
        "b2o3_to_sio2 must be a real number",
        "'1:2' (str)",
    ),
    (
        "effective_mass",
        lambda: lattices.effective_mass(1, 0.5, density_m3=1e28, mean_free_path_nm=1.0, mobility_cm2_Vs=2),
        ValueError,
        "not both",
        "got 1.0 nm and 2 cm2/Vs",
    ),
    # networks of grains
    (
        "network_resistance",
        lambda: granular.network_resistance(NETWORK, [0.0]),
        ValueError,
        "temperatures must be > 0",
        "got 0.0",
        "At 0 take network.relaxed_stiffness()",
    ),
    (
        "network_resistance",
        lambda: granular.network_resistance(NETWORK, [1.0], bias=0),
        ValueError,
        "bias must be",
        "got 0",
    ),
    (
        "network_resistance",
        lambda: granular.Network.from_packing(WALLED, None, 4, 2),
        ValueError,
        "must be periodic",
        "use",
    ),
    (
        "network_resistance",
        lambda: granular.Network.from_packing(PACKING, None, 4, 2),
        TypeError,
        "table must have coupling(",
        "got NoneType",
        "CouplingTable",
    ),
    (
        "network_resistance",
        lambda: granular.Network([[0, 5]], [1.0], [[1.0, 0, 0]], n_sites=2, volume=1),
        ValueError,
        "pairs must name sites from 0 to 1",
        "got 5",
        "Is n_sites = 2 right?",
    ),
    ("activated_resistance", lambda: granular.activated_resistance(3, [1]), TypeError, "got int", MAKE_A_NETWORK),
    (
        "activated_resistance",
        lambda: granular.activated_resistance(NETWORK, [1], axis="w"),
        ValueError,
        "x, y, z",
        "'w'",
    ),
    ("sample_phases", lambda: granular.sample_phases(NETWORK, [-1]), ValueError, "temperatures must be > 0", "got -1"),
    (
        "locking_temperature",
        lambda: granular.locking_temperature(3),
        TypeError,
        "networks must be",
        "got int",
        "Make one",
    ),
    ("locking_temperature", lambda: granular.locking_temperature([]), ValueError, "networks is empty", "at least one"),
    (
        "magnetisation_cycle",
        lambda: granular.magnetisation_cycle(NETWORK, 1, [1, 2]),
        ValueError,
        "at least 2",
        "got 1",
    ),
    ("magnetisation_cycle", lambda: granular.magnetisation_cycle(3, 1, [1, 2]), TypeError, "got int", MAKE_A_NETWORK),
    (
        "magnetisation_cycle",
        lambda: granular.magnetisation_cycle([NETWORK] * 2, 1, [1, 2]),
        ValueError,
        "networks must be open",
    ),
    (
        "effective_conductivity",
        lambda: granular.effective_conductivity(NETWORK, 5),
        ValueError,
        "axis must be",
        "got 5",
    ),
    (
        "charging_criterion",
        lambda: granular.charging_criterion(NETWORK, -1.0),
        ValueError,
        ">= 0 (ohm)",
        "-1.0 for bond 0",
    ),
    ("resistance_between", lambda: granular.resistance_between([[0, 1]], [-1], 0, 1), ValueError, ">= 0", "for bond 0"),
    ("scan_unknowns", lambda: granular.scan_unknowns(3, {"a": (0, 1)}), TypeError, "function must be", "got int"),
    ("scan_unknowns", lambda: granular.scan_unknowns(abs, {}), ValueError, "unknowns is empty", "name at least one"),
    ("scan_unknowns", lambda: granular.scan_unknowns(abs, {"a": (1, 0)}), ValueError, "(low, high)", "got a = (1, 0)"),
    (
        "bcs_gap_ratio",
        lambda: granular.bcs_gap_ratio("cold"),
        TypeError,
        "reduced_temperature",
        "real number",
        "'cold'",
    ),
    ("characteristic_voltage", lambda: granular.characteristic_voltage(1, 0.1, model="KO"), ValueError, "KO-1", "'KO'"),
    ("josephson_energy", lambda: granular.josephson_energy(-1, 2.7, 4), ValueError, "resistance_ohm must be", "got -1"),
    (
        "irreversibility_bound",
        lambda: granular.irreversibility_bound(1.5, 3, 1, 10, 30),
        ValueError,
        "low_field must be <= high_field",
        "got 3, 1",
    ),
    (
        "irreversibility_exponent",
        lambda: granular.irreversibility_exponent([1, 2], [20], [0.1, 0.1], 30),
        ValueError,
        "must be of one length",
        "(2,), (1,), (2,)",
    ),
    (
        "maxwell_conductivity",
        lambda: granular.maxwell_conductivity(1, 2, 1.5),
        ValueError,
        "between 0 and 1",
        "got 1.5",
    ),
    ("penetration_depth_um", lambda: granular.penetration_depth_um(30, 0), ValueError, "spacing_nm must be", "got 0"),
    ("rsj_voltage", lambda: granular.rsj_voltage(1, -1, 1), ValueError, "critical_current must be", "(A); got -1"),
    (
        "short_junction_locking",
        lambda: granular.short_junction_locking(1, 2.7, 20, 9),
        ValueError,
        "at most 1",
        "got 20",
    ),
    (
        "thermal_penetration_depth",
        lambda: granular.thermal_penetration_depth(1, 10, 50),
        ValueError,
        "below T_c",
        "critical_temperature_K = 37 K",
        "got 50",
    ),
    ("thermal_resistance", lambda: granular.thermal_resistance(-1.0), ValueError, "finite and >= 0", "got -1.0"),
    ("two_step_temperature", lambda: granular.two_step_temperature([1, 2], [0, 1]), ValueError, "at least 4", "got 2"),
    # electrodynamics
    (
        "bean_disc",
        lambda: electrodynamics.bean_disc("x", 1, 1, 1),
        TypeError,
        "fields must be a real number",
        "got 'x'",
    ),
    ("bean_slab", lambda: electrodynamics.bean_slab([1, np.nan], 1), ValueError, "fields must be finite (A/m)", "nan"),
    (
        "demagnetisation_factor",
        lambda: electrodynamics.demagnetisation_factor(1, 1, 1, "cube"),
        ValueError,
        "formula must be one of",
        "aharoni",
        "got 'cube'",
    ),
    ("disc_susceptibility", lambda: electrodynamics.disc_susceptibility(0, 1), ValueError, "radius must be", "got 0"),
    (
        "london_plate_susceptibility",
        lambda: electrodynamics.london_plate_susceptibility(1, 1, 1, -1),
        ValueError,
        "penetration_depth must be positive",
        "got -1",
    ),
    (
        "london_sphere_susceptibility",
        lambda: electrodynamics.london_sphere_susceptibility(-1, 1),
        ValueError,
        "radius must be positive",
        "got -1",
    ),
    (
        "moment_decay_time",
        lambda: electrodynamics.moment_decay_time(1e-3, resistivity_ohm_m=-1),
        ValueError,
        "resistivity_ohm_m must be positive (ohm m)",
        "got -1",
    ),
    (
        "plate_susceptibility",
        lambda: electrodynamics.plate_susceptibility(1, 1, "x"),
        TypeError,
        "c must be",
        "'x' (str)",
    ),
    (
        "skin_depth",
        lambda: electrodynamics.skin_depth(1e-8, 0),
        ValueError,
        "frequency_Hz must be positive (Hz)",
        "got 0",
    ),
    ("slab_screening", lambda: electrodynamics.slab_screening(1, 0), ValueError, "penetration_depth must be", "got 0"),
    (
        "sphere_susceptibility",
        lambda: electrodynamics.sphere_susceptibility(1, 1, "x"),
        TypeError,
        "frequency_Hz",
        "'x'",
    ),
    (
        "sphere_susceptibility",
        lambda: electrodynamics.ShellNetwork(1, 9),
        ValueError,
        "subdivisions",
        "1 to 4",
        "got 9",
    ),
    ("slab_screening", lambda: electrodynamics.LayerStack(0.2, 0.1, 1), ValueError, "at least thickness_um", "got 0.1"),
    (
        "vortex_count",
        lambda: electrodynamics.VortexField(height_um=1),
        ValueError,
        "needs either penetration_depth_um",
        "got neither",
    ),
    # instruments
    ("vortex_count", lambda: instruments.vortex_count(1, "x"), TypeError, "size_um must be a real number (um)", "'x'"),
    ("place_vortices", lambda: instruments.place_vortices(-1, 10), ValueError, "number must be", ">= 1", "got -1"),
    (
        "fit_penetration_depth",
        lambda: instruments.fit_penetration_depth(IMAGE, SPOT, height_um=2),
        ValueError,
        "pixel_um",
        "must be given with an array",
    ),
    (
        "fit_penetration_depth",
        lambda: instruments.fit_penetration_depth(np.ones(3), height_um=2, pixel_um=1),
        ValueError,
        "image must be a SquidImage or real numbers in uT in shape (n, m)",
        "got shape (3,)",
    ),
    (
        "fit_residual_resistivity",
        lambda: instruments.fit_residual_resistivity([1.0], [1.0], **CURVE),
        ValueError,
        "temperatures_K must be at least 6",
        "got 1",
    ),
    (
        "fit_shell_transition",
        lambda: instruments.fit_shell_transition(
            [1], [1], [1], instrument=3, radius_m=1, resistivity_ohm_m=1, shell=SHELL
        ),
        TypeError,
        "instrument must be a bdg.instruments.AcSusceptometer",
        "got int",
    ),
    (
        "fit_shell_transition",
        lambda: instruments.AcSusceptometer(100, 80.0),
        TypeError,
        "amplitude_is must say what amplitude_A_m = 80.0 is",
        "got nothing",
        "Write amplitude_is='rms'",
    ),
    ("fit_shell_transition", lambda: METER.sweep(3, [1]), TypeError, "sample must be", "got int", "Make one with"),
    (
        "fit_shell_transition",
        lambda: METER.sweep(instruments.CoatedSphere(1e-3, "copper"), [10.0]),
        TypeError,
        "resistivity_ohm_m must be a real number (ohm m)",
        "got 'copper'",
    ),
    (
        "fit_penetration_depth",
        lambda: instruments.ScanningSquid().image(SPOT, 3, 10.0, 1.0),
        TypeError,
        "field must be a bdg.electrodynamics.VortexField",
        "got int",
        "Make one with",
    ),
    (
        "resistance_between",
        lambda: instruments.FourProbe(1e-6).resistance(3),
        TypeError,
        "voltage must be a function of the current",
        "got int",
    ),
]


@pytest.mark.parametrize(
    ("call", "error", "pieces"),
    [
        pytest.param(call, error, pieces, id=f"{number}-{function}")
        for number, (function, call, error, *pieces) in enumerate(WRONG)
    ],
)
def test_wrong_calls_say_rule_value_and_cure(call, error, pieces):
    with warnings.catch_warnings():
        warnings.simplefilter("error", DoubtfulArgumentWarning)
        warnings.simplefilter("error", ClosedSystemWarning)
        with pytest.raises(error) as caught:
            call()
    assert type(caught.value) is error
    text, at = str(caught.value), 0
    for piece in pieces:
        assert piece in text[at:], f"{piece!r} is missing, or before others, in: {text}"
        at = text.index(piece, at) + len(piece)
    assert "\n" not in text


def test_every_public_function_is_called_wrongly():
    public = {name for room in ROOMS for name in room.__all__ if inspect.isfunction(getattr(room, name))}
    assert public - {name for name, *_ in WRONG} == set()
    assert len(WRONG) >= 60


def test_a_missing_gpu_says_what_else_to_take(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)  # as where it is not installed
    with pytest.raises(BackendUnavailableError, match=r"device='gpu' was requested.*Use device='cpu'"):
        bdg.bound_states(JUNCTION, 4, device="gpu")
