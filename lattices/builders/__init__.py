"""Builders: stacks, composites, kwant, interfaces, disorder."""
