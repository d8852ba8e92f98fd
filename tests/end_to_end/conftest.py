"""What is not asked of a process of its own runs in this one: `command_here` and `tiny_kind` lie in tests/helpers."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))


@pytest.fixture(scope="module")
def tiny():
    """The kind of job that is all machinery and no physics, known to this process."""
    from tiny_kind import KIND

    from bdg.jobs import kinds

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kinds, "_REGISTERED", {KIND.name: KIND})
        yield KIND
