"""Laboratory units: penetration depth."""
