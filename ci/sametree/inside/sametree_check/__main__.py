"""``python -m sametree_check``: see ``program``."""

import sys

from .program import main

if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
