"""The page of a run in a headless Chromium: no error, a view that turns, tables that say what results.h5 holds."""

import asyncio

import pytest
from browser import with_page
from command_here import bdg_here

from bdg.jobs.model.results import read_results
from bdg.reports.page import write_report
from bdg.reports.tables import in_words

pytest.importorskip("plotly", reason="the extra 'report' is not installed")
pytestmark = pytest.mark.slow

JOB = """
[job]
kind = "composite"
[system]
size_nm = [12, 12, 12]
spacing_nm = 2.4
diameter_nm = 7
volume_fraction = 0.1
periodic = true
seed = [0, 1]
[compute]
temperature_K = 10
states = 4
tolerance = 1e-3
[output]
figures = false
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    place = tmp_path_factory.mktemp("report")
    (place / "job.toml").write_text(JOB)
    done = bdg_here("run", "job.toml", "--out", "out", cwd=place)
    assert done.returncode == 0, done.stderr
    return place / "out", write_report(place / "out")


@pytest.mark.parametrize(("size", "dark"), [((1200, 900), False), ((1200, 900), True), ((390, 800), False)])
def test_the_view_turns_and_the_page_fits(page, size, dark):
    async def act(tab):
        await tab.until("!!document.querySelector('#space canvas')")
        await tab.value("document.getElementById('space').scrollIntoView({block: 'center'})")
        await asyncio.sleep(1.5)  # the first frames
        x, y, width, height = await tab.value(
            "(() => {const r = document.getElementById('space').getBoundingClientRect();"
            "return [r.x, r.y, r.width, r.height]})()"
        )
        camera = "JSON.stringify(document.getElementById('space')._fullLayout.scene._scene.getCamera().eye)"
        before, seen = await tab.value(camera), await tab.picture()
        middle = x + width / 2, y + height / 2
        await tab.drag(middle, (middle[0] + 80, middle[1] + 40))
        await asyncio.sleep(1.0)
        after, turned = await tab.value(camera), await tab.picture()
        overflow = await tab.value("document.documentElement.scrollWidth - window.innerWidth")
        return tab.console, before != after, seen != turned, overflow

    console, moved, changed, overflow = with_page(page[1], act, size, dark)
    assert console == []
    assert moved and changed
    assert overflow <= 0


def test_slices_colours_and_points_can_be_chosen(page):
    choose = (
        "(id, value) => {const e = document.getElementById(id); e.value = value; e.dispatchEvent(new Event('change'))}"
    )
    shown = "document.getElementById('space').data.reduce((sum, trace) => sum + trace.x.length, 0)"

    async def act(tab):
        await tab.until("!!document.querySelector('#space canvas')")
        counts = [await tab.value(shown)]
        for call in ("('sites', 'grains')", "('sites', 'host')", "('sites', 'all')", "('axis', '2')", "('scene', '1')"):
            await tab.value(f"({choose}){call}")
            counts.append(await tab.value(shown))
        return tab.console, counts, await tab.value("document.getElementById('where').textContent")

    console, (all_, grains, host, again, slice_, _), where = with_page(page[1], act)
    assert console == []
    assert all_ == again == 125 and grains + host == all_ and 0 < grains < host
    assert slice_ == 25 and where.startswith("z = ")


def test_the_tables_say_what_the_file_holds(page):
    table = "document.querySelector('table.data[data-title=Points]')"
    rows = f"[...{table}.rows].map(row => [...row.cells].map(cell => cell.innerText))"

    async def act(tab):
        return tab.console, await tab.value(rows)

    console, (head, *body) = with_page(page[1], act)
    results = read_results(page[0] / "results.h5")
    assert console == [] and len(body) == len(results) == 2
    for number, name in enumerate(title.split("\n")[0] for title in head):
        for row, point in zip(body, results, strict=True):
            if name in point.observables:
                assert row[number] == in_words(point[name].item())


def test_without_webgl_a_picture_stands_there(page):
    async def act(tab):
        await tab.send(
            "Page.addScriptToEvaluateOnNewDocument", source="HTMLCanvasElement.prototype.getContext = () => null"
        )
        await tab.send("Page.reload")
        await tab.until("document.readyState === 'complete' && !!document.getElementById('still')")
        return await tab.value("[document.getElementById('space').hidden, document.getElementById('still').hidden]")

    assert with_page(page[1], act) == [True, False]
