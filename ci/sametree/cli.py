"""The ``sametree`` command: what the suite knows of a project, for people and editors."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import sametree
from sametree.errors import SametreeError, UsageError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code (see ``sametree.errors``)."""
    parser = argparse.ArgumentParser(prog="sametree", description=sametree.__doc__)
    parser.add_argument("--version", action="version", version=sametree.__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("schema", help="print the JSON Schema of [tool.sametree]")
    shown = commands.add_parser(
        "settings", help="print the settings, with all that was found by looking"
    )
    shown.add_argument("folder", nargs="?", type=Path, default=Path())
    options = parser.parse_args(argv)
    try:
        print(json.dumps(_answer(options), indent=2))
    except SametreeError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def _answer(options: argparse.Namespace) -> object:
    import msgspec

    from sametree import settings

    if options.command == "schema":
        return settings.schema()
    if not options.folder.is_dir():
        raise UsageError(f"there is no folder {options.folder}")
    return msgspec.to_builtins(settings.load(options.folder).settings)


if __name__ == "__main__":
    sys.exit(main())
