"""How is a statement without parameters sent, through any driver?"""

from __future__ import annotations

from typing import Any


def run(connection: Any, sql: str) -> Any:
    """Run ``sql`` on an SQLAlchemy connection, as it is; return SQLAlchemy's result."""
    if connection.dialect.driver == "pg8000":
        sql = sql.replace("%", "%%")  # it looks for parameters in any case
    return connection.execution_options(no_parameters=True).exec_driver_sql(sql)
