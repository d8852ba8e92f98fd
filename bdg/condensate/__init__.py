"""Pairs: their amplitude, the transition temperature, the BCS curve."""
