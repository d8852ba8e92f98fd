"""Which line of whose code a warning points at: that which called a public function, not one of this package."""

from __future__ import annotations

import sys
from types import FrameType

from bdg.gpu.device import threads


def caller_of(public: int = 0) -> tuple[FrameType, int]:
    """Return the frame that called a public function, and its ``stacklevel`` for a warning that the asker gives.

    Parameters
    ----------
    public : int
        How many frames above the asker the public function is; 0 is the asker itself.
    """
    frame: FrameType | None = sys._getframe(public + 2)
    level = public + 2
    while frame is not None and frame.f_globals.get("__name__") == threads.__name__:  # the wrapper of `threaded`
        frame, level = frame.f_back, level + 1
    assert frame is not None
    return frame, level
