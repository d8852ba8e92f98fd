"""Elimination orders by nested dissection."""
