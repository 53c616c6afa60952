"""Of which git tree was this application built?"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

# Written by hatch_build.py into the wheel and the sdist; absent in a checkout.
STAMP = Path(__file__).parent / "_tree.txt"


def tree(environ: Mapping[str, str] = os.environ, stamp: Path = STAMP) -> str:
    """Return the tree id which the environment or the built artifact names."""
    if told := environ.get("SAMETREE_TREE"):
        return told
    if stamp.is_file():
        return stamp.read_text().strip()
    return "unknown"
