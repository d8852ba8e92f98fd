"""Measurements of the device: stages, steps, their table."""
