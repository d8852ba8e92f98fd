"""The run directory: atomic files, digests, provenance."""
