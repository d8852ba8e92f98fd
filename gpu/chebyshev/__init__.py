"""Chebyshev expansions: products, moments, columns, traces."""
