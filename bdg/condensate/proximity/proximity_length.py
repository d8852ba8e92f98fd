r"""The proximity length: how the pair amplitude falls with the distance from the nearest superconductor.

.. math:: |F|(x) = A \, e^{-x/\xi} \, g(x), \qquad A \, e^{-(x/\xi)^\beta} g(x), \qquad A \, x^{-p} g(x)

with ``g = 1`` (flat) or ``g = (R/(R + x))^{(d-1)/2}`` (spherical, R the radius of the nearest grain, d dimensions).
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.base.arguments import (
    require_choice,
    require_seed,
    require_sites,
    require_system,
    require_temperature,
    window_ends,
)
from bdg.base.results import Choice, Evidence, Result, quantity
from bdg.condensate.pair_amplitude import PairAmplitude
from bdg.condensate.proximity.decay import (
    MODELS,
    SIGNIFICANCE,
    Bins,
    Fit,
    bin_by_distance,
    bins_to_fit,
    choose,
    criteria_of,
    curve,
    fit_decay,
    why_model,
)
from bdg.condensate.proximity.host_sites import HostSites, host_sites, spacing_of
from bdg.condensate.proximity.kinetics import expected_lengths
from bdg.gpu.device.backend import select_backend
from bdg.gpu.device.threads import threaded
from bdg.lattices.arguments import positive_number
from bdg.lattices.system import System

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GEOMETRIES = ("flat", "spherical")


@dataclass(frozen=True, eq=False)
class Profile:
    """Mean |F| in bins of the distance to the nearest superconductor.

    Attributes
    ----------
    distance, amplitude, standard_error : arrays (B,)
        Mean distance of the sites of each bin, mean of F along the phase of the nearest superconductor, and the
        standard error of that mean over sites (nan for a single site).
    count : array (B,) of int
        Sites in each bin.
    spreading : array (B,)
        Mean factor g(x) of the geometry that was fitted.
    fitted : array (B,)
        The fit, nan outside its window.
    """

    distance: np.ndarray = quantity("mean distance of the sites of each bin (B,)", "length of the system")
    amplitude: np.ndarray = quantity("|F| of each bin: mean of F along the phase of the nearest superconductor (B,)")
    standard_error: np.ndarray = quantity("standard error of that mean over sites (B,), nan for one site")
    count: np.ndarray = quantity("sites in each bin (B,)")
    spreading: np.ndarray = quantity("mean factor g(x) of each bin in the geometry of the fit (B,)")
    fitted: np.ndarray = quantity("the fitted |F| (B,), nan outside the fit window")


@dataclass(frozen=True, eq=False, kw_only=True)
class ProximityLength(Result):
    """Length over which |F| falls in the host, with its uncertainty and what theory expects.

    Lengths are in the unit of the positions.

    Attributes
    ----------
    length, uncertainty : float
        xi and its standard error from the fit; nan if fewer than three bins could be fitted.
    model : str
        "exponential", "stretched" or "power_law"; ``exponent`` is beta, p, or 1.
    geometry : str
        "flat" or "spherical".
    resolved : bool
        False if the length exceeds half the largest distance or is below the spacing (the evidence says which).
    window : (float, float)
        First and last distance that was fitted.
    largest_distance, spacing, temperature : float
    theory : dict
        "clean", "diffusive", "kinetic"; nan where the host has no simple band or the temperature is unknown.
    candidates : list of dict
        Every model that was fitted, with its length and QAICc.
    profile : Profile
    """

    length: float = quantity("fitted length xi", "length of the system")
    uncertainty: float = quantity("standard error of xi from the fit", "length of the system")
    model: str = quantity("exponential, stretched or power_law")
    geometry: str = quantity("flat or spherical")
    resolved: bool = quantity("False if xi > largest distance / 2, xi < spacing, or no length could be fitted")
    exponent: float = quantity("beta of the stretched exponential, p of the power law, else 1")
    window: tuple[float, float] = quantity("distances that were fitted", "length of the system")
    largest_distance: float = quantity("largest distance of a host site to a superconductor", "length of the system")
    spacing: float = quantity("distance of neighbouring sites", "length of the system")
    temperature: float = quantity("k_B T, nan if unknown", "hopping")
    theory: dict[str, float] = quantity("clean, diffusive and kinetic length, nan where unknown", "length")
    candidates: list[dict[str, Any]] = quantity("every fitted model with its AICc and length")
    profile: Profile = field(metadata={"description": "mean |F| against distance"})

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of the profile with standard errors and the fit."""
        from bdg.plots.decay import plot_decay

        shown = self.profile
        fitted = shown.fitted if math.isfinite(self.length) else np.full(shown.fitted.shape, np.nan)
        curves = shown.distance, shown.amplitude, shown.standard_error, fitted
        return plot_decay(*curves, self._words(), ax, length_unit=self.length_unit)

    def _words(self) -> str:
        """Return what was fitted and found, for a figure."""
        start = f"{self.model.replace('_', ' ')}, {self.geometry}: "
        if math.isinf(self.length) or not self.profile.amplitude.any():
            return start + ("no decay" if math.isinf(self.length) else "normal, F = 0")
        length = " ".join(filter(None, [f"{self.length:.3g} ± {self.uncertainty:.1g}", self.length_unit]))
        return start + length + ("" if self.resolved else " (not resolved)")


