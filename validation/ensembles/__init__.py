"""Ensembles that were computed once and are kept as small tables, with the command that makes each again."""
