r"""Transmission of a normal strip between two perfect leads at the Fermi energy, for hard walls and hopping -1.

Fisher and Lee (1981): ``t_mn = i sqrt(v_m v_n) G_mn`` between the modes of the leads, with the leads folded into
self-energies ``-exp(i k_m)`` of each transverse mode. Independent of kwant.
"""

from __future__ import annotations

import math

import numpy as np


def transmissions(onsite: np.ndarray, mu: float) -> np.ndarray:
    """Return the transmission eigenvalues of all open channels, largest first.

    ``onsite`` (L, M) is added to -mu in L layers of M sites; the leads are the same strip without it.
    """
    length, width = onsite.shape
    across = np.arange(1, width + 1)
    wave = math.pi * across / (width + 1)
    modes = np.sqrt(2 / (width + 1)) * np.sin(np.outer(across, wave))
    along = (-mu - 2 * np.cos(wave)).astype(complex) / 2  # cos k of each mode
    k = np.arccos(along)  # evanescent modes: the branch that decays, below
    k = np.where(k.imag < 0, -k, k)
    lead = modes @ np.diag(-np.exp(1j * k)) @ modes.T
    bonds = -(np.eye(width, k=1) + np.eye(width, k=-1))
    h = np.kron(np.diag(np.full(length - 1, -1.0), 1) + np.diag(np.full(length - 1, -1.0), -1), np.eye(width))
    h = h + np.kron(np.eye(length), bonds) + np.diag(onsite.ravel() - mu) + 0j
    h[:width, :width] += lead
    h[-width:, -width:] += lead
    green = np.linalg.inv(-h)[-width:, :width]
    open_modes = abs(k.imag) < 1e-12
    velocity = 2 * np.sin(k[open_modes].real)
    inside = modes[:, open_modes]
    t = np.sqrt(np.outer(velocity, velocity)) * (inside.T @ green @ inside)
    return np.sort(np.linalg.svd(t, compute_uv=False) ** 2)[::-1]
