"""Packings of spheres, and what building takes."""
