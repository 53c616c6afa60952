"""Why do two runs differ, and what is the likely cause?

``runs`` matches two runs unit by unit, ``pairs`` says what differs between two records
and what of it must not, ``causes`` which of it explains a result, ``sides`` which two
runs are meant; ``sentences``, ``columns`` and ``screen`` show it.
"""

from sametree.insight.compare.runs import Comparison, compare, compare_runs, parity

__all__ = ["Comparison", "compare", "compare_runs", "parity"]
