r"""The mean voltage of an array that is not at rest, by averages that converge faster than any power of the time.

.. math:: \langle V \rangle = \frac{\int w(x)\, V\, dt}{\int w(x)\, dt}, \qquad w(x) = e^{-1/x(1 - x)}, \quad
          0 < x = (t - t_0)/(t_1 - t_0) < 1 .

The weight and all of its derivatives vanish at both ends, so that periodic and quasi-periodic motion average out within
some ten periods to 1e-4 and then at once (S. Das, Y. Saiki, E. Sander, J. A. Yorke, Nonlinearity 30, 4111 (2017));
nothing need be known of periods. Where they do not within `ENOUGH_TURNS`, the motion has no period, and errors fall as
the root of the time whatever the weight: then copies that start a little apart move on together, and their scatter is
the error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bdg.granular.dynamics.phase_flow import PhaseFlow, Track
from bdg.granular.dynamics.static_states import StaticStates

TURNS = 20  # of a resistor instead of the array in the first run
SETTLING = 1 / 3  # of a run, not counted
FEWEST_TURNS = 4  # that a mean is believed from
MANY_TURNS = 60  # from which a quarter of them is enough for periodic motion
ENOUGH_TURNS = 250  # from which motion that has not averaged out counts as motion without a period
COPIES, APART, SPAN = 48, 0.1, 60  # of such motion: how many, rad at first, turns before they are judged
MOST_STEPS, MOST_COPIED = 100_000, 60_000  # of one array, and of copies


@dataclass(frozen=True, eq=False)
class MeanVoltage:
    """Mean voltages of K currents.

    Attributes
    ----------
    voltage, error : arrays (K,)
        In the unit of current over conductance; the error is how far means over halves of the time lie away,
        the scatter of those over quarters, or twice the standard error over copies.
    critical_current : float
        The largest current of the state without slips that current 0 leads to; at most the largest current asked for.
    steps : int
    """

    voltage: np.ndarray
    error: np.ndarray
    critical_current: float
    steps: int


def mean_voltage(flow: PhaseFlow, currents: np.ndarray, tol: float) -> MeanVoltage:
    """Return mean voltages at ascending currents > 0 (K,), to a relative ``tol`` where `MOST_STEPS` suffice."""
    voltage, error = np.zeros(currents.size), np.zeros(currents.size)
    rest = StaticStates(flow)
    state, critical = rest.follow(currents)
    voltage[currents <= critical] = rest.resistance * currents[currents <= critical]
    active = np.flatnonzero(currents > critical)
    phases = np.repeat(state[:, None], active.size, axis=1)
    time = np.zeros(active.size)
    until = TURNS * 2 * np.pi / (flow.resistance * currents[active])
    tracks: list[Track] = []
    steps, restless = 0, list[tuple[np.ndarray, np.ndarray]]()
    while active.size and steps < MOST_STEPS:
        phases, time, track = flow.advance(phases, currents[active], time, until, MOST_STEPS - steps)
        steps += track.steps
        tracks.append(track)
        voltage[active], error[active], turns = _mean(_joined(tracks), time)
        done = (error[active] <= tol * voltage[active]) & (turns >= FEWEST_TURNS)
        for column in np.flatnonzero(~done):
            current = float(currents[active[column]])
            if rest.near(phases[:, column], current) is not None:
                voltage[active[column]], error[active[column]], done[column] = rest.resistance * current, 0.0, True
        moving = ~done & (turns >= ENOUGH_TURNS)
        restless.append((active[moving], phases[:, moving]))
        left = ~done & ~moving
        phases, time, until, active = phases[:, left], time[left], 2 * until[left], active[left]
        tracks = [Track(t.time[:, left], t.phase[:, left], t.velocity[:, left], t.steps) for t in tracks]
    for chosen, states in restless:
        if chosen.size:
            means = _mean_of_copies(flow, currents[chosen], states, voltage[chosen], tol)
            voltage[chosen], error[chosen] = means[:2]
            steps += means[2]
    return MeanVoltage(voltage, error, critical, steps)


def _mean_of_copies(
    flow: PhaseFlow, currents: np.ndarray, phases: np.ndarray, about: np.ndarray, tol: float
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return means over copies of each column (K,), twice their standard errors, and the steps."""
    voltage, error, steps = about.copy(), np.full(about.size, np.inf), 0
    active = np.arange(about.size)
    random = np.random.default_rng(0)
    copied = np.repeat(phases, COPIES, axis=1)
    copied = copied + APART * random.standard_normal(copied.shape)
    span = np.repeat(SPAN * 2 * np.pi / about, COPIES)
    drive, time = np.repeat(currents, COPIES), np.zeros(span.size)
    copied, time, _ = flow.advance(copied, drive, time, span, MOST_COPIED, tracked=False)  # they part
    begun, since = copied[flow.source], time
    until = 2 * span
    while active.size and steps < MOST_COPIED:
        copied, time, track = flow.advance(copied, drive, time, until, MOST_COPIED - steps, tracked=False)
        steps += track.steps
        means = ((copied[flow.source] - begun) / (time - since)).reshape(-1, COPIES)
        voltage[active], error[active] = means.mean(axis=1), 2 * means.std(axis=1, ddof=1) / np.sqrt(COPIES)
        left = error[active] > tol * voltage[active]
        kept = np.repeat(left, COPIES)
        growth = np.clip(1.2 * (error[active] / (tol * voltage[active])) ** 2, 1.2, 4.0)
        until = (since + np.repeat(growth, COPIES) * (until - since))[kept]
        copied, drive, time, begun, since = copied[:, kept], drive[kept], time[kept], begun[kept], since[kept]
        active = active[left]
    return voltage, error, steps


