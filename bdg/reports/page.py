"""One HTML page of a run, complete in itself: ``bdg report RUN``.

Tables, evidence and the job stand in the page as text; plots are drawn by plotly.js, which the page carries along with
its licence, so that no network is needed. Without WebGL the view in space is a still picture.
"""

from __future__ import annotations

import base64
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import bdg
from bdg.base.errors import JobError
from bdg.jobs.folder.reading import logged_warnings
from bdg.jobs.folder.store import RunFolder
from bdg.jobs.kinds import get_kind
from bdg.jobs.model.results import JobResults
from bdg.reports.scene import Scene, plain_scenes, scene_of
from bdg.reports.tables import Column, ensemble_columns, evidence_rows, in_words, point_columns

NAME = "report.html"
MISSING = "the extra 'report' is not installed (jinja2 and plotly): pip install 'bdg[report]'"
MOST_FIGURES = 2_000_000  # bytes of the PNG that are taken along
MOST_EVIDENCE = 24  # points whose evidence is shown


def write_report(run: str | os.PathLike[str], path: str | os.PathLike[str] | None = None) -> Path:
    """Write the page of a run and return its path.

    Parameters
    ----------
    run : path
        Run directory; points may be missing.
    path : path, optional
        Default: ``report.html`` in the run directory.

    Raises
    ------
    JobError
        If it is no run directory, nothing can be read yet, or the extra ``report`` is not installed.
    """
    try:
        import jinja2
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise JobError(f"bdg report: {MISSING}") from error
    folder = RunFolder(run)
    record = folder.read_record()
    results = folder.collect()
    if not len(results):
        raise JobError(f"{run}: no point can be read yet (bdg status tells); there is nothing to report")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("bdg.reports"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    content = _content(folder, record, results)
    text = environment.get_template("report.html").render(**content, plotly=get_plotlyjs())
    target = Path(path) if path is not None else folder.path / NAME
    _write_whole(target, text)
    return target


def _content(folder: RunFolder, record: dict[str, Any], results: JobResults) -> dict[str, Any]:
    """Return what the template is filled with."""
    kind = get_kind(results.kind)
    points, means = point_columns(results), ensemble_columns(results)
    scenes = plain_scenes(results.points)
    first = next(filter(None, map(scene_of, results.points)), None)
    tables = [("Points", points)] + ([("Means over seeds", means)] if means else [])
    data = {
        "tables": [{"title": title, "columns": [c.plain() for c in columns]} for title, columns in reversed(tables)],
        **scenes,
    }
    return {
        "name": results.name,
        "kind": results.kind,
        "about": kind.doc,
        "summary": kind.summarise(results),
        "job": (folder.path / "job.toml").read_text(encoding="utf-8", errors="replace"),
        "overrides": record.get("overrides", []),
        "done": len(results),
        "missing": results.missing,
        "failed": record.get("failed", {}),
        "tables": [(title, columns, _rows(columns)) for title, columns in tables],
        "evidence": [(point.label, evidence_rows(point)) for point in results.points[:MOST_EVIDENCE]],
        "without_evidence": max(0, len(results) - MOST_EVIDENCE),
        "warnings": logged_warnings(folder),
        "figures": _figures(folder),
        "scenes": len(scenes["scenes"]),
        "still": _still(first) if first else "",
        # "</script>" in a text must not end the data
        "data": json.dumps(data, allow_nan=False).replace("<", "\\u003c"),
        "version": bdg.__version__,
        "versions": sorted({json.dumps(point.origin.get("versions", {})) for point in results.points}),
    }


def _rows(columns: list[Column]) -> list[list[str]]:
    rows = []
    for number in range(len(columns[0].values) if columns else 0):
        row = []
        for column in columns:
            text = in_words(column.values[number])
            error = column.errors[number] if column.errors is not None else None
            row.append(text if not error else f"{text} ± {error:.2g}")
        rows.append(row)
    return rows


def _figures(folder: RunFolder) -> list[tuple[str, str]]:
    """Return names and data of the figures of the run."""
    found, room = [], MOST_FIGURES
    for path in sorted(folder.figures.glob("*.png"), key=lambda path: path.stat().st_size):
        room -= path.stat().st_size
        if room >= 0:
            found.append((path.stem.replace("_", " "), base64.b64encode(path.read_bytes()).decode("ascii")))
    return sorted(found)


def _still(scene: Scene) -> str:
    """Return a PNG of a scene."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 5), layout="constrained")
    axes = figure.add_subplot(projection="3d")
    name = next(iter(scene.fields), "")
    grains = scene.grain >= 0
    shown = axes.scatter(*scene.positions.T, c=scene.fields.get(name, scene.grain), s=3 + 9 * grains, alpha=0.6)
    figure.colorbar(shown, ax=axes, label=name or "grain", shrink=0.7)
    axes.set(xlabel="x (nm)", ylabel="y (nm)", zlabel="z (nm)")
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    return base64.b64encode(file.getvalue()).decode("ascii")


def _write_whole(path: Path, text: str) -> None:
    """Write under a temporary name and rename: a full disk leaves no half of a page."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
