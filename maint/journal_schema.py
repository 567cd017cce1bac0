"""The journal's tables. `scope` is the environment, in rehearsal one per world; times are ISO-8601 in UTC."""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    text,
)

VERSION = 1
OPEN_STATES = ("intended", "in force", "reverting", "stuck")

metadata = MetaData()

meta = Table("meta", metadata, Column("version", Integer, nullable=False))

runs = Table(
    "runs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("scope", String(64), nullable=False),
    Column("window", String(120), nullable=False),
    Column("phase", String(40), nullable=False),
    Column("who", String(120), nullable=False),
    Column("started", String(40), nullable=False),
    Column("ended", String(40)),
    Column("verdict", String(20)),
    Column("partial", Boolean, nullable=False),
    Column("report", Text),
)

holds = Table(
    "holds",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("scope", String(64), nullable=False),
    Column("run", String(32), nullable=False),
    Column("window", String(120), nullable=False),
    Column("phase", String(40), nullable=False),
    Column("step", String(60), nullable=False),
    Column("kind", String(60), nullable=False),
    Column("resource", String(250), nullable=False),
    Column("title", Text, nullable=False),
    Column("action", JSON, nullable=False),
    Column("captured", JSON, nullable=False),
    Column("state", String(20), nullable=False),
    Column("why", Text, nullable=False),
    Column("until", String(40)),
    Column("until_time", String(40), nullable=False),
    Column("opened", String(40), nullable=False),
    Column("changed", String(40), nullable=False),
)
_is_open = text("state IN ('intended', 'in force', 'reverting', 'stuck')")
Index(
    "one_open_hold",
    holds.c.scope,
    holds.c.resource,
    unique=True,
    sqlite_where=_is_open,
    postgresql_where=_is_open,
)

steps = Table(
    "steps",
    metadata,
    Column("scope", String(64), nullable=False),
    Column("window", String(120), nullable=False),
    Column("step", String(60), nullable=False),
    Column("status", String(20), nullable=False),
    Column("run", String(32), nullable=False),
    Column("who", String(120), nullable=False),
    Column("since", String(40), nullable=False),
    Column("changed", String(40), nullable=False),
    Column("before", JSON, nullable=False),
    Column("handle", Text),
    Column("evidence", Text, nullable=False),
    PrimaryKeyConstraint("scope", "window", "step"),
)

leases = Table(
    "leases",
    metadata,
    Column("scope", String(64), nullable=False),
    Column("phase", String(40), nullable=False),
    Column("token", String(32), nullable=False),
    Column("run", String(32), nullable=False),
    Column("who", String(120), nullable=False),
    Column("host", String(120), nullable=False),
    Column("boot", String(60), nullable=False),
    Column("processes", JSON, nullable=False),
    Column("since", String(40), nullable=False),
    Column("expires", Float, nullable=False),  # seconds since 1970 by the database's clock
    Column("stopping", Boolean, nullable=False),
    PrimaryKeyConstraint("scope", "phase"),
)

events = Table(
    "events",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=True),
    Column("scope", String(64), nullable=False),
    Column("at", String(40), nullable=False),
    Column("moment", String(40), nullable=False),  # the window clock's time
    Column("run", String(32), nullable=False),
    Column("who", String(120), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("subject", String(250), nullable=False),
    Column("words", Text, nullable=False),
    Column("data", JSON, nullable=False),
)
