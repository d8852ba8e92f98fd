"""Bound states, counts, and proofs that none is missing."""
