"""Is it right, and is it quick: checks, rows of the experiments, references, benchmarks."""
