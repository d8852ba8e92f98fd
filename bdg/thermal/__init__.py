"""Elements of tanh(H/2T): sums over poles or levels, free energy, electron density."""
