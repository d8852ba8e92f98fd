"""What each method of a task is expected to take, in seconds and bytes: what `auto` and `bdg.estimate` go by.

Operations are counted on the symbolic factorisation of the very geometry, or from degree and number of columns of an
expansion; `bdg.gpu.cost.model` turns them into seconds. How many solves or sweeps an iteration takes is a mean of
measured cases: crowded levels (clean systems) take several times as many.
"""

from __future__ import annotations


# ---------------------------------------------------------------------------------------------------- device and choice


# --------------------------------------------------------------------------------------------------------- bound states


# --------------------------------------------------------------------------------------------------------- thermal sums
