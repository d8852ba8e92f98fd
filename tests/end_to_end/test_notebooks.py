"""The notebooks run from top to bottom in a fresh kernel, and lie in the repository as they were executed."""

import json
import re
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "runs" / "notebooks").glob("*.ipynb"))
LARGEST = 400_000  # bytes of a notebook with its figures
EACH = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@EACH
def test_stored_as_executed(path):
    text = path.read_text()
    code = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    outputs = [output for cell in code for output in cell["outputs"]]
    assert len(text) < LARGEST
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert not [output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"]
    words = "".join("".join(output.get("text", "")) for output in outputs)
    assert not re.search(r"/(tmp|home|work|Users)/", words), "outputs name a folder of one machine"
    assert any("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the kernel machinery, not of ours
@EACH
def test_notebook_runs(path, monkeypatch):
    monkeypatch.delenv("MPLBACKEND", raising=False)  # figures must come out inline, as a reader sees them
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient")
    notebook = nbformat.read(path, as_version=4)
    client.NotebookClient(notebook, timeout=300, startup_timeout=300, kernel_name="python3").execute(cwd=path.parent)
    last = next(cell for cell in reversed(notebook.cells) if cell.cell_type == "code")
    assert "True" in "".join(output.get("text", "") for output in last.outputs)
    assert any("image/png" in output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", []))
