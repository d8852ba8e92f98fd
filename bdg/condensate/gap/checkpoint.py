"""The state of a gap iteration in a file, so that a long one can be resumed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from bdg.condensate.gap.mixing import AndersonMixing
from bdg.lattices.storage import ResultFileError, content_of, read_file, write_file
from bdg.lattices.system import System

CHECKPOINT_KIND = "GapCheckpoint"


def identity(system: System, *others: Any) -> str:
    """Return a digest of everything that the solution depends on."""
    digest = hashlib.sha256(b"2")  # layout of the file
    matrices = [system.hamiltonian, *([] if system.pairing is None else [system.pairing])]
    arrays = [part for matrix in matrices for part in (matrix.data, matrix.indices, matrix.indptr)]
    for array in (*arrays, system.attraction, system.delta):
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update(repr([np.asarray(o).tolist() if isinstance(o, np.ndarray) else o for o in others]).encode())
    return digest.hexdigest()


def write(path: Path, of: str, point: np.ndarray, state: AndersonMixing, history: list[float]) -> None:
    """Write the next point, the state of the mixing and the residuals so far."""
    content = {
        "identity": of,
        "point": point,
        "points": np.array(state.points),
        "residuals": np.array(state.residuals),
        "noises": np.array(state.noises),
        "step": state.step,
        "best": state.best,
        "restarts": state.restarts,
        "earlier_rate": state.earlier_rate,
        "history": np.array(history),
    }
    write_file(path, CHECKPOINT_KIND, content)


def resume(path: Path, of: str, state: AndersonMixing, size: int) -> tuple[np.ndarray, list[float]]:
    """Fill the state from a file and return the next point and the residuals so far."""
    _, content = read_file(path, CHECKPOINT_KIND)
    with content_of(path):
        return _resume(path, content, of, state, size)


def _resume(
    path: Path, content: dict[str, Any], of: str, state: AndersonMixing, size: int
) -> tuple[np.ndarray, list[float]]:
    if content["identity"] != of or content["point"].size != size:
        raise ResultFileError(
            f"{path}: is the checkpoint of another system, temperature or set of options; give another path, or "
            "remove it"
        )
    points, residuals, noises, history = (content[name] for name in ("points", "residuals", "noises", "history"))
    steps = noises.size
    shapes = {points.shape, residuals.shape} - {(steps, size)} if steps else set()
    if shapes or content["point"].shape != (size,) or noises.ndim != 1 or history.ndim != 1:
        raise ValueError("points, residuals and noises must have one entry a step")
    if not all(np.isfinite(array).all() for array in (content["point"], points, residuals, noises)):
        raise ValueError("points, residuals and noises must be finite")
    state.resume(list(points), list(residuals), noises.tolist())
    state.step, state.restarts = int(content["step"]), int(content["restarts"])
    state.best, state.earlier_rate = content["best"], content["earlier_rate"]
    return content["point"], history.tolist()
