"""Figures from arrays: axes and colours, maps, levels, phases, parts, decay."""
