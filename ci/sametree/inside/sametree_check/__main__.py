"""``python -m sametree_check``: see ``program``."""

import contextlib
import gc
import os
import sys

from sqlalchemy.engine import make_url

from .program import main


def driver() -> None:
    """Import what connections need, if a database is named."""
    with contextlib.suppress(Exception):  # who connects tells what is wrong with it
        make_url(os.environ["DATABASE_URL"]).get_dialect().import_dbapi()


if __name__ == "__main__":
    driver()
    gc.freeze()  # What is loaded stays: else the end looks through all of it, for 0.1 s.
    # What came with packages may be kept compiled, and is by now. A migration may not: a
    # compiled file is taken for current when a change within the same second leaves the
    # length as it was.
    sys.dont_write_bytecode = True
    sys.exit(main(*sys.argv[1:]))
