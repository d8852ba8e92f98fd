"""The chain of a composite: glass, composition, packing, couplings of grains, T_c2, lambda(T), R(T), what is unknown.

Two routes to the temperature at which the phases lock stand side by side: from BdG couplings of two grains (a
`bdg.granular.CouplingTable`, no parameter fitted), and from the resistivity as a short junction would have it
(Ambegaokar and Baratoff). Errors come from drawing entries of the table and packings anew; ranges of what nobody
measured are scanned (`bdg.granular.scan_unknowns`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bdg.granular.composite_networks import BETWEEN, CompositeNetworks, ScaledTable
from bdg.granular.couplings.coupling_table import CouplingTable
from bdg.granular.couplings.junctions import penetration_depth_um
from bdg.granular.couplings.short_junctions import short_junction_locking
from bdg.granular.locking import LockingTemperature, locking_temperature
from bdg.granular.unknowns import UnknownScan, scan_unknowns
from bdg.jobs.kinds.figures.chain import plot
from bdg.jobs.kinds.shared import boxes
from bdg.jobs.kinds.shared.chain_resistance import KEYS as RESISTANCE_KEYS
from bdg.jobs.kinds.shared.chain_resistance import charged, resistive, resistive_lines, second_steps
from bdg.jobs.model.figures import OUTPUT_KEYS
from bdg.jobs.model.kind import CountedStep, Kind, Observable, Outcome
from bdg.jobs.model.place import Place
from bdg.jobs.model.results import JobResults
from bdg.jobs.model.schema import Key
from bdg.jobs.model.sweep import Parameters
from bdg.lattices.storage import ResultFileError

COARSE = 0.05  # relative error of T_c2 at each point of a scan, and of each redrawing
SCANNED_GRAINS = 64  # of each sample of a scan: T_c2 within a few percent at half the time of 150
FRACTIONS = (0.2, 0.4, 0.6, 0.8, 0.95)  # of T_c2: where lambda is computed
UNKNOWNS = ("volume_fraction", "density_m3", "transparency", "mean_free_path_nm", "delta_meV")
_LOCKING_S, _STIFFNESS_S = 4e-3, 1e-3  # seconds a bond: a locking temperature to COARSE, a stiffness of one sample
_MOVING_S, _ACTIVATED = 2e-3, 0.03  # seconds a bond and temperature of all phases in motion; single bonds beside that
_LOG = ("density_m3", "transparency", "mean_free_path_nm")

SYSTEM_KEYS = (
    *(key for key in boxes.SYSTEM_KEYS if key.name in ("b2o3_to_sio2", "volume_fraction")),
    Key("diameter_nm", "float", "of the grains: that of the table", default=20.0, above=0),
    Key("grains", "int", "of each sample", default=150, least=8, most=10_000),
    Key("samples", "int", "packings", default=4, least=2, most=1000),
    Key("cutoff_nm", "float", "largest gap between coupled grains", default=40.0, above=0),
    Key("density_m3", "float", "carriers of the host, both spins", default=5e24, above=0),
    Key("mean_free_path_nm", "float", "in the host", default=13.0, above=0),
    Key("transparency", "float", "of the interface between grain and host", default=1.0, above=0, most=1),
    Key("delta_meV", "float", "gap of the grains at T = 0", default=2.7, above=0),
    Key("resistivity_ohm_cm", "float", "of the composite at room temperature", default=0.03, above=0),
    Key("other_resistivity_ohm_cm", "float", "of an earlier sample, beside; 0: none", default=5.0, least=0),
    Key("resistivity_ratio", "float", "rho at T_c of the grains over rho at room temperature", default=1.0, above=0),
    Key("seed", "int", "of packings, couplings, Monte Carlo and the scan", default=0, least=0),
)
COMPUTE_KEYS = (
    Key("table", "str", "file of a CouplingTable, below the folder of the job file; empty: the package's", default=""),
    Key("tolerance", "float", "of T_c2, relative", default=0.01, least=1e-3, most=0.2),
    Key("redrawings", "int", "of table and packings, for the error of T_c2; 0: none", default=8, least=0, most=1000),
    *RESISTANCE_KEYS,
    Key("scan_points", "int", "of the unknowns at most; 0: no scan", default=64, least=0, most=4096),
    Key("scan_tolerance", "float", "wanted error of the mean T_c2 over the ranges", default=0.05, above=0, most=1),
    Key("scan_volume_fraction", "vector", "range of the scan", default=[0.06, 0.16], lengths=(2,), above=0, most=0.3),
    Key("scan_density_m3", "vector", "range of the scan", default=[5e24, 1e26], lengths=(2,), above=0),
    Key("scan_transparency", "vector", "range of the scan", default=[0.3, 1.0], lengths=(2,), above=0, most=1),
    Key("scan_mean_free_path_nm", "vector", "range of the scan", default=[4.0, 13.0], lengths=(2,), above=0),
    Key("scan_delta_meV", "vector", "range of the scan", default=[2.3, 2.8], lengths=(2,), above=0),
)


@dataclass(frozen=True)
class Tables:
    """The kind for job files at one place, whose table lies there."""

    place: Place = Place()

    def check(self, parameters: Parameters) -> Sequence[tuple[str, str, str]]:
        """Return the rules between keys that are broken."""
        return check(parameters, self.place)

    def identified(self, parameters: Parameters) -> tuple[Parameters, Sequence[tuple[str, str, str]]]:
        """Return the parameters with the checksum of a table of one's own: another file of that name is another job."""
        name = parameters["compute"]["table"]
        if not name:
            return parameters, []
        checksum = hashlib.sha256((self.place.folder / name).read_bytes()).hexdigest()[:24]
        return {**parameters, "compute": {**parameters["compute"], "table_checksum": checksum}}, []

    def compute(self, parameters: Parameters, device: str) -> Outcome:
        """Return what the whole chain yields of one point."""
        return compute(parameters, device, self.place)


