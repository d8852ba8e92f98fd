"""The two calls that know both systems and jobs: `bdg.load` and `bdg.estimate`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bdg.base.arguments import require_system
from bdg.base.errors import JobError
from bdg.base.results import Result
from bdg.estimates import Estimate, estimate_system
from bdg.lattices.storage import ResultFileError, content_of, read_file, shown
from bdg.lattices.system import System

if TYPE_CHECKING:
    from bdg.jobs.estimate import JobEstimate
    from bdg.jobs.job import Job


def load(path: str | os.PathLike[str]) -> Any:
    """Read a result, a `System`, a run directory (finished or not) or one of its files that this package has saved.

    Parameters
    ----------
    path : path
        Of an HDF5 file or a run directory.

    Returns
    -------
    Result, System, JobResults or PointResult
        What was saved, arrays on the host, bit for bit; of a run directory and its ``results.h5`` the same JobResults,
        as labelled arrays (``.to_xarray()``), tables, means over seeds and figures.

    Raises
    ------
    ResultFileError
        If the file is missing, damaged, truncated, of a newer format or of an unknown kind, or if what it holds is not
        what a file of its kind holds; if a folder is no run directory.

    Examples
    --------
    >>> import tempfile
    >>> import bdg
    >>> from bdg.lattices import Layer, stack
    >>> states = bdg.bound_states(stack([Layer(20, delta=0.3)]), 2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     states.save(f"{folder}/states.h5")
    ...     again = bdg.load(f"{folder}/states.h5")
    >>> print(again.energies.round(3), again.evidence.method)
    [-0.335  0.335] dense
    """
    if os.path.isdir(path):
        from bdg.jobs.folder.reading import load_run

        try:
            return load_run(path)
        except JobError as error:
            raise ResultFileError(f"{error}; give a run directory, or a file that this package has saved") from error
    kind, content = read_file(path)
    if kind == "System":
        with content_of(path):
            return System.from_content(content)
    if kind in ("JobResults", "Point"):
        from bdg.jobs.folder.reading import load_run  # the job machinery is not needed for anything else
        from bdg.jobs.model.results import read_point

        return load_run(path) if kind == "JobResults" else read_point(path)
    if kind not in Result._kinds:
        known = ", ".join(sorted({*Result._kinds, "System", "JobResults", "Point"}))
        raise ResultFileError(f"{path}: holds a {shown(kind)}; bdg.load knows {known}")
    with content_of(path):
        return Result._kinds[kind].from_content(content)


def estimate(
    system_or_job: System | Job | str | os.PathLike[str],
    what: str | None = None,
    *,
    device: str = "auto",
    workers: int = 1,
    overrides: Sequence[str] = (),
    allow_code: bool = False,
    **arguments: Any,
) -> Estimate | JobEstimate:
    """Return what a computation will take, without doing it.

    Parameters
    ----------
    system_or_job : System, Job or path
        A path is that of a job file.
    what : str, optional
        For a system: the name of a function of `bdg` that computes; "bound_states" by default. An unknown name is
        answered with all that are known.
    device : {"auto", "cpu", "gpu"}
        "auto" compares all that there are, "gpu" never falls back.
    workers : int
        Of a job: processes, which share the cores.
    overrides : sequence of str
        Of a job file, as after ``--set``.
    allow_code : bool
        Of a job file: modules that it names may be imported, as with ``--allow-code``.
    **arguments : object
        Those of the function, ``k=64`` for instance, also ``method`` and ``threads``; for "solve_gap" also
        ``iterations``. ``cores`` replaces the numbers of cores of the table. ``seed`` and ``progress`` have no
        influence; of a job, ``progress=True`` shows how far the estimate is.

    Returns
    -------
    Estimate or JobEstimate
        Seconds on the clock and GiB for the threads that are granted, and on 1, 2, 8 and 16 cores. Methods are
        compared on one thread, so none is chosen by the number of threads. Rates are those of one thread of this
        machine; they are measured on first use, in about a second, and kept in a file (`bdg.gpu.cost.calibration` says
        where). A factor of two is to be expected, more where levels are crowded or on more cores than there are here.

    Raises
    ------
    TypeError, ValueError
        If an argument is unknown or out of range.
    JobError
        If the job file breaks a rule, or its kind does not say what its points compute.
    MemoryBudgetError
        If the systems of a job cannot be built here. Those of more than 5e4 sites are not built to know what they
        take: that is extrapolated from smaller ones, and the estimate says so.
    BackendUnavailableError
        If ``device="gpu"`` and no GPU can be used.

    Examples
    --------
    >>> import bdg
    >>> from bdg.lattices import Layer, stack
    >>> film = stack([Layer(100, delta=0.3)], (100,))
    >>> costs = bdg.estimate(film, "bound_states", k=16)
    >>> print(costs.method, costs.gibibytes < 2, "chebyshev" in costs.methods)
    lanczos True True
    """
    if not isinstance(system_or_job, System):
        return _of_job(system_or_job, what, device, workers, overrides, allow_code, arguments)
    if isinstance(workers, bool) or workers != 1 or len(overrides) or allow_code:
        given = {"overrides": overrides, "allow_code": allow_code}
        name, value = next(((name, value) for name, value in given.items() if value), ("workers", workers))
        raise TypeError(f"{name} belongs to the estimate of a job, not of a System; got {value!r}. Leave it out")
    return estimate_system(require_system(system_or_job), what, device=device, **arguments)


def _of_job(
    job: Any,
    what: str | None,
    device: str,
    workers: int,
    overrides: Sequence[str],
    allow_code: bool,
    arguments: Mapping[str, Any],
) -> JobEstimate:
    from bdg.jobs.estimate import estimate_job
    from bdg.jobs.job import Job, load_job

    progress = bool(arguments.get("progress", False))
    arguments = {name: value for name, value in arguments.items() if name != "progress"}
    if what is not None or arguments:
        unexpected = "what" if what is not None else next(iter(arguments))
        raise TypeError(f"{unexpected} belongs to the estimate of a System; a job says itself what it computes")
    if not isinstance(job, Job | str | os.PathLike):
        raise TypeError(f"system_or_job must be a System, a Job or the path of a job file; got {type(job).__name__}")
    job = job if isinstance(job, Job) else load_job(job, overrides, allow_code=allow_code)
    return estimate_job(job, workers=workers, device=device, progress=progress)
