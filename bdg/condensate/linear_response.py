r"""The kernel of the linearised gap equation of a large system, applied to vectors: the response to a tiny Delta.

The largest eigenvalue is approached from below by Ritz values. What bounds it from above:

- with time reversal (h real; norbs = 2: ``h = sigma_y h* sigma_y``) no element of ``chi_ij ~ sum_w |G_ij(iw)|^2`` is
  negative, so any x > 0 gives ``lambda <= max_i (K x)_i/x_i`` (Collatz and Wielandt). ``(1 - K) x = b > 0`` has such an
  x if and only if every eigenvalue is below one, however weakly the parts touch;
- without, a Ritz value of random vectors orthogonal to the leading ones: after k steps from a random start among n
  dimensions the largest eigenvalue d exceeds the Ritz value by more than eta d with a probability of at most
  ``1.648 sqrt(n) exp(-sqrt(eta) (2k - 1))`` (J. Kuczynski, H. Wozniakowski, SIAM J. Matrix Anal. Appl. 13, 1094,
  1992).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.results import Choice
from bdg.condensate.amplitude_choice import SMALL_AMPLITUDE
from bdg.condensate.largest_root import Point
from bdg.condensate.pair_amplitude import amplitude_sums
from bdg.gpu.device.backend import Backend
from bdg.gpu.poles.tanh_poles import tanh_poles
from bdg.green.green_function import green_function
from bdg.lattices.nambu import spin_flip
from bdg.lattices.system import System

PROBE = 3e-4  # Delta of the linear response in units of T: its square is the relative error
AMPLITUDE_SHARE = 1e-3  # of tol: relative error of the pair amplitude
LOCAL_CURVATURE = 1.25  # C <= 1.25 max(U_i L_i): 1.2233 is the largest -K''_ab over (K_aa + K_bb)/2
MAX_STEPS = 40  # of Lanczos, and of the solve that gives a positive vector
LOOKED_FOR = 1e-5  # accuracy above which a temperature is one of the first: modes are still looked for
RANDOM_STEPS = 15, 30, 60, 120
RANDOM_TOL = 1e-6  # relative error of the pair amplitude in these
FAILURE = 1e-6  # probability that the bound from random vectors does not hold
LOCAL_ACCURACY = 1e-2  # of tanh(h/2T), for C
_KEPT = 2  # Ritz vectors that the next temperature begins with
_SHARE_EXPECTED = 0.5  # of the pair amplitude that the last response foretells
_SYMMETRIC = 1e-12  # relative to max|h|


def has_time_reversal(system: System) -> bool:
    """Return True if h is real (norbs = 1) or equals ``sigma_y h* sigma_y`` (norbs = 2)."""
    if system.norbs == 1:
        return system.hamiltonian.dtype.kind != "c"
    difference = abs(system.hamiltonian - spin_flip(system.hamiltonian.conj(), 2))
    scale = abs(system.hamiltonian).max() if system.hamiltonian.nnz else 0.0
    return bool(difference.nnz == 0 or difference.max() <= _SYMMETRIC * scale)


class ResponseKernel:
    """``U^(1/2) chi(T) U^(1/2)`` applied to vectors on the sites with attraction.

    Attributes
    ----------
    strongest : float
        max U.
    noise : float
        Error of eigenvalues that no number of steps removes.
    finest : float
        Accuracy of eigenvalues that is worth the steps.
    applications : int
    residual : float
        Of the last vector.
    """

    def __init__(self, system: System, method: str, tol: float, backend: Backend, rng: np.random.Generator) -> None:
        self._system, self._method, self._rng = system, method, rng
        self.choice = Choice(method, "", backend)
        self.active = np.flatnonzero(system.attraction > 0)
        self.weight = np.sqrt(system.attraction[self.active])
        self.strongest = float(system.attraction.max())
        self.positive = has_time_reversal(system)
        self.tol = max(AMPLITUDE_SHARE * tol, 1e-11)
        self.noise, self.finest = PROBE**2 + self.tol, 0.1 * tol
        self.dtype = np.dtype(float if self.positive or system.hamiltonian.dtype.kind != "c" else complex)
        self.applications, self.residual = 0, np.inf
        self._response = 0.0  # max|F| / max|Delta| of the last application
        self._local: dict[float, float] = {}
        # the first mode has no nodes where the kernel is positive
        self.start_from(np.ones(self.active.size))

    def start_from(self, *vectors: np.ndarray) -> None:
        """Begin the next temperature with these vectors, and a random one."""
        self._kept = [np.asarray(v).astype(self.dtype) for v in vectors]

    def __call__(self, vector: np.ndarray, temperature: float, tol: float = 0.0) -> np.ndarray:
        """Return the kernel times a vector."""
        delta = np.zeros(self._system.n_sites, dtype=self.dtype)
        delta[self.active] = self.weight * vector
        return self.weight * self._amplitude(delta, temperature, tol)

    def _amplitude(self, delta: np.ndarray, temperature: float, tol: float) -> np.ndarray:
        """Return the response on the sites with attraction to Delta of any size."""
        size = float(abs(delta).max()) / (PROBE * temperature)
        largest = PROBE * temperature
        amplitude = amplitude_sums(
            _SHARE_EXPECTED * self._response * largest if self._response else SMALL_AMPLITUDE,
            BdGHamiltonian(self._system.with_delta(delta / size)),
            temperature,
            self.active,
            self._method,
            max(self.tol, tol),
            self.choice.backend.device,
        )
        self.applications += 1
        self._response = amplitude.largest / largest
        self.choice = replace(amplitude.choice, backend=self.choice.backend)
        response = amplitude.values * size
        return response.real if self.dtype.kind != "c" else response

    def curvature(self, low: float, high: float) -> float:
        """Return C for all temperatures from ``low`` on: L_i falls with T."""
        known = [t for t in self._local if t <= low]
        if not known:
            self._local[low] = float((self.weight**2 * self._local_response(low)).max())
            known = [low]
        return LOCAL_CURVATURE * self._local[max(known)]

    def _local_response(self, temperature: float) -> np.ndarray:
        """Return at least ``L_i = [tanh(h/2T)/2h]_ii`` on the sites with attraction, from few poles."""
        bound = float(abs(self._system.hamiltonian).sum(axis=1).max())
        if not bound > 0:
            return np.full(self.active.size, 0.25 / temperature)
        poles = tanh_poles(bound, temperature, LOCAL_ACCURACY)
        x = np.concatenate([[1e-6 * temperature], np.geomspace(1e-3 * temperature, max(bound, temperature), 2000)])
        # the fit may lie below tanh: by so much at most
        margin = float((np.tanh(x / (2 * temperature)) / poles.tanh(x)).max())
        green = green_function(self._system.with_delta(0.0), 1j * poles.frequencies, device=self.choice.backend.device)
        spins = self._system.norbs
        normal = np.trace(green.values[:, self.active, :spins, :spins], axis1=2, axis2=3).imag / spins
        terms = (poles.weights / poles.frequencies) @ -normal
        return 0.5 * margin * (1 + 1e-6) * (poles.linear + terms)

    def largest(self, temperature: float, accuracy: float, bound: bool) -> Point:
        """Return value, error and vector of the largest eigenvalue that is found, and a bound of all of them."""
        accuracy = max(accuracy, self.finest)
        tol = float(np.clip(1e-3 * accuracy, self.tol, 1e-5))
        apply = lambda x: self(x, temperature, tol)  # noqa: E731
        for _ in range(3):
            # far from one the value itself need not be exact, least where the bound counts
            space = self._converged(apply, accuracy, 0.03 if bound else 1e-3, self._begin(accuracy, bound))
            value, error = space.value, space.error + PROBE**2 + tol
            self._kept, self.residual = space.leading(_KEPT), space.residual
            if not bound or value + error >= 1:
                return Point(value, error, np.inf, self._kept[0])
            if not self.positive:
                coarse = lambda x: self(x, temperature, RANDOM_TOL)  # noqa: E731
                return Point(value, error, self._random_bound(space, coarse), self._kept[0])
            upper, unstable = self._positive_bound(space, apply, tol)
            if unstable is None:
                break
            self._kept = [unstable, *self._kept]  # an eigenvalue above one that the Ritz vectors do not see
        return Point(value, error, upper, self._kept[0])

    def _begin(self, accuracy: float, bound: bool) -> int:
        """Return how many vectors to take in whatever the error: a mode hides where none of them has a part in it.

        Where the search goes on from a known mode, its value is all that is asked for; what it misses, the bound of
        the last temperature finds. A positive vector finds it without random ones.
        """
        coarse = accuracy > LOOKED_FOR and not bound
        return len(self._kept) + 1 if coarse or (bound and not self.positive) else 1

    def _converged(
        self, apply: Callable[[np.ndarray], np.ndarray], accuracy: float, share: float, begin: int
    ) -> _RitzSpace:
        """Return a space in which the largest eigenvalue is known well enough."""
        size = self.active.size
        space = _RitzSpace(apply)
        for number, vector in enumerate((*self._kept, self._random())):
            if number >= begin and space.error <= max(accuracy, share * abs(space.value - 1)):
                return space
            space.add(vector)
        while space.size < min(size, MAX_STEPS):
            if space.error <= max(accuracy, share * abs(space.value - 1)) or not space.add(space.remainder):
                break
        return space

    def _random(self) -> np.ndarray:
        """Return a vector without a preferred direction."""
        vector = self._rng.standard_normal(self.active.size)
        return vector + 1j * self._rng.standard_normal(vector.size) if self.dtype.kind == "c" else vector

    def _positive_bound(
        self, space: _RitzSpace, apply: Callable[[np.ndarray], np.ndarray], tol: float
    ) -> tuple[float, np.ndarray | None]:
        """Return a bound of all eigenvalues (inf: none found), or a vector that proves one above one."""
        source = self.weight
        x, rest = space.solve(source)  # and on by conjugate gradients
        p, square = rest, float(rest @ rest)
        for _ in range(MAX_STEPS):
            if (abs(rest) < 0.5 * source).all() and (x > 0).all():  # (1 - K) x = source - rest > 0
                break
            q = p - apply(p)
            curvature = float(p @ q)
            if curvature <= 0:  # p^+ K p >= p^+ p
                return np.inf, p / np.linalg.norm(p)
            step = square / curvature
            x, rest = x + step * p, rest - step * q
            square, before = float(rest @ rest), square
            p = rest + (square / before) * p
        if not (x > 0).all():
            return np.inf, None
        image = apply(x)
        uncertain = (PROBE**2 + 2 * tol) * float((image / self.weight).max()) * self.weight
        return float(((image + uncertain) / x).max()), None

    def _random_bound(self, space: _RitzSpace, apply: Callable[[np.ndarray], np.ndarray]) -> float:
        """Return a bound that fails with probability `FAILURE`."""
        locked, coupling = space.locked()
        size = self.active.size
        if locked.shape[1] == size:
            return space.value + coupling
        project = lambda x: x - locked @ (locked.conj().T @ x)  # noqa: E731
        rest = _RitzSpace(lambda x: project(apply(x)))
        vector, bound = project(self._random()), np.inf
        for steps in RANDOM_STEPS:  # looked at this often, each may fail with its share of the probability
            more = True
            while more and rest.size < steps:
                more = rest.add(vector)
                vector = project(rest.images[-1])
            failure = FAILURE / len(RANDOM_STEPS)
            share = (np.log(1.648 * np.sqrt(size - locked.shape[1]) / failure) / (2 * rest.size - 1)) ** 2
            if not more or rest.size >= size - locked.shape[1]:  # nothing is left
                share, more = 0.0, False
            if share < 1:
                other = rest.value / (1 - share) + rest.error * (share == 0) + 10 * RANDOM_TOL
                # the larger eigenvalue of [[leading, coupling], [coupling, rest]]
                mean, half = 0.5 * (space.value + other), 0.5 * (space.value - other)
                bound = min(bound, float(mean + np.hypot(half, coupling)))
            if bound < 1 or not more:
                break
        return bound


class _RitzSpace:
    """Orthonormal vectors with their images, and what they say of the eigenvalues."""

    def __init__(self, apply: Callable[[np.ndarray], np.ndarray]) -> None:
        self._apply = apply
        self.basis: list[np.ndarray] = []
        self.images: list[np.ndarray] = []

    @property
    def size(self) -> int:
        """Number of vectors."""
        return len(self.basis)

    def add(self, vector: np.ndarray) -> bool:
        """Take a vector in; False if it lies in the space already."""
        norm = start = float(np.linalg.norm(vector))
        for _ in range(2):
            for known in self.basis:
                vector = vector - known * np.vdot(known, vector)
        norm = float(np.linalg.norm(vector))
        if not norm > 1e-10 * start:
            return False
        self.basis.append(vector / norm)
        self.images.append(self._apply(self.basis[-1]))
        space, mapped = np.array(self.basis).T, np.array(self.images).T
        projected = space.conj().T @ mapped
        self.values, rotation = np.linalg.eigh(0.5 * (projected + projected.conj().T))
        self.vectors, self._mapped = space @ rotation, mapped @ rotation
        self.value = float(self.values[-1])
        self.remainder = self._mapped[:, -1] - self.value * self.vectors[:, -1]
        self.residual = float(np.linalg.norm(self.remainder))
        # at most the residual, and its square over the distance to the next Ritz value
        self.error = self.residual
        if self.size > 1:
            self.error = min(self.residual, self.residual**2 / max(self.value - self.values[-2], self.residual))
        return True

    def leading(self, number: int) -> list[np.ndarray]:
        """Return the Ritz vectors of the largest values, the largest first."""
        return [self.vectors[:, -1 - k] for k in range(min(number, self.size))]

    def solve(self, source: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the best x of ``(1 - K) x = source`` within the space, and what is missing."""
        x = (self.vectors.conj().T @ source) / (1 - self.values)
        return self.vectors @ x, source - self.vectors @ x + self._mapped @ x

    def locked(self) -> tuple[np.ndarray, float]:
        """Return the Ritz vectors that are as exact as the leading one, and the norm that couples them to the rest."""
        rests = self._mapped - self.vectors * self.values
        sizes = np.linalg.norm(rests, axis=0)
        number = 1
        while number < self.size and sizes[-1 - number] <= max(2 * sizes[-1], 1e-5 * abs(self.value)):
            number += 1
        chosen = self.vectors[:, -number:]
        rests = rests[:, -number:]
        return chosen, float(np.linalg.norm(rests - chosen @ (chosen.conj().T @ rests)))
