"""Array modules, transfers, memory."""
