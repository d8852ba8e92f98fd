"""Densities of states in energy and place, their ratios, spectral functions."""