def table_of(parameters: Parameters, place: Place) -> CouplingTable:
    """Return the table that couplings are drawn from."""
    name = parameters["compute"]["table"]
    return CouplingTable.load(place.folder / name if name else None)


def check(parameters: Parameters, place: Place) -> Sequence[tuple[str, str, str]]:
    """Return the rules between keys that are broken."""
    system, compute = parameters["system"], parameters["compute"]
    found = []
    if system["b2o3_to_sio2"] is not None and system["volume_fraction"] is not None:
        found.append(("system", "volume_fraction", "give either b2o3_to_sio2 or volume_fraction, not both"))
    name = compute["table"]
    if name and (rule := place.file_rule("compute.table", name)):
        return [*found, ("compute", "table", rule)]
    try:
        table = table_of(parameters, place)
    except (OSError, ValueError, ResultFileError) as error:
        return [*found, ("compute", "table", str(error))]
    if system["diameter_nm"] != table.diameter_nm:
        found.append(("system", "diameter_nm", f"must be that of the table, {table.diameter_nm:g}"))
    for name in UNKNOWNS:
        low, high = compute[f"scan_{name}"]
        if compute["scan_points"] and not low < high:
            found.append(("compute", f"scan_{name}", f"must be [low, high] with low < high; got {[low, high]}"))
    if 0 < compute["scan_points"] < 8:
        found.append(("compute", "scan_points", "must be 0 or at least 8"))
    try:
        table.coupling(table.gap_nm[0], table.temperature_K[0], extrapolate=True, **_host(system))
    except ValueError as error:
        found.append(("system", "density_m3", str(error)))
    return found


def _host(system: Mapping[str, Any]) -> dict[str, float]:
    return {name: system[name] for name in ("density_m3", "transparency", "mean_free_path_nm")}


def networks_of(
    system: Mapping[str, Any], table: CouplingTable, seed: int, samples: int | None = None
) -> CompositeNetworks:
    """Return the networks of a composite whose couplings come from a table."""
    return CompositeNetworks.of_grains(
        ScaledTable(table, system["delta_meV"]),
        volume_fraction=boxes.volume_fraction_of(system),
        diameter_nm=system["diameter_nm"],
        grains=system["grains"],
        samples=samples or system["samples"],
        cutoff_nm=system["cutoff_nm"],
        seed=seed,
        extrapolate=True,
        **_host(system),
    )


def locked(networks: CompositeNetworks, critical_K: float, tol: float, seed: int) -> LockingTemperature:
    """Return where the phases lock."""
    between = BETWEEN[0], BETWEEN[1] * critical_K
    return locking_temperature(networks.at, tol=tol, between=between, seed=seed)


def of_short_junctions(system: Mapping[str, Any], critical_K: float, resistivity_ohm_cm: float) -> float:
    """Return T_c2 in kelvin as a resistivity at room temperature would have it."""
    return short_junction_locking(
        resistivity_ohm_cm * system["resistivity_ratio"],
        system["delta_meV"],
        boxes.volume_fraction_of(system),
        system["diameter_nm"],
        critical_temperature_K=critical_K,
    )


