"""Currents on bonds, current against phase, superfluid stiffness."""
