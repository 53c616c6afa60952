"""The ``sametree`` command: what the suite knows of a project, for people and editors."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # `sametree run` has to answer in milliseconds
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code (see ``sametree.errors``)."""
    given = list(sys.argv[1:] if argv is None else argv)
    if given[:1] == ["run"]:
        return _run(given[1:])
    import argparse
    import json
    from pathlib import Path

    import sametree
    from sametree.errors import SametreeError

    parser = argparse.ArgumentParser(prog="sametree", description=sametree.__doc__)
    parser.add_argument("--version", action="version", version=sametree.__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("schema", help="print the JSON Schema of [tool.sametree]")
    commands.add_parser(
        "run", help="do what `nox ARGS` does; at once where all is proven"
    ).add_argument("args", nargs="*", metavar="ARGS")
    shown = commands.add_parser(
        "settings", help="print the settings, with all that was found by looking"
    )
    shown.add_argument("folder", nargs="?", type=Path, default=Path())
    options = parser.parse_args(given)
    try:
        print(json.dumps(_answer(options), indent=2))
    except SametreeError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def _run(args: list[str]) -> int:
    """Do what ``nox ARGS`` does; what is proven is told before Nox is imported."""
    from sametree.answers import Answer

    if Answer(os.getcwd(), args).told():
        return 0
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "nox", *args])


def _answer(options: argparse.Namespace) -> object:
    import msgspec

    from sametree import settings
    from sametree.errors import UsageError

    if options.command == "schema":
        return settings.schema()
    if not options.folder.is_dir():
        raise UsageError(f"there is no folder {options.folder}")
    return msgspec.to_builtins(settings.load(options.folder).settings)


if __name__ == "__main__":
    sys.exit(main())
