"""Phases of many junctions in time: driven arrays, thermal noise, magnetic fields that are ramped."""
