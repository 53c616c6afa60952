"""How does a request get at the database, and when is its work kept?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from flask import Flask, current_app
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session, sessionmaker

from maria.repositories import Conversations, Messages, Participants
from maria.settings import Settings


@dataclass(frozen=True)
class Database:
    """An engine, which connects when first used, and the sessions made on it."""

    engine: Engine
    sessions: sessionmaker[Session]


def connect(settings: Settings) -> Database:
    """Return the database which the settings name, without connecting yet."""
    url = settings.database_url
    options = f"-c timezone=UTC -c statement_timeout={settings.statement_timeout_ms}"
    engine = create_engine(
        url,
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_timeout=5,
        pool_pre_ping=True,
        # Parameters are what people wrote: they do not belong in logs.
        hide_parameters=True,
        connect_args={
            "application_name": "maria",
            "connect_timeout": 5,
            # Options in the address go last: they win over ours.
            "options": f"{options} {url.query.get('options', '')}".rstrip(),
        },
    )
    return Database(engine, sessionmaker(engine))


@dataclass(frozen=True)
class UnitOfWork:
    """The repositories, all on the one session whose work is kept or dropped whole."""

    session: Session

    @property
    def conversations(self) -> Conversations:
        return Conversations(self.session)

    @property
    def messages(self) -> Messages:
        return Messages(self.session)

    @property
    def participants(self) -> Participants:
        return Participants(self.session)


def install(app: Flask, database: Database) -> None:
    """Let the application's units of work happen in ``database``."""
    app.extensions["database"] = database


@contextmanager
def unit_of_work() -> Iterator[UnitOfWork]:
    """Commit what is done inside, or nothing of it when an error leaves the block."""
    database: Database = current_app.extensions["database"]
    with database.sessions.begin() as session:
        yield UnitOfWork(session)
