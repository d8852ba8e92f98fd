"""Fronts, classes and memory of a factorisation, before any number is known."""
