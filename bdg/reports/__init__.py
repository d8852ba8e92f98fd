"""A run as one page: what was asked, what came out, how, with plots to turn and to choose."""
