"""The state of a gap iteration in a file, so that a long one can be resumed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from bdg.lattices.storage import ResultFileError, read_file, write_file
from bdg.lattices.system import System
from bdg.mixing import AndersonMixing

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
    if content["identity"] != of or content["point"].size != size:
        raise ResultFileError(
            f"{path}: is the checkpoint of another system, temperature or set of options; give another path, or "
            "remove it"
        )
    state.resume(list(content["points"]), list(content["residuals"]), content["noises"].tolist())
    state.step, state.best, state.restarts = content["step"], content["best"], content["restarts"]
    state.earlier_rate = content["earlier_rate"]
    return content["point"], content["history"].tolist()
