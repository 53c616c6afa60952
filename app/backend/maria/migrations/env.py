"""How does Alembic reach the database? Only DATABASE_URL has to be set for it."""

from logging.config import fileConfig
from typing import Any

from alembic import context
from alembic.util import CommandError
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from maria.models import Base
from maria.settings import SettingsError, database_url_from

if context.config.config_file_name:
    fileConfig(context.config.config_file_name, disable_existing_loggers=False)

# Each revision is committed by itself: what is done stays done, a retry goes on there.
OPTIONS: dict[str, Any] = {
    "target_metadata": Base.metadata,
    "compare_type": True,
    "transaction_per_migration": True,
}

try:
    url = database_url_from()
except SettingsError as error:
    raise CommandError(error.message) from None

if context.is_offline_mode():
    context.configure(url=url, literal_binds=True, **OPTIONS)
    with context.begin_transaction():
        context.run_migrations()
else:
    with create_engine(url, poolclass=NullPool).connect() as connection:
        context.configure(connection=connection, **OPTIONS)
        with context.begin_transaction():
            context.run_migrations()
