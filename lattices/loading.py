"""Systems out of files."""

from __future__ import annotations

import os

from bdg.lattices.storage import content_of, read_file
from bdg.lattices.system import System


def load(path: str | os.PathLike[str]) -> System:
    """Read a system that `System.save` wrote.

    Parameters
    ----------
    path : path
        Of an HDF5 file.

    Returns
    -------
    System
        The same arrays bit for bit; without the sites of kwant.

    Raises
    ------
    ResultFileError
        If the file is missing, damaged, of a newer format, holds something else, or no system that makes sense.

    Examples
    --------
    >>> import tempfile
    >>> from bdg.lattices import Layer, load, stack
    >>> film = stack([Layer(5, delta=0.3)], (4,), energy_unit="meV")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     film.save(f"{folder}/film.h5")
    ...     again = load(f"{folder}/film.h5")
    >>> print(again.n_sites, again.energy_unit)
    20 meV
    """
    _, content = read_file(path, "System")
    with content_of(path):
        return System.from_content(content)
