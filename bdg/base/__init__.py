"""What every call is made of: Hamiltonian, arguments, results with their evidence, errors."""
