"""maria: conversations, their messages and the people who take part in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from maria.database import Database
    from maria.settings import Settings

__version__ = "0.1.0"


def create_app(
    settings: Settings | None = None, database: Database | None = None
) -> Flask:
    """Return the application; what is not given is made from the environment.

    The imports are in here so that ``maria.settings`` or the migrations can be used
    without loading Flask.
    """
    from maria.application import build
    from maria.database import connect
    from maria.settings import Settings

    settings = settings or Settings.from_environment()
    return build(settings, database or connect(settings))