@threaded
def proximity_length(
    system: System,
    amplitude: PairAmplitude | Any,
    *,
    temperature: float | None = None,
    mean_free_path: float | None = None,
    model: str = "auto",
    window: tuple[float, float] | None = None,
    bin_width: float | None = None,
    geometry: str = "auto",
    device: str = "auto",
    threads: int | str = "auto",
    seed: int | None = None,
    progress: bool = False,
) -> ProximityLength:
    r"""Return the length over which |F| falls with the distance to the nearest superconducting site.

    .. math:: |F|(x) = A \, e^{-x/\xi} \, g(x), \qquad A \, e^{-(x/\xi)^\beta} g(x), \qquad A \, x^{-p} g(x)

    with ``g = 1`` (flat) or ``g = (R/(R + x))^{(d-1)/2}`` (spherical, R the radius of the nearest grain, d dimensions).

    Host sites are binned by that distance (periodic axes respected). A bin's |F| is the mean of F over its sites, taken
    along the phase of the pairing on the nearest superconducting site: unlike a mean of |F| it is not floored by the
    sample-specific fluctuations of F, whose sign is random, and it is what kinetic theory describes. (An array of real
    numbers >= 0 is taken as |F| itself.) The logarithms of the bins' means are fitted by weighted least squares. Errors
    are the standard errors over sites and 1 % that no model explains; models are compared by Akaike's criterion with
    small-sample and dispersion corrections (QAICc).

    Parameters
    ----------
    system : System
        Superconducting sites are those of the grains.
    amplitude : PairAmplitude, or array (N,)
        A result carries its sites and its temperature; an array holds F of every site.
    temperature : float, optional
        k_B T in the unit of the hopping, for the comparison with theory; default: that of ``amplitude``.
    mean_free_path : float, optional
        Of the host, in the unit of the positions; default: golden rule from the onsite disorder of the host.
    model : {"auto", "exponential", "stretched", "power_law"}
        "auto" takes the lowest AICc; among models within 2 of it the one with fewest parameters, exponential first.
    window : (low, high), optional
        Distances to fit, in the unit of the positions. Default: from 1.5 spacings outwards (one spacing outside the
        surface, which lies half a spacing beyond the last superconducting site) while the bins' mean exceeds four
        standard errors and four times the stated error of the amplitude.
    bin_width : float, optional
        In the unit of the positions. Default: one spacing.
    geometry : {"auto", "flat", "spherical"}
        Spreading around the superconductor. "auto" compares both where the grains are compact, else takes "flat".
    device, threads, seed, progress
        Without influence; accepted for uniformity.

    Returns
    -------
    ProximityLength
        Lengths in the unit of the positions. ``resolved`` is False where the length exceeds half the largest distance
        of a host site or is below the spacing, for a power law (which has no length; its local decay length at the
        middle of the window is given), and where fewer than three bins can be fitted.

    Raises
    ------
    TypeError, ValueError
        If the system has no superconductor or no host, the amplitude has another shape, or an argument is unknown or
        out of range.

    References
    ----------
    Theory: K. D. Usadel, Phys. Rev. Lett. 25, 507 (1970) (diffusive); G. Eilenberger, Z. Phys. 214, 195 (1968)
    (kinetic). QAICc: K. P. Burnham and D. R. Anderson, Model Selection and Multimodel Inference (2002), chapter 2.

    Examples
    --------
    >>> import bdg
    >>> from bdg.lattices import Layer, stack
    >>> wire = stack([Layer(40, delta=0.3), Layer(120)])
    >>> amplitude = bdg.pair_amplitude(wire, temperature=0.03)
    >>> length = bdg.proximity_length(wire, amplitude)
    >>> print(round(length.length, 1), length.resolved, round(length.theory["clean"], 1))  # v_F/(2 pi T)
    10.3 True 10.6
    """
    start = time.perf_counter()
    require_system(system)
    require_seed(seed)
    require_choice("model", model, ("auto", *MODELS))
    require_choice("geometry", geometry, ("auto", *GEOMETRIES))
    sites, values, temperature = _amplitude(system, amplitude, temperature)
    if mean_free_path is not None:
        mean_free_path = positive_number("mean_free_path", mean_free_path, "unit of the positions", infinite=True)
    limits = None if window is None else _window(window)
    floor = SIGNIFICANCE * amplitude.error if isinstance(amplitude, PairAmplitude) else 0.0
    spacing = spacing_of(system)
    width = spacing if bin_width is None else positive_number("bin_width", bin_width, "unit of the positions")
    measured = host_sites(system, sites, values, spacing)
    shapes = (geometry,) if geometry != "auto" else GEOMETRIES if measured.compact else ("flat",)
    bins = {
        shape: bin_by_distance(measured.distance, measured.amplitude, measured.spreading[shape], width)
        for shape in shapes
    }
    chosen = {shape: bins_to_fit(bins[shape], limits, spacing, floor) for shape in shapes}
    names = MODELS if model == "auto" else (model,)
    attempts = [fit_decay(bins[shape], name, shape, chosen[shape]) for shape in shapes for name in names]
    fits = [fit for fit in attempts if fit is not None]
    criteria = criteria_of(fits)
    best = choose(fits, criteria)

    shape = best.geometry if best else shapes[0]
    fitted = bins[shape].distance[chosen[shape]]
    resolved, note = _resolved(best, measured, spacing, fitted.size)
    theory, why_theory = expected_lengths(system, temperature, mean_free_path)
    why = f"model: {why_model(best, fits, model)}; geometry: {measured.why}; theory: {why_theory}"
    evidence = Evidence.of(
        Choice("binned weighted least squares", why, select_backend("cpu")),
        dtype=measured.amplitude.dtype,
        start=start,
        resolution=note,
        bins_fitted=fitted.size,
        sites=int(measured.distance.size),
    )
    return ProximityLength(
        length=best.length if best else math.nan,
        uncertainty=best.uncertainty if best else math.nan,
        model=best.model if best else names[0],
        geometry=shape,
        resolved=resolved,
        exponent=best.exponent if best else math.nan,
        window=(float(fitted.min()), float(fitted.max())) if fitted.size else (math.nan, math.nan),
        largest_distance=measured.largest,
        spacing=spacing,
        temperature=math.nan if temperature is None else temperature,
        theory=theory,
        candidates=_candidates(fits, criteria),
        profile=_profile(bins[shape], best, chosen[shape]),
        evidence=evidence,
        units=system.units,
    )


