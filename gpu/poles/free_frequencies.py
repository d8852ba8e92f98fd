r"""Best frequencies for a sum of poles that stands for tanh, without asking that they be poles of tanh.

With ``y = x^2``, ``tanh(x/2)/x = 4 sum_n 1/(y + (2n + 1)^2 pi^2)`` is a Stieltjes function. So its interpolants
``d + sum_j c_j/(y + w_j^2)`` at 2P + 1 points y >= 0 have real frequencies and positive weights, and the j-th of their
frequencies lies above the j-th of tanh (G. A. Baker and P. Graves-Morris, Pade Approximants, 2nd ed. 1996, chapter 5).
Written as

.. math:: w_j = (2j + 1)\, \pi\, (1 + e^{\theta_j}), \qquad j = 0 \dots P - 1

they are found by least squares in theta, the weights eliminated (G. H. Golub and V. Pereyra, SIAM J. Numer. Anal. 10,
413 (1973)). From one P to the next theta falls almost evenly, which gives the start.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_STEP = 0.5  # largest change of a theta in one step of the least squares
_MOST_STEPS = 60
_ENOUGH = 1e-3  # relative gain of a step that ends the least squares


def free_frequencies(edge: float, most: int) -> Iterator[tuple[np.ndarray, float]]:
    """Yield frequencies (P,) for P = 1, 2, ..., ``most`` and the largest residual on the grid of the least squares.

    The sum of their poles and a linear term fits ``tanh(x/2)`` on ``|x| <= edge``, close to the least error that P
    poles allow; all lie above pi. P to 20 takes 0.05 s.
    """
    x = _grid(edge)
    theta = np.log([max(0.02 * edge / np.pi, 0.007)])  # 0.0066: the Pade approximant at x = 0, w^2 = 10
    before: np.ndarray | None = None
    shift = np.zeros(1)
    for count in range(1, most + 1):
        if count > 1:
            start = _extrapolated(theta, before, edge)
            guess = start.copy()
            if count > 4:
                guess[1:] += shift  # what was missing last time, counted from the top
            before, theta = theta, guess
        else:
            start = theta
        theta, residual = _least_squares(theta, x)
        shift = theta - start
        yield _frequencies(theta), residual


def _grid(edge: float) -> np.ndarray:
    """Return points that resolve an error with P maxima: logarithmic, linear where tanh bends, dense at the end."""
    return np.unique(
        np.concatenate(
            [
                np.geomspace(0.05 * min(1.0, edge), edge, 400),
                np.linspace(0.05, 1, 60) * min(30.0, edge),
                edge * (1 - np.geomspace(1e-3, 0.5, 100)),
            ]
        )
    )


def _frequencies(theta: np.ndarray) -> np.ndarray:
    return np.pi * (2 * np.arange(theta.size) + 1) * (1 + np.exp(theta))


def _extrapolated(theta: np.ndarray, before: np.ndarray | None, edge: float) -> np.ndarray:
    """Return a start for one pole more, from the last two results."""
    count = theta.size
    w = _frequencies(theta)
    if before is None:
        return np.array([theta[0] - 2.0, np.log((w[0] + 0.5 * edge) / (3 * np.pi) + 0.01)])
    fall = theta[:-1] - before
    second = fall[-1] if count < 3 else fall[-1] * min(1.0, fall[-1] / fall[-2])
    top = w[-1] + max(w[-1] - _frequencies(before)[-1], 2 * np.pi)  # the highest grows by equal steps
    last = np.log(max(top / (np.pi * (2 * count + 1)) - 1, 1e-3))
    return np.concatenate([theta[:-1] + fall, [theta[-1] + second, last]])


def _least_squares(theta: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, float]:
    """Return theta of least squared error (Levenberg and Marquardt), and the largest residual."""
    damping = 1e-3
    span, weights, residual = _projected(theta, x)
    for _ in range(_MOST_STEPS):
        w = _frequencies(theta)
        square = x[:, None] ** 2
        slope = weights * w * np.exp(theta) / (1 + np.exp(theta))  # dw/dtheta, and the weight of the pole
        jacobian = x[:, None] * (square - w**2) / (square + w**2) ** 2 * slope
        jacobian -= span @ (span.T @ jacobian)
        scale = np.linalg.norm(jacobian, axis=0) + np.finfo(float).tiny
        left, sizes, right = np.linalg.svd(jacobian / scale, full_matrices=False)
        gradient = left.T @ residual
        for _ in range(8):
            step = -(right.T @ (sizes / (sizes**2 + damping) * gradient)) / scale
            trial = theta + np.clip(step, -_STEP, _STEP)
            found = _projected(trial, x)
            if found[2] @ found[2] < residual @ residual:
                break
            damping *= 6
        else:
            break
        gain = 1 - (found[2] @ found[2]) / (residual @ residual)
        theta, (span, weights, residual) = trial, found
        damping = max(damping / 10, 1e-14)
        if gain < _ENOUGH:
            break
    return theta, float(abs(residual).max())


def _projected(theta: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return an orthonormal basis of the poles' span, their weights (times 1/w_j), and the residual of tanh(x/2)."""
    w = _frequencies(theta)
    columns = np.column_stack([x[:, None] * w / (x[:, None] ** 2 + w**2), x / x[-1]])
    scale = np.linalg.norm(columns, axis=0)
    span, triangle = np.linalg.qr(columns / scale)
    target = np.tanh(x / 2)
    solution = np.linalg.solve(triangle, span.T @ target) / scale
    return span, solution[:-1], columns @ solution - target
