"""Lets maria's tests run on SQLite in memory, to see what PostgreSQL costs them.

A pytest plug-in: what maria takes from PostgreSQL gets its nearest likeness. Tests that
fail on it, since they ask for PostgreSQL's own words, are left out on both sides.
"""

import datetime
import os
import sys

import maria.database
import maria.settings
from maria.models import Base
from maria.repositories import conversations, participants
from sqlalchemy import BigInteger, create_engine, event, make_url
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import sessionmaker


@compiles(BigInteger, "sqlite")
def integer(*_args, **_options):
    return "INTEGER"


def engine_on(url):
    engine = create_engine(url, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def prepare(connection, _record):
        connection.isolation_level = None  # else the driver commits on its own
        connection.create_function("clock_timestamp", 0, now)
        connection.execute("PRAGMA foreign_keys = on")

    @event.listens_for(engine, "begin")
    def begin(connection):
        connection.exec_driver_sql("BEGIN")

    return engine


def connect(settings):
    engine = engine_on(settings.database_url)
    return maria.database.Database(engine, sessionmaker(engine))


def now():
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


maria.database.connect = connect
conversations.insert = participants.insert = insert
address = maria.settings.Settings.__dataclass_fields__["database_url"]
address.metadata = {**address.metadata, "read": make_url}

if __name__ == "__main__":
    Base.metadata.create_all(engine_on(f"sqlite:///{sys.argv[1]}"))
elif "DATABASE_URL" not in os.environ:
    os.environ["DATABASE_URL"] = "sqlite://"