def compute(parameters: Parameters, device: str, place: Place) -> Outcome:
    """Return T_c2 of both routes, lambda(T), the error of redrawing, and the scan of the unknowns."""
    del device  # spins of some hundred grains: nothing for a GPU to win
    system, wanted = parameters["system"], parameters["compute"]
    table, seed = table_of(parameters, place), system["seed"]
    critical = table.critical_temperature_K
    networks = networks_of(system, table, seed)
    found = locked(networks, critical, wanted["tolerance"], seed)
    again = [
        locked(networks_of(system, table.resampled(number), number, 2), critical, COARSE, number).temperature
        for number in range(seed + 1000, seed + 1000 + wanted["redrawings"])
    ]
    temperatures = found.temperature * np.array(FRACTIONS)
    stiffness = np.array([networks.stiffness(float(t), seed=seed) for t in temperatures]).reshape(-1, 3)
    spacing = networks.spacing_nm
    lengths = np.array([penetration_depth_um(value, spacing) for value in stiffness[:, 0]])
    rest = [penetration_depth_um(value, spacing) for value in stiffness[:, 2]]
    observables = {
        "volume_fraction": Observable(boxes.volume_fraction_of(system), "1", "of the grains"),
        "spacing_nm": Observable(spacing, "nm", "mean distance of the grains, n^(-1/3)"),
        "locking_K": Observable(found.temperature, "K", "T_c2 from BdG couplings"),
        "locking_error_K": Observable(found.error, "K", "standard error of Monte Carlo and samples"),
        "redrawn_K": Observable(np.array(again), "K", "T_c2 with entries of the table and packings drawn anew (R,)"),
        "short_junctions_K": Observable(
            of_short_junctions(system, critical, system["resistivity_ohm_cm"]), "K", "T_c2 from the resistivity, AB"
        ),
        "lambda_temperatures_K": Observable(temperatures, "K", "temperatures of lambda (T,)"),
        "stiffness_K": Observable(stiffness[:, 0], "K", "Y a with thermal phase fluctuations (T,)"),
        "stiffness_error_K": Observable(stiffness[:, 1], "K", "its standard error (T,)"),
        "lambda_um": Observable(lengths, "um", "penetration depth (T,)"),
        "lambda_error_um": Observable(lengths * stiffness[:, 1] / (2 * stiffness[:, 0]), "um", "its error (T,)"),
        "lambda_relaxed_um": Observable(np.array(rest), "um", "without thermal fluctuations of the phases (T,)"),
        "share_of_long_bonds": Observable(
            networks.share_of_long_bonds(found.temperature, float(table.gap_nm.max())),
            "1",
            "of the stiffness at T_c2: from gaps beyond those of the table",
        ),
    }
    observables |= _electrical(system, wanted, networks, found.temperature, critical)
    if wanted["scan_points"]:
        observables |= _scanned(system, wanted, table, seed)
    return observables, {"locking_temperature": dict(found.evidence)}


def _electrical(
    system: Mapping[str, Any],
    wanted: Mapping[str, Any],
    networks: CompositeNetworks,
    locking_K: float,
    critical_K: float,
) -> dict[str, Observable]:
    """Return what charging allows at both resistivities, and R(T) of both routes."""
    found: dict[str, Observable] = {}
    resistivities = {"": system["resistivity_ohm_cm"], "other_": system["other_resistivity_ohm_cm"]}
    for prefix, resistivity in resistivities.items():
        if resistivity:
            hosts = resistive(networks, resistivity * system["resistivity_ratio"])
            found |= charged(hosts, system["diameter_nm"], prefix)
    if "other_charging_g" in found:
        value = of_short_junctions(system, critical_K, resistivities["other_"])
        found["other_short_junctions_K"] = Observable(value, "K", "T_c2 from the other resistivity, AB")
    if wanted["resistance_points"] and found["charging_coherent"].value:
        hosts = resistive(networks, resistivities[""] * system["resistivity_ratio"])
        found |= second_steps(networks, hosts, system, wanted, locking_K, critical_K)
    return found


