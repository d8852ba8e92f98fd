"""Couplings of two grains: boxes of the BdG host, their table, and short junctions beside it."""
