"""Figures of the kinds, a module each."""