def _joined(tracks: list[Track]) -> Track:
    return Track(
        np.concatenate([t.time for t in tracks]),
        np.concatenate([t.phase for t in tracks]),
        np.concatenate([t.velocity for t in tracks]),
        sum(t.steps for t in tracks),
    )


def _mean(track: Track, until: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return means, errors and turns of the phase of each column (K,)."""
    start = SETTLING * until
    whole = weighted_mean(track, start, until)
    counted = track.time >= start
    first = np.take_along_axis(track.phase, np.argmax(counted, axis=0)[None], axis=0)[0]
    turns = (track.phase[-1] - first) / (2 * np.pi)
    error = abs(_means_of_parts(track, start, until, 2) - whole).max(axis=0)
    error = np.maximum(error, np.where(turns < FEWEST_TURNS, 4 * np.pi / (until - start), 0.0))  # turns not seen
    if (turns >= MANY_TURNS).any():  # motion without a period shows by the scatter
        scatter = _means_of_parts(track, start, until, 4).std(axis=0, ddof=1)
        error = np.where(turns >= MANY_TURNS, np.maximum(error, scatter), error)
    return whole, error, turns


def _means_of_parts(track: Track, start: np.ndarray, end: np.ndarray, count: int) -> np.ndarray:
    edges = start + (end - start) * np.linspace(0, 1, count + 1)[:, None]
    return np.array([weighted_mean(track, *edges[part : part + 2]) for part in range(count)])


def weighted_mean(track: Track, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return the weighted mean velocity of each column between two times (K,): Simpson's rule on Hermite's cubics."""
    length = np.diff(track.time, axis=0)
    change = np.diff(track.phase, axis=0)
    before, after = track.velocity[:-1], track.velocity[1:]
    slope = change / np.where(length > 0, length, 1.0)
    between = 1.5 * slope - 0.25 * (before + after)
    at = _weight((track.time - start) / (end - start))
    halfway = _weight((track.time[:-1] + 0.5 * length - start) / (end - start))
    total = (length * (at[:-1] * before + 4 * halfway * between + at[1:] * after)).sum(axis=0)
    norm = (length * (at[:-1] + 4 * halfway + at[1:])).sum(axis=0)
    return total / np.where(norm > 0, norm, 1.0)


def _weight(x: np.ndarray) -> np.ndarray:
    inside = (x > 0) & (x < 1)
    safe = np.where(inside, x, 0.5)
    return np.where(inside, np.exp(-1 / (safe * (1 - safe))), 0.0)
