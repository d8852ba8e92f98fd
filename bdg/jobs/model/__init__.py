"""What a job is made of: keys, sweeps, points, kinds, results, figures."""
