"""Every public name has one section on the docs site."""

import importlib.util
import inspect
from pathlib import Path

import bdg

PATH = Path(__file__).resolve().parents[3] / "docs" / "site" / "pages.py"


def test_every_public_name_has_one_section():
    spec = importlib.util.spec_from_file_location("pages", PATH)
    pages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pages)
    known: dict[int, str] = {}
    text = "\n".join(pages.room_page(room, title, known) for room, title in pages.ROOMS.items())
    sections = [line.split(":: ")[1] for line in text.splitlines() if line.startswith((".. autof", ".. autoc"))]
    assert len(sections) == len(set(sections))
    for room in (bdg, bdg.lattices, bdg.granular, bdg.electrodynamics, bdg.instruments):
        for name in room.__all__:
            value = getattr(room, name)
            if inspect.isroutine(value) or inspect.isclass(value):
                assert known[id(value)] in sections, name
