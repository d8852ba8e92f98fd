"""Timings on this machine, each beside what a user would do without this package: ``bdg benchmark``."""
