"""Solvers of matrices on a device; no physics above the particle-hole symmetry of H."""
