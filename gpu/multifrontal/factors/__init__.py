"""Factors of z - H: elimination, solves, selected inverse, inertia."""
