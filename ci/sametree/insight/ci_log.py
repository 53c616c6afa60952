"""How does a log on GitHub stay readable, and obey nobody but us?

GitHub folds what stands in a group, and takes lines that begin with ``::`` for commands
(docs: workflow commands). What steps print is not ours: a test of a tool like this one
prints such lines, and they would become annotations, or hide words in the whole log.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from sametree import terminal

COMMAND = re.compile(r"^\s*::|##\[", re.MULTILINE)


@contextmanager
def folded(title: str) -> Iterator[None]:
    """Fold what is printed in the block under ``title``, and let none of it be obeyed.

    Elsewhere than on GitHub this does nothing. Groups cannot be nested there.
    """
    if not terminal.on_github():
        yield
        return
    token = secrets.token_hex(16)  # nobody can guess how to be obeyed again
    told = " ".join(title.split()).replace("%", "%25")
    print(f"::group::{told}\n::stop-commands::{token}", flush=True)
    try:
        yield
    finally:
        # The step's last line may be without an end; on it we would not be heard.
        print(f"\n::{token}::\n::endgroup::", flush=True)


def unheeded(text: str) -> str:
    """Return ``text`` of others so that GitHub obeys no command in it."""
    if not terminal.on_github() or not COMMAND.search(text):
        return text
    token = secrets.token_hex(16)
    return f"::stop-commands::{token}\n{text}\n::{token}::"
