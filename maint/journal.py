"""The write-ahead record of runs, steps and holds: the only truth about what is held and done.

Every change is one transaction that also appends an event (who, when, from where, what) and is on disk before the
call returns. SQLite by default; PostgreSQL for a team, where `MAINT_JOURNAL` is an SQLAlchemy URL.
"""

import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select, text, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from maint import journal_schema as schema
from maint.errors import MaintError, UsageProblem
from maint.journal_database import open_database, reason_of
from maint.processes import whoami
from maint.redact import redact

CREATION = int.from_bytes(b"maint")
"""The lock under which a PostgreSQL journal's tables are made."""


class HoldClosed(MaintError):
    """Somebody released a hold, or gave it back, while this process still worked with it."""


def new_id() -> str:
    """Return a short id that a person can type."""
    return secrets.token_hex(4)


@dataclass(frozen=True)
class RunRecord:
    """One pytest process that executes one phase."""

    id: str
    scope: str
    window: str
    phase: str
    who: str
    started: str
    ended: str | None
    verdict: str | None
    partial: bool
    report: str | None


@dataclass(frozen=True)
class HoldRecord:
    """A reversible action in force, and what it takes to undo it: `action` rebuilds it, `captured` is what was.

    until: the phase that gives it back, or None for its own run. until_time: by when it is meant to be back.
    """

    id: str
    scope: str
    run: str
    window: str
    phase: str
    step: str
    kind: str
    resource: str
    title: str
    action: dict[str, Any]
    captured: dict[str, Any]
    state: str
    why: str
    until: str | None
    until_time: str
    opened: str
    changed: str

    @property
    def open(self) -> bool:
        """Say whether there is still something to give back."""
        return self.state in schema.OPEN_STATES


@dataclass(frozen=True)
class StepRecord:
    """A line of the runbook as it stands; `before` and `handle` find a started one-way action again."""

    scope: str
    window: str
    step: str
    status: str
    run: str
    who: str
    since: str
    changed: str
    before: dict[str, Any]
    handle: str | None
    evidence: str


@dataclass(frozen=True)
class Event:
    """One line of the append-only history; `at` is the machine's time, `moment` the window's."""

    n: int
    scope: str
    at: str
    moment: str
    run: str
    who: str
    kind: str
    subject: str
    words: str
    data: dict[str, Any]


def journal_url(scope: str) -> str:
    """Return MAINT_JOURNAL, else a file of this scope's own in the user's state directory."""
    named = os.environ.get("MAINT_JOURNAL")
    if named:
        return named if "://" in named else f"sqlite:///{Path(named).expanduser().resolve()}"
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return f"sqlite:///{state / 'maint' / 'journal' / (scope.replace(':', '-') + '.db')}"


