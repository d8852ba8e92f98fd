"""Seconds and bytes of the kernels, from rates measured on this machine."""
