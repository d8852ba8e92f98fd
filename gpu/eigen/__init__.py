"""Eigenpairs: search, proof, slices, counts."""
