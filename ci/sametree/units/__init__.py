"""What does each session do for one component? Capabilities, put in order.

A unit knows nothing of Nox: it is given a folder for its environment, and says with an
exception why it failed. ``sametree.sessions`` makes Nox sessions of the units.
"""

from sametree.units.work import Work

__all__ = ["Work"]
