"""The command ``bdg``: run jobs, look at them, validate and describe the installation.

Exit codes: 0 done, 1 some points failed (the others are kept), 2 bad input, 130 stopped by Ctrl-C, 143 by SIGTERM.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Sequence

from bdg.base.errors import JobError
from bdg.commands.cite import add_cite_command
from bdg.commands.cluster import add_cluster_commands
from bdg.commands.export import add_export_command
from bdg.commands.info import add_info_command
from bdg.commands.report import add_report_command
from bdg.commands.schema import add_schema_command
from bdg.gpu.device.backend import BackendUnavailableError, MemoryBudgetError
from bdg.jobs.folder.store import RunFolder
from bdg.jobs.follow import follow
from bdg.jobs.job import Job, load_job
from bdg.jobs.key_help import key_help
from bdg.jobs.kinds import get_kind
from bdg.jobs.model.advice import effort_keys, in_words_of_the_job
from bdg.jobs.model.place import CODE_FLAG
from bdg.jobs.runner import RunReport, Terminated, run_job, sigterm_as_interrupt
from bdg.jobs.status import Status
from bdg.lattices.storage import disk_is_full, shown


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with the given arguments (those of the process if None) and return its exit code."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    try:
        code = chosen.act(chosen)
        sys.stdout.flush()
        return code
    except (JobError, BackendUnavailableError, MemoryBudgetError) as error:
        for line in getattr(error, "problems", (str(error),)):
            _complain(line)
        return 2
    except KeyboardInterrupt as stop:
        _complain(f"bdg: stopped by {'SIGTERM' if isinstance(stop, Terminated) else 'Ctrl-C'}")
        return 143 if isinstance(stop, Terminated) else 130
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # `bdg status DIR | head`
            _complain(f"bdg: {_of_disk(error, 'the output')}")
        _give_up_stdout()
        return 1


def _complain(line: str) -> None:
    """Print a line on stderr, which may be full or gone, too."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def _of_disk(error: OSError, what: str) -> str:
    """Return in one line what could not be written, where, and why."""
    place, why = shown(error.filename or what), error.strerror or shown(error)
    return f"{place}: no room on the disk ({why})" if disk_is_full(error) else f"{place}: {why}"


