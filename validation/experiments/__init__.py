"""Published measurements and what the models make of them, one file a row; every module here has a ``CHECK``."""

COMPOSITE = "Macroscale 3-D proximity effect in disordered N/S nanocomposites"
SPHERES = "Superconductivity in Mg/MgO interface, arXiv:1205.2981"
