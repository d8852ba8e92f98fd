r"""Supercurrent through a weak link between two semi-infinite superconducting chains, exact on the lattice.

.. math:: F = -2T \sum_{w > 0} \ln |\det M(iw)|, \qquad I = 2 \frac{dF}{d\varphi}

where M is ``1 - g_L V g_R V^+`` for chains that touch through a hopping -t', or ``iw - H_0 - g_L - g_R`` (dressed with
the sign of the hole) for one normal site between them. The surface function of a half chain with onsite energy e,
hopping -1 and pairing Delta exp(i phi) is, as in `bdg.validation.reference.junction`, at z = i w

.. math:: g = -\frac{\operatorname{Im} \lambda}{\Omega} (i w + \hat\Delta) - \tau_z \operatorname{Re} \lambda, \qquad
          \Omega = \sqrt{\Delta^2 + w^2}, \qquad \lambda + 1/\lambda = e - i\Omega, \; |\lambda| < 1 .
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import minimize_scalar

TAU_Z = np.diag([1.0, -1.0])
SUMMED = 3000  # Matsubara frequencies; beyond, the sum is an integral (relative error 1/24 n^2 of what is left)
HIGHEST = 1e4  # of the integral, in units of the hopping: it falls like w^-3 and faster


def link_current(hopping: float, mu: float, delta: float, phase: float, temperature: float) -> float:
    """Return I of two chains that touch through a hopping ``-hopping``, in e x hopping/hbar."""
    w, weights = frequencies(temperature)
    left, _ = _surface(w, mu, delta, 0.0)
    right, turned = _surface(w, mu, delta, phase)
    link = -hopping * TAU_Z
    matrix = np.eye(2) - left @ link @ right @ link
    change = -left @ link @ turned @ link
    return _current(matrix, change, weights)


def site_current(barrier: float, mu: float, delta: float, phase: float, temperature: float) -> float:
    """Return I through one normal site with energy ``barrier`` above -mu."""
    w, weights = frequencies(temperature)
    left, _ = _surface(w, mu, delta, 0.0)
    right, turned = _surface(w, mu, delta, phase)
    own = 1j * w[:, None, None] * np.eye(2) - (barrier - mu) * TAU_Z
    return _current(own - TAU_Z @ (left + right) @ TAU_Z, -TAU_Z @ turned @ TAU_Z, weights)


def critical_current(barrier: float, mu: float, delta: float, temperature: float) -> float:
    """Return the largest current through one normal site."""
    found = minimize_scalar(
        lambda phase: -site_current(barrier, mu, delta, phase, temperature) / delta,
        bounds=(0.3 * math.pi, 0.999 * math.pi),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(-found.fun * delta)


def frequencies(temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes w and weights for ``T sum_{w > 0}``: the lowest frequencies, then Gauss-Legendre panels in ln w."""
    lowest = math.pi * temperature * (2 * np.arange(SUMMED) + 1)
    start = 2 * math.pi * temperature * SUMMED
    if start >= HIGHEST:
        return lowest, np.full(SUMMED, temperature)
    node, weight = np.polynomial.legendre.leggauss(12)
    edges = np.linspace(math.log(start), math.log(HIGHEST), 2 + int(2 * math.log(HIGHEST / start)))
    half = np.diff(edges)[:, None] / 2
    w = np.exp(edges[:-1, None] + half * (node + 1)).ravel()
    weights = (half * weight).ravel() * w / (2 * math.pi)
    return np.concatenate([lowest, w]), np.concatenate([np.full(SUMMED, temperature), weights])


def short_junction_current(tau: np.ndarray, phase: float, temperature: float) -> float:
    r"""Return I in units of e Delta/hbar of channels tau: ``sum tau sin(phi) tanh(E/2T)/(2 E)``, E and T in Delta.

    Beenakker (1991); both spins. Kulik and Omelyanchuk (1977) for one open channel, Ambegaokar and Baratoff (1963) for
    small tau.
    """
    energy = np.sqrt(1 - np.asarray(tau) * math.sin(phase / 2) ** 2)
    thermal = np.tanh(energy / (2 * temperature)) if temperature else 1.0
    return float(np.sum(tau * math.sin(phase) * thermal / (2 * energy)))


def _surface(w: np.ndarray, mu: float, delta: float, phase: float) -> tuple[np.ndarray, np.ndarray]:
    """Return g (W, 2, 2) of a half chain and its derivative by the phase."""
    omega = np.sqrt(delta**2 + w**2)
    z = -mu - 1j * omega
    root = np.sqrt(z * z / 4 - 1)
    inside = np.where(abs(z / 2 + root) < 1, z / 2 + root, z / 2 - root)
    pairing = delta * np.array([[0, np.exp(1j * phase)], [np.exp(-1j * phase), 0]])
    turned = delta * np.array([[0, 1j * np.exp(1j * phase)], [-1j * np.exp(-1j * phase), 0]])
    size = -(inside.imag / omega)[:, None, None]
    g = size * (1j * w[:, None, None] * np.eye(2) + pairing) - inside.real[:, None, None] * TAU_Z
    return g, size * turned


def _current(matrix: np.ndarray, change: np.ndarray, weights: np.ndarray) -> float:
    """Return ``-4 T sum Re Tr M^-1 dM/dphi``."""
    slope = np.trace(np.linalg.solve(matrix, change), axis1=1, axis2=2).real
    return float(-4 * (weights @ slope))