def _scanned(
    system: Mapping[str, Any], wanted: Mapping[str, Any], table: CouplingTable, seed: int
) -> dict[str, Observable]:
    ranges = {name: (*wanted[f"scan_{name}"], "log" if name in _LOG else "linear") for name in UNKNOWNS}

    def temperature(**unknowns: float) -> float:
        smaller = {"grains": min(system["grains"], SCANNED_GRAINS), "b2o3_to_sio2": None}
        changed = {**system, **smaller, **unknowns}
        return locked(networks_of(changed, table, seed, 2), table.critical_temperature_K, COARSE, seed).temperature

    scan: UnknownScan = scan_unknowns(
        temperature, ranges, tol=wanted["scan_tolerance"], most=wanted["scan_points"], seed=seed
    )
    return {
        "scan_points": Observable(scan.points, "1", f"values of {', '.join(UNKNOWNS)} (N, 5)"),
        "scan_locking_K": Observable(scan.values, "K", "T_c2 there (N,)"),
        "scan_mean_K": Observable(np.array([scan.mean, scan.error]), "K", "mean T_c2 over the ranges, and its error"),
        "scan_quantiles_K": Observable(scan.quantiles, "K", "16, 50, 84 % of T_c2 over the ranges"),
        "scan_sensitivity": Observable(scan.sensitivity, "1", "share of the variance that each unknown explains (5,)"),
    }


def summarise(results: JobResults) -> str:
    """Return T_c2 of both routes, lambda, and what the unknowns do."""
    lines = [f"{results.name}: from glass to T_c2, lambda and R(T), {len(results)} composites"]
    for point in results:
        values = point.observables
        lines += [f"{point.label}, volume fraction {float(values['volume_fraction']):.3f}:"]
        redrawn = values["redrawn_K"]
        spread = f", redrawn {redrawn.mean():.2f} +- {redrawn.std(ddof=1):.2f}" if redrawn.size > 1 else ""
        lines += [
            f"  T_c2 from BdG couplings     {float(values['locking_K']):6.2f} +- "
            f"{float(values['locking_error_K']):.2f} K{spread}",
            f"  T_c2 from the resistivity   {float(values['short_junctions_K']):6.2f} K (short junctions, AB)",
            f"  lambda at {FRACTIONS[0]:g} T_c2          {values['lambda_um'][0]:6.2f} um",
        ]
        lines += resistive_lines(values, point.parameters["system"])
        if "scan_mean_K" in values:
            mean, error = values["scan_mean_K"]
            low, middle, high = values["scan_quantiles_K"]
            lines += [
                f"  over all unknowns           {mean:6.2f} +- {error:.2f} K on average, median {middle:.2f}, "
                f"16 to 84 %: {low:.2f} to {high:.2f} K ({len(values['scan_locking_K'])} points)",
                "  which unknown matters       "
                + ", ".join(f"{n} {s:.2f}" for n, s in zip(UNKNOWNS, values["scan_sensitivity"], strict=True)),
            ]
    return "\n".join(lines)


def counted(parameters: Parameters) -> list[CountedStep]:
    """Return what a point takes: Monte Carlo of bonds within the cut-off, and the steps of R(T)."""
    system, wanted = parameters["system"], parameters["compute"]
    reach = 2 * (system["cutoff_nm"] / system["diameter_nm"] + 1)  # in radii, and 4 pi/3 of them hold phi of a grain
    bonds = 0.5 * system["grains"] * boxes.volume_fraction_of(system) * reach**3
    fine = max(1.0, COARSE / wanted["tolerance"]) ** 0.5  # the scatter of samples ends it soon
    coarse = wanted["redrawings"] + wanted["scan_points"] * min(1.0, SCANNED_GRAINS / system["grains"])
    found = [
        CountedStep("locking_temperature", "monte_carlo", _LOCKING_S * fine * bonds, f"to {wanted['tolerance']:g}"),
        CountedStep("stiffness", "monte_carlo", _STIFFNESS_S * system["samples"] * len(FRACTIONS) * bonds, "lambda(T)"),
        CountedStep(
            "redrawings and scan",
            "monte_carlo",
            _LOCKING_S * coarse * bonds,
            f"{wanted['redrawings']} and at most {wanted['scan_points']} locking temperatures to {COARSE:g}",
        ),
    ]
    moving = wanted["resistance_method"] == "langevin"
    runs = 2 * wanted["resistance_points"] * (1.0 if moving else _ACTIVATED) * bonds
    return [*found, CountedStep("R(T)", wanted["resistance_method"], _MOVING_S * runs, "both routes")]


def located(place: Place) -> Kind:
    """Return the kind for a job file that lies there."""
    tables = Tables(place)
    return Kind(
        name="chain",
        doc="a composite from its glass to T_c2, lambda(T) and R(T), with what nobody measured scanned",
        schema={"system": SYSTEM_KEYS, "compute": COMPUTE_KEYS, "output": OUTPUT_KEYS},
        compute=tables.compute,
        summarise=summarise,
        plot=plot,
        check=tables.check,
        counted=counted,
        located=located,
        identified=tables.identified,
    )


KIND = located(Place())
