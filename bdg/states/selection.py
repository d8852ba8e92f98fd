"""Which of the computed eigenstates are returned, in which order, and what is proven about their number."""

from __future__ import annotations

import numpy as np

from bdg.gpu.eigen.eigenpairs import Eigenpairs

_PARTNERS = 1e3  # widths: energies that add up to less are partners


def select(
    energies: np.ndarray, k: int | None, interval: tuple[float, float] | None, widths: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return which states to keep, in order, and their energies with equal |E| made exactly equal.

    Partners +-E and members of a multiplet differ by rounding only, which moves a level by its width; made equal,
    "sorted by |E|" and "negative first" hold exactly.
    """
    ascending = np.argsort(energies, kind="stable")
    if interval is not None:
        slack = widths[ascending]
        inside = (energies[ascending] >= interval[0] - slack) & (energies[ascending] <= interval[1] + slack)
        chosen = ascending[inside]
    else:
        chosen = _lowest_pairs(energies, ascending, k or 0, widths)
    size = abs(energies[chosen])
    by_size = np.argsort(size, kind="stable")
    chosen, size = chosen[by_size], size[by_size]
    width = widths[chosen]
    apart = np.diff(size) > np.minimum(width[1:], width[:-1])
    new_level = np.concatenate([[True], apart]) if size.size else np.zeros(0, dtype=bool)
    level = np.cumsum(new_level) - 1
    mean = np.bincount(level, weights=size) / np.bincount(level) if size.size else size
    order = np.lexsort((energies[chosen], level))
    negative = energies[chosen][order] < 0
    zero = mean[level] <= width[order]  # signs of rounding errors: half of these levels are partners of the others
    negative[zero] = np.arange(np.count_nonzero(zero)) < np.count_nonzero(zero) // 2
    return chosen[order], np.where(negative, -1.0, 1.0) * mean[level]


def _lowest_pairs(energies: np.ndarray, ascending: np.ndarray, k: int, widths: np.ndarray) -> np.ndarray:
    """Return the k states of lowest |E|, taken in pairs from the two halves of the spectrum where these mirror."""
    half = ascending.size // 2
    lower, upper = ascending[:half][::-1], ascending[ascending.size - half :]
    pairs = np.stack([lower, upper], axis=1).ravel()[:k]
    mirrored = ascending.size % 2 == 0 and pairs.size == k
    if mirrored:
        needed = (k + 1) // 2
        some = lower[:needed], upper[:needed]
        mirrored = bool((abs(energies[some[0]] + energies[some[1]]) < _PARTNERS * widths[some[0]]).all())
    return pairs if mirrored else np.argsort(abs(energies), kind="stable")[:k]


def certificate(
    found: Eigenpairs,
    energies: np.ndarray,
    k: int | None,
    interval: tuple[float, float] | None,
    widths: np.ndarray,
    width: float,
) -> tuple[bool, int, str]:
    """Return ``complete``, ``count`` and the sentence about them.

    ``widths`` belong to the levels that were found, ``width`` to the largest that is returned.
    """
    if found.proven < 0:
        if found.estimated_count:
            return False, -1, f"not proven: no factor fits for an inertia count; {found.estimated_count}"
        return False, -1, "not proven: no inertia count was trusted, or it found other states than were computed"
    if interval is not None:
        return True, int(energies.size), "every state of the window was found: the counts at its ends agree"
    if not energies.size:
        return True, 0, "no state"
    top = abs(energies).max() + width
    if found.interval[1] <= top:
        below = int(np.count_nonzero(abs(energies) < found.interval[1]))
        note = f"k = {k} cuts a multiplet; the {below} states below it are all found"
        return True, found.multiplet_count, note
    counted = abs(found.energies) < found.interval[1]  # what lies beyond may be anything: its residual says so
    count = _up_to(abs(found.energies[counted]), top, np.maximum(widths, found.residuals)[counted])
    if count > energies.size:
        return True, count, f"k = {k} cuts a multiplet: {count} states have |E| up to the largest returned"
    by_count = np.isfinite(found.interval[1])
    return True, count, "the inertia count agrees with the computed states" if by_count else "all states computed"


def _up_to(sizes: np.ndarray, top: float, widths: np.ndarray) -> int:
    """Return how many sizes are at most ``top``, with those that cannot be told from the largest of them."""
    order = np.argsort(sizes, kind="stable")
    sizes, widths = sizes[order], widths[order]
    count = int(np.count_nonzero(sizes <= top))
    while 0 < count < sizes.size and sizes[count] - sizes[count - 1] <= widths[count] + widths[count - 1]:
        count += 1
    return count
