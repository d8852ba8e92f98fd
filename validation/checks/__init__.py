"""Closed forms and exact equations, one file a check; every module here has a ``CHECK``."""
