"""Of what is the application put together?"""

from __future__ import annotations

from flask import Flask
from werkzeug.routing import BaseConverter

from maria import blueprints, database, logs, problems, seed
from maria.database import Database
from maria.settings import Settings

MAX_BODY = 64 * 1024
"""Bytes of a request body: the longest message, each character escaped, fits."""


class IdConverter(BaseConverter):
    """``<id:…>`` in a route: a number up to MAX_ID; anything else is a 404."""

    regex = "[1-9][0-9]{0,17}"

    def to_python(self, value: str) -> int:
        return int(value)


def build(settings: Settings, to: Database) -> Flask:
    """Return an application with these settings that works on the database ``to``."""
    app = Flask("maria", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.config["PAGE_SIZE"] = settings.page_size
    app.url_map.converters["id"] = IdConverter
    logs.install(app, settings.log_level)
    problems.install(app)
    database.install(app, to)
    for blueprint in blueprints.ALL:
        app.register_blueprint(blueprint)
    app.cli.add_command(seed.command)
    return app
