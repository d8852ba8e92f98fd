"""Factors at z = i w in the quaternion and the Majorana form."""