def _give_up_stdout() -> None:
    """Send what is still to come nowhere, so that the end of the process does not complain once more."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    import bdg

    parser = argparse.ArgumentParser(
        prog="bdg",
        description="Bogoliubov-de Gennes calculations for superconducting hybrids.",
        epilog="Exit codes: 0 done, 1 some points failed (the others are kept), 2 bad input, 130 Ctrl-C, 143 SIGTERM. "
        "Example: bdg run runs/composite.toml --workers 2",
    )
    parser.add_argument("--version", action="version", version=f"bdg {bdg.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_run(commands)

    estimate = commands.add_parser(
        "estimate",
        help="how long a job will take",
        description="Say how long a job will take and how much memory, without running it. Exit code 2 if it does not "
        "fit. Rates of this machine are measured on first use, in about a second.",
    )
    _add_job(estimate)
    _add_scheduler(estimate, "for the workers of a running dask scheduler, which are asked for threads and memory")
    estimate.set_defaults(act=_estimate)

    status = commands.add_parser(
        "status",
        help="how far a run is",
        description="Say how far a run is, what is left and how long that takes; exit code 1 where points failed.",
    )
    status.add_argument("folder", metavar="DIR", help="run directory")
    status.add_argument("--json", action="store_true", help="as JSON, for scripts (keys: docs/jobs.md)")
    status.add_argument("--tracebacks", action="store_true", help="also those of points that failed")
    status.add_argument("--follow", action="store_true", help="go on telling until the run has ended")
    status.set_defaults(act=_status)

    add_schema_command(commands)

    plot = commands.add_parser(
        "plot",
        help="draw the figures of a run anew",
        description="Draw the figures of a run anew from the points that are there; some may be missing.",
    )
    plot.add_argument("folder", metavar="DIR", help="run directory")
    plot.set_defaults(act=_plot)

    add_export_command(commands)

    validate = commands.add_parser(
        "validate",
        help="compare with closed forms and experiments",
        description="Compare this installation with closed forms (physics) and with published measurements "
        "(experiments); exit code 1 if a check fails.",
    )
    validate.add_argument("suite", nargs="?", choices=("physics", "experiments"), help="only this table")
    validate.add_argument("--slow", action="store_true", help="also the checks that take minutes")
    validate.add_argument("--json", metavar="FILE", help="write the table as JSON, too")
    data = "measured points for the experiments (CSV: row,quantity,x,x_unit,y,y_unit,y_error; docs/experiments.md)"
    validate.add_argument("--data", metavar="FILE", help=data)
    validate.add_argument("--curves", action="store_true", help="only list what --data can be compared with")
    validate.set_defaults(act=_validate)

    add_report_command(commands)
    add_cite_command(commands)
    _add_benchmark(commands)
    add_cluster_commands(commands, _positive)

    add_info_command(commands)
    return parser


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    run = commands.add_parser(
        "run",
        help="run a job, or what is missing of it",
        description="Run a job file, or what is missing of it: every point of its sweeps is one file in DIR/points, "
        "finished points are never computed again, and DIR/results.h5 collects them.",
        epilog=key_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_job(run)
    run.add_argument("--out", metavar="DIR", help="run directory (default: runs/out/<name of the job>)")
    _add_scheduler(run, "let the workers of a running dask scheduler compute (extra 'cluster'; bdg cluster starts one)")
    spent = "begin no more points after that; those at work are finished"
    run.add_argument("--budget", type=_minutes, metavar="MINUTES", help=spent)
    late = "give a point up after that, and go on with the others"
    run.add_argument("--point-limit", type=_minutes, metavar="MINUTES", help=late)
    run.add_argument("--retry", action="store_true", help="also what raised an error or took too long before")
    run.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="a progress bar on stderr (default: on a terminal; else plain lines)",
    )
    run.set_defaults(act=_run)


def _add_scheduler(command: argparse.ArgumentParser, what: str) -> None:
    command.add_argument("--scheduler", metavar="ADDRESS|FILE", help=what)


def _add_job(command: argparse.ArgumentParser) -> None:
    command.add_argument("job", metavar="JOB.toml", help="job file")
    command.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto", help="default: auto")
    command.add_argument(
        "--workers", type=_positive, default=1, metavar="N", help="worker processes, which share the cores (default: 1)"
    )
    command.add_argument(
        CODE_FLAG,
        action="store_true",
        help="import the Python modules that the job names (kind system); read them first",
    )
    command.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="replace a key of the job, for instance --set compute.temperature_K=[4.2] (TOML values; the section may "
        "be left out; an empty value removes the key)",
    )


def _add_benchmark(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    benchmark = commands.add_parser(
        "benchmark",
        help="measure this machine",
        description="Measure bound states, pair amplitude, density of states and grid assembly beside what a user "
        "could do without this package, and the self-consistent gap, each in a process of its own, on one thread and "
        "by the clock on two; takes about an hour. What has been measured is written at once.",
    )
    benchmark.add_argument("--quick", action="store_true", help="tiny sizes: only to see that everything runs")
    benchmark.add_argument(
        "--large",
        action="store_true",
        help="instead what takes half an hour: states of 48^3 and 64^3 sites, the self-consistent gap of 32^3, replays",
    )
    benchmark.add_argument(
        "--only",
        action="append",
        choices=(
            "bound_states",
            "pair_amplitude",
            "density_of_states",
            "self_consistent",
            "grain_phases",
            "threads",
            "workers",
            "clock",
            "growth",
            "grid",
            "replay",
            "predictions",
            "large_states",
        ),
        default=[],
        help="only this part (may be given again)",
    )
    benchmark.add_argument("--write", metavar="FILE.md", help="put the tables between the markers of this page")
    benchmark.add_argument("--json", metavar="FILE", help="write every run as JSON")
    benchmark.set_defaults(act=_benchmark)


def _minutes(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"must be minutes > 0; got {text!r}")
    return number


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number >= 1; got {text!r}")
    return number


def _run(chosen: argparse.Namespace) -> int:
    job = load_job(chosen.job, chosen.overrides, allow_code=chosen.allow_code)
    try:
        names = "workers device scheduler budget point_limit retry".split()
        options = {name: getattr(chosen, name) for name in names}
        with sigterm_as_interrupt():
            report = run_job(job, chosen.out, **options, bar=chosen.progress)
    except RuntimeError as error:
        if isinstance(error, BackendUnavailableError):
            raise
        _complain(f"bdg: {error}")
        return 1
    except OSError as error:
        cure = "make room, and the same command goes on" if disk_is_full(error) else "the same command goes on"
        _complain(f"bdg: {_of_disk(error, 'the run directory')}; finished points are kept, {cure}")
        return 1
    try:
        summary = job.kind.summarise(report.results) if len(report.results) else ""
    except Exception as error:  # points that were not written by this kind, for instance
        _complain(f"bdg: {report.folder}: the summary failed ({type(error).__name__}: {shown(error)})")
        _print_report(report, "", job)
        return 1
    _print_report(report, summary, job)
    return report.exit_code


def _estimate(chosen: argparse.Namespace) -> int:
    from bdg.jobs.estimate import estimate_job

    job = load_job(chosen.job, chosen.overrides, allow_code=chosen.allow_code)
    try:
        found = estimate_job(
            job, workers=chosen.workers, device=chosen.device, scheduler=chosen.scheduler, progress=None
        )
    except (ValueError, ArithmeticError) as error:  # what the functions refuse, in their words
        _complain(f"bdg: {shown(chosen.job)}: {in_words_of_the_job(shown(error, 1000), job.kind)}")
        return 2
    print(found)
    return 2 if found.refused else 0


def _print_report(report: RunReport, summary: str, job: Job) -> None:
    if summary:
        print(summary)
    total = len(report.results) + len(report.results.missing)
    new = f"{len(report.computed)} of them computed now"
    if not report.computed and not report.results.missing:
        new = "all of them were there"
    print(f"\n{len(report.results)} of {total} points done, {new}: {report.folder / 'results.h5'}")
    for label, why in report.failed.items():
        print(f"FAILED {label}: {why} (traceback in {report.folder / 'run.log'})")
    if report.left_alone:
        keys = effort_keys(job.kind)
        more = f", or with other values of {', '.join(keys)} (--set), which change no result" if keys else ""
        print(f"what failed is computed again with --retry{more}")
    if len(report.failed) > report.left_alone:
        print("what was killed is computed again by the same command")
    for path in report.set_aside:
        print(f"set aside: {path}")
    for path in report.figures:
        if path.suffix == ".png":
            print(f"figure: {path}")


def _status(chosen: argparse.Namespace) -> int:
    if chosen.follow:
        return follow(RunFolder(chosen.folder), sys.stdout)
    status = Status.of(RunFolder(chosen.folder))
    print(json.dumps(status.as_json(), indent=1) if chosen.json else status)
    if chosen.tracebacks and not chosen.json and status.tracebacks():
        print(f"\n{status.tracebacks()}")
    return status.exit_code


def _plot(chosen: argparse.Namespace) -> int:
    folder = RunFolder(chosen.folder)
    record = folder.read_record()
    kind = get_kind(record["kind"])
    results = folder.collect()
    if not len(results):
        raise JobError(f"{chosen.folder}: no point can be read yet (bdg status tells); there is nothing to draw")
    try:
        folder.figures.mkdir(exist_ok=True)
        paths = kind.plot(results, folder.figures, record.get("output", {}))
    except OSError as error:
        _complain(f"bdg: {_of_disk(error, str(folder.figures))}; the numbers are kept")
        return 1
    except Exception as error:  # points that were not written by this kind, for instance
        _complain(f"bdg: {chosen.folder}: the figures failed ({type(error).__name__}: {shown(error)})")
        return 1
    for path in paths:
        print(path)
    if results.missing:
        print(f"{len(results.missing)} of {len(results) + len(results.missing)} points are missing in these figures")
    return 0


def _validate(chosen: argparse.Namespace) -> int:
    if importlib.util.find_spec("bdg.validation.report") is None:
        print("bdg: this installation holds no checks (bdg.validation.report is missing)", file=sys.stderr)
        return 2
    report = importlib.import_module("bdg.validation.report")
    return int(report.run(chosen.suite or "all", chosen.slow, chosen.json, chosen.data, chosen.curves))


def _benchmark(chosen: argparse.Namespace) -> int:
    if importlib.util.find_spec("bdg.validation.benchmarks") is None:
        print("bdg: this installation holds no benchmarks (bdg.validation.benchmarks is missing)", file=sys.stderr)
        return 2
    benchmarks = importlib.import_module("bdg.validation.benchmarks.command")
    options = {"quick": chosen.quick, "large": chosen.large, "only": chosen.only, "write": chosen.write}
    return int(benchmarks.main(**options, json_path=chosen.json))


if __name__ == "__main__":
    sys.exit(main())
