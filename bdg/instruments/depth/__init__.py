"""The penetration depth that images of vortices allow: family of spots, likelihood, posterior, fit."""
