"""Poles of tanh and of the free energy, chosen for a wanted error."""
