"""The journal's database: SQLite made durable and patient, or whatever else the URL names."""

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from maint.errors import UsageProblem

BUSY_SECONDS = 10.0
"""How long to wait for another process that is writing to the same file."""


def open_database(url: str) -> Engine:
    """Return an engine for the journal at `url`; raises UsageProblem where there can be none."""
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            return create_engine(parsed, pool_pre_ping=True)
        if parsed.database:
            path = Path(parsed.database)
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
        engine = create_engine(parsed, connect_args={"timeout": BUSY_SECONDS})
    except (SQLAlchemyError, OSError, ImportError) as error:
        raise UsageProblem(
            f"the journal cannot be opened: {reason_of(error)}",
            where="MAINT_JOURNAL" if os.environ.get("MAINT_JOURNAL") else url,
            next="set MAINT_JOURNAL to a file, or to an SQLAlchemy URL such as postgresql+psycopg://...",
        ) from error
    event.listen(engine, "connect", _durable)
    event.listen(engine, "begin", _immediate)
    return engine


def reason_of(error: Exception) -> str:
    """Return what a driver said, as one line."""
    return " ".join(str(getattr(error, "orig", None) or error).split())


def _durable(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # transactions are begun by _immediate, not by the driver
    _switch_to_wal(connection)
    connection.execute("PRAGMA synchronous=FULL")


def _switch_to_wal(connection: Any) -> None:
    """Switch, which a new file needs once; unlike any other statement it does not wait for others by itself."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return


def _immediate(connection: Connection) -> None:
    # A deferred transaction that reads first may fail to become a writer; this one waits its turn instead.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
