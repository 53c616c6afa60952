"""Which migrations does this code bring along, and how are they run?

The migrations are part of the wheel, so `python -m maria.migrate upgrade head` works
wherever the application is installed. It is the `alembic` command, with its other
sub-commands, without an `alembic.ini`.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Collection, Sequence

from alembic.config import CommandLine, Config
from alembic.script import ScriptDirectory


def config() -> Config:
    """Return Alembic's configuration for the packaged migrations."""
    config = Config()
    config.set_main_option("script_location", "maria:migrations")
    return config


@functools.cache
def expected_heads() -> list[str]:
    """Return the revisions at which a database has the schema this code expects."""
    return sorted(ScriptDirectory.from_config(config()).get_heads())


@functools.cache
def known_revisions() -> frozenset[str]:
    """Return every revision that this code brings along."""
    script = ScriptDirectory.from_config(config())
    return frozenset(each.revision for each in script.walk_revisions())


def lacks(found: Collection[str]) -> bool:
    """Return whether a database at the heads ``found`` lacks what this code expects.

    One that is ahead does not: a newer release has run its migrations, which this code
    does not know, and they leave it all it needs (expand before contract).
    """
    return sorted(found) != expected_heads() and known_revisions().issuperset(found)


def main(argv: Sequence[str] | None = None) -> None:
    """Run one of Alembic's sub-commands."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    command_line = CommandLine(prog="python -m maria.migrate")
    options = command_line.parser.parse_args(argv)
    if not hasattr(options, "cmd"):
        command_line.parser.error("a command is missing; try: upgrade head")
    own = config()
    own.cmd_opts = options
    command_line.run_cmd(own, options)


if __name__ == "__main__":
    main()
