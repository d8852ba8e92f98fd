"""Grains with phases of their own: responses and harmonics of their free energy."""
