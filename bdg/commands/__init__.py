"""Commands of `bdg` besides those that run and read jobs, which `bdg.cli` has."""
