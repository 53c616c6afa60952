"""Do migrations ask for a Flask application, and which one is it?

Flask-Migrate's ``env.py`` takes engine and models from ``current_app``, so the programs
that run it do so within the application's context (``inside/sametree_flask``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sametree.database import history
from sametree.settings import Component, Settings

VARIABLE = "FLASK_APP"
"""Flask's own name for it (flask.palletsprojects.com/en/stable/cli)."""
PROGRAM = Path(__file__).parent.parent / "inside" / "sametree_flask.py"
ASKS = re.compile(r"^(?!\s*#).*\bcurrent_app\b", re.M)


def runner(folder: Path) -> Sequence[str]:
    """Return what stands before a program of ``inside``: Python, and our launcher where
    the ``env.py`` of the component in ``folder`` asks for an application."""
    if (config := history.configuration(folder)) is not None:
        places, _ = history.locations(folder, config)
        for place in places:
            env = place / "env.py"
            if env.is_file() and ASKS.search(env.read_text("utf-8", "replace")):
                return ("python", str(PROGRAM))
    return ("python", "-m")


def named(settings: Settings, component: Component) -> Mapping[str, str]:
    """Return the application that commands in the settings name, as a variable."""
    commands = [component.serve]
    if settings.database and settings.database.component == component.name:
        commands.append(settings.database.seed)
    for command in commands:
        for name in _named(command):
            return {VARIABLE: name}
    return {}


def _named(command: Sequence[str]) -> Iterator[str]:
    """Yield what ``flask --app NAME`` names.

    >>> list(_named(("flask", "--app", "shop", "run"))), list(_named(("flask", "run")))
    (['shop'], [])
    """
    if "flask" not in command:
        return
    for word, following in zip(command, [*command[1:], ""], strict=True):
        if word in ("--app", "-A") and following:
            yield following
        elif word.startswith("--app="):
            yield word.removeprefix("--app=")
