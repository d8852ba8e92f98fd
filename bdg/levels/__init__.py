"""What levels say: statistics, curves along a parameter, Thouless energy."""
