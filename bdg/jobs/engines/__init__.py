"""Who computes the points of a job."""
