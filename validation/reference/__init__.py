"""Closed forms and independent routes that the checks compare with."""