def _candidates(fits: list[Fit], criteria: list[float]) -> list[dict[str, Any]]:
    return [
        {"model": fit.model, "geometry": fit.geometry, "length": fit.length, "aicc": value}
        for fit, value in zip(fits, criteria, strict=True)
    ]


def _profile(bins: Bins, best: Fit | None, chosen: np.ndarray) -> Profile:
    return Profile(
        distance=bins.distance,
        amplitude=bins.amplitude,
        standard_error=bins.standard_error,
        count=bins.count,
        spreading=bins.spreading,
        fitted=np.where(chosen, curve(best, bins), np.nan),
    )


def _resolved(best: Fit | None, measured: HostSites, spacing: float, n_bins: int) -> tuple[bool, str]:
    largest = measured.largest
    if not measured.amplitude.any():
        return False, "not resolved: F = 0 on every host site: Delta = 0, all is normal"
    if best is None:
        return False, f"not resolved: only {n_bins} bins can be fitted"
    if best.model == "power_law":
        return False, "not resolved: a power law has no length (given: its local decay length mid-window)"
    if best.length > largest / 2:
        return False, f"not resolved: the length {best.length:.3g} exceeds half the largest distance {largest:.3g}"
    if best.length < spacing:
        return False, f"not resolved: the length {best.length:.3g} is below the spacing {spacing:.3g}"
    return True, "resolved"


def _amplitude(system: System, amplitude: Any, temperature: Any) -> tuple[np.ndarray, np.ndarray, float | None]:
    if isinstance(amplitude, PairAmplitude):
        sites, values = require_sites(amplitude.sites, system.n_sites), amplitude.values
        temperature = amplitude.temperature if temperature is None else temperature
    else:
        values = np.asarray(amplitude)
        sites = np.arange(system.n_sites)
        if values.shape != (system.n_sites,) or values.dtype.kind not in "iufc":
            raise ValueError(
                f"amplitude must be a pair_amplitude result or an array ({system.n_sites},) of F on every site; got "
                f"{type(amplitude).__name__} of shape {values.shape}"
            )
    if not np.isfinite(values).all():
        raise ValueError("amplitude must be finite; got NaN or infinity")
    return sites, values, None if temperature is None else require_temperature(temperature)


def _window(window: Any) -> tuple[float, float]:
    low, high = window_ends(window, "(low, high) of distances")
    if not (math.isfinite(low) and math.isfinite(high) and 0 <= low < high):
        raise ValueError(f"window must be a pair of distances with 0 <= low < high; got {window!r}")
    return low, high