class Journal:
    """One scope's part of the journal. Safe to use from several threads and processes at once.

    url: an SQLAlchemy URL. moment: tells the window clock's time for the history.
    Raises UsageProblem when the journal cannot be opened: nothing live has been touched by then.
    """

    def __init__(self, url: str, scope: str, *, moment: Callable[[], datetime] | None = None) -> None:
        self.url, self.scope, self.who = url, scope, whoami()
        self.run = ""
        self._moment = moment or (lambda: datetime.now(UTC))
        self.engine = open_database(url)
        self._create()

    def _create(self) -> None:
        shown = make_url(self.url).render_as_string(hide_password=True)
        try:
            with self.engine.begin() as db:
                if db.dialect.name == "postgresql":  # two who both find no tables would both make them
                    db.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": CREATION})
                schema.metadata.create_all(db)
                version = db.execute(select(schema.meta.c.version)).scalar()
                if version is None:
                    db.execute(insert(schema.meta).values(version=schema.VERSION))
                elif version > schema.VERSION:  # raised within the transaction: nothing is added to it either
                    raise UsageProblem(
                        "the journal was written by a newer version "
                        f"(format {version}, this one knows {schema.VERSION})",
                        where=shown,
                        next="update this checkout",
                    )
        except (SQLAlchemyError, OSError) as error:
            raise UsageProblem(
                f"the journal cannot be used: {reason_of(error)}",
                where=shown,
                next="set MAINT_JOURNAL to a file or database that can be written",
            ) from error

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open one durable transaction; raises MaintError, with nothing written, when the journal fails."""
        moment = self._now_in_the_window()  # asked before the database is locked: it may take a request
        with self._transaction() as db:
            db.info["moment"] = moment
            yield db

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self.engine.begin() as db:
                yield db
        except IntegrityError:
            raise
        except DBAPIError as error:
            raise MaintError(
                f"the journal could not be read or written: {reason_of(error)}",
                where=self.engine.url.render_as_string(hide_password=True),
                next="maint status",
            ) from error

    def record(self, db: Connection, kind: str, subject: str, words: str = "", **data: Any) -> None:
        """Append one event within a transaction."""
        db.execute(
            insert(schema.events).values(
                scope=self.scope,
                at=now(),
                moment=db.info["moment"],
                run=self.run,
                who=self.who,
                kind=kind,
                subject=subject,
                words=redact(words),
                data=data,
            )
        )

    def _now_in_the_window(self) -> str:
        try:
            moment = self._moment()
        except MaintError:
            moment = datetime.now(UTC)  # the twin is gone: what happened is recorded all the same
        return moment.isoformat(timespec="seconds")

    def note(self, kind: str, subject: str, words: str = "", **data: Any) -> None:
        """Append one event on its own."""
        with self.write() as db:
            self.record(db, kind, subject, words, **data)

    # runs ---------------------------------------------------------------------------------------------------------

    def begin_run(self, run: str, window: str, phase: str, *, partial: bool, report: str) -> None:
        """Record that a run begins; later events of this process belong to it."""
        self.run = run
        with self.write() as db:
            db.execute(
                insert(schema.runs).values(
                    id=run, scope=self.scope, window=window, phase=phase, who=self.who, started=now(),
                    partial=partial, report=report,
                )
            )  # fmt: skip
            self.record(db, "run begins", phase, window=window)

    def end_run(self, run: str, verdict: str) -> None:
        """Record how a run ended: green, red or interrupted."""
        with self.write() as db:
            db.execute(update(schema.runs).where(schema.runs.c.id == run).values(ended=now(), verdict=verdict))
            self.record(db, "run ends", run, verdict)

    def runs(self, limit: int = 10) -> list[RunRecord]:
        """Return the last runs, newest first."""
        table = schema.runs
        query = select(table).where(table.c.scope == self.scope).order_by(table.c.started.desc()).limit(limit)
        return [RunRecord(**row) for row in self._read(query)]

    # holds --------------------------------------------------------------------------------------------------------

    def intend(self, intentions: list[HoldRecord]) -> None:
        """Have the intention of each hold on disk, with what was captured, before anything live is touched.

        Raises MaintError when somebody else opened a hold on one of the resources meanwhile; none is recorded then.
        """
        try:
            with self.write() as db:
                for hold in intentions:
                    db.execute(insert(schema.holds).values(**vars(hold)))
                    self.record(db, "hold intended", hold.resource, hold.title, hold=hold.id)
        except IntegrityError as error:
            raise MaintError(
                "another run opened a hold on the same thing at the same moment",
                where=", ".join(hold.resource for hold in intentions),
                next="maint status",
            ) from error

    def adopt(self, hold: HoldRecord, wanted: HoldRecord) -> HoldRecord:
        """Let the run of `wanted` own a hold that another left open, as it means it; what was captured stays the truth.

        Step and phase become the adopter's, whose end gives it back under its lease, and so does what is to be applied:
        it is intended anew.
        """
        taken = ("run", "window", "phase", "step", "title", "action", "state", "why", "until", "until_time")
        values = {name: getattr(wanted, name) for name in taken}
        self._change_hold(hold, "hold adopted", f"{hold.title}, held since {hold.opened}", **values)
        return self.hold(hold.id)

    def hand_over(self, hold: HoldRecord) -> None:
        """Let the window own a hold whose phase ended green; its `until` phase gives it back."""
        self._change_hold(hold, "hold handed over", f"{hold.title}, until {hold.until}", run="")

    def set_hold(self, hold: HoldRecord, state: str, why: str = "") -> HoldRecord:
        """Record an open hold's new state (intended, in force, reverting, stuck, reverted, released) and why.

        Raises HoldClosed, with nothing changed, where it was released or reverted meanwhile.
        """
        self._change_hold(hold, f"hold {state}", why or hold.title, state=state, why=redact(why))
        return self.hold(hold.id)

    def _change_hold(self, hold: HoldRecord, kind: str, words: str, **values: Any) -> None:
        with self.write() as db:
            table = schema.holds
            still_open = (table.c.id == hold.id, table.c.state.in_(schema.OPEN_STATES))
            if not db.execute(update(table).where(*still_open).values(changed=now(), **values)).rowcount:
                raise HoldClosed(f"{hold.title} is not open any more", where=f"hold {hold.id}", next="maint status")
            self.record(db, kind, hold.resource, words, hold=hold.id)

    def hold(self, hold_id: str) -> HoldRecord:
        """Return one hold by its id (or an unmistakable beginning of it); raises UsageProblem otherwise."""
        table = schema.holds
        query = select(table).where(table.c.scope == self.scope, table.c.id.startswith(hold_id, autoescape=True))
        found = [HoldRecord(**row) for row in self._read(query)]
        if len(found) != 1:
            open_ids = ", ".join(f"{hold.id} ({hold.title})" for hold in self.holds()) or "none is open"
            raise UsageProblem(f"{hold_id!r} names {len(found)} holds; open ones: {open_ids}", next="maint status")
        return found[0]

    def holds(self, *, run: str | None = None, everything: bool = False) -> list[HoldRecord]:
        """Return the open holds (or, with `everything`, the closed ones too), oldest first."""
        table = schema.holds
        query = select(table).where(table.c.scope == self.scope).order_by(table.c.opened, table.c.id)
        if not everything:
            query = query.where(table.c.state.in_(schema.OPEN_STATES))
        if run is not None:
            query = query.where(table.c.run == run)
        return [HoldRecord(**row) for row in self._read(query)]

    # steps --------------------------------------------------------------------------------------------------------

    def step(self, window: str, step: str) -> StepRecord | None:
        """Return how a step stands, or None when it was never begun."""
        return self.steps(window).get(step)

    def steps(self, window: str) -> dict[str, StepRecord]:
        """Return every step of a window that was ever begun, by its id."""
        table = schema.steps
        query = select(table).where(table.c.scope == self.scope, table.c.window == window)
        return {row["step"]: StepRecord(**row) for row in self._read(query)}

    def set_step(self, window: str, step: str, status: str, **values: Any) -> None:
        """Record a step's status and any of `before`, `handle` and `evidence`; `since` is when it was first begun.

        A step that begins again forgets the evidence of its former try; its handle stays until another is named.
        """
        table = schema.steps
        key = (table.c.scope == self.scope, table.c.window == window, table.c.step == step)
        values |= {"status": status, "run": self.run, "who": self.who, "changed": now()}
        if "evidence" in values:
            values["evidence"] = redact(values["evidence"])
        with self.write() as db:
            before = db.execute(select(table.c.status).where(*key)).scalar()
            if status == "doing" != before:
                values.setdefault("evidence", "")
            if not db.execute(update(table).where(*key).values(**values)).rowcount:
                fresh = {"since": now(), "before": {}, "evidence": "", **values}
                db.execute(insert(table).values(scope=self.scope, window=window, step=step, **fresh))
            self.record(db, f"step {status}", step, str(values.get("evidence", "")), window=window)

    def events(self, run: str | None = None, *, after: int = 0) -> list[Event]:
        """Return the history in order, of one run or of all."""
        table = schema.events
        query = select(table).where(table.c.scope == self.scope, table.c.n > after).order_by(table.c.n)
        if run is not None:
            query = query.where(table.c.run == run)
        return [Event(**row) for row in self._read(query)]

    def _read(self, query: Any) -> list[Mapping[str, Any]]:
        with self._transaction() as db:
            return [dict(row) for row in db.execute(query).mappings()]


def now() -> str:
    """Return the machine's time as the journal writes it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")
