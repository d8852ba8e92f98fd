"""What several kinds of job share: systems, keys, tables, limits."""
