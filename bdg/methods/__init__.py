"""Which method on which device, why, and what it takes; what solvers need of a geometry."""
