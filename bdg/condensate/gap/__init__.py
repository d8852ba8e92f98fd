"""The self-consistent gap equation: unknowns, mixing, verification, checkpoints."""
