"""Panels that the figures of several kinds of jobs share."""

from __future__ import annotations

MOST_ROWS = 4  # boxes that get a row of panels of their own; means over all of them are in results.h5
