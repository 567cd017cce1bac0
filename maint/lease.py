"""One run per phase and environment: who runs it, proven before every live write."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from maint.errors import LeaseLost, MaintError, Stopped
from maint.journal import Journal, new_id, now
from maint.journal_schema import leases
from maint.processes import Process, boot_id, host, this_process

SECONDS = 60.0
"""How long a lease lives without a heartbeat."""
BEAT_SECONDS = 1.0

WAIT_SECONDS = 3600.0
"""How long a restore that is under way is waited for."""
LOOK_SECONDS = 0.5

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LeaseRecord:
    """A lease as it stands; `expires` is in seconds since 1970 by the database's clock."""

    scope: str
    phase: str
    token: str
    run: str
    who: str
    host: str
    boot: str
    processes: list[dict[str, Any]]
    since: str
    expires: float
    stopping: bool

    def here(self) -> bool:
        """Say whether it was taken on this machine."""
        return self.host == host()

    def living(self) -> list[Process]:
        """Return those of its processes that still run, as far as this host can tell."""
        if self.boot != boot_id():
            return []  # this machine has started again since
        return [process for entry in self.processes if (process := Process(**entry)).alive()]


class LeaseHeld(MaintError):
    """Somebody else runs this phase; `record` says who."""

    def __init__(self, record: LeaseRecord, seconds_left: float) -> None:
        self.record = record
        living = record.living() if record.here() else []
        roles = ", ".join(f"{process.role} {process.pid}" for process in living) or f"host {record.host}"
        super().__init__(
            f"{record.phase} is being run already ({roles}; "
            f"its lease ends in {max(0, seconds_left):.0f} s unless renewed)",
            holder=f"{record.who} since {record.since}, run {record.run}",
            next="wait for it, or end it there with Ctrl-C; maint status shows what it holds",
        )


class Lease:
    """The right to write for one phase: a token that is checked, and prolonged, before every live write."""

    def __init__(self, journal: Journal, phase: str, token: str) -> None:
        self.journal, self.phase, self.token = journal, phase, token
        self.lost = threading.Event()
        self.stopping = threading.Event()
        self._quit = threading.Event()

    def fence(self, *, undo: bool = False) -> None:
        """Return when this process may write now; prolongs the lease.

        Raises LeaseLost when another run took over (undo included), Stopped when this one stops and this is no undo.
        """
        record = self._prolong()
        if record is None:
            self.lost.set()
            raise LeaseLost(
                f"another run took over {self.phase}; this one writes nothing more",
                next="maint status",
            )
        if record.stopping and not undo:
            self.stopping.set()
            raise Stopped(f"{self.phase} is stopping; nothing new is started")

    def _prolong(self) -> LeaseRecord | None:
        with self.journal.write() as db:
            clock = _clock(db)
            db.execute(update(leases).where(*self._mine()).values(expires=clock + SECONDS))
            row = db.execute(select(leases).where(*self._mine())).mappings().first()
        return LeaseRecord(**row) if row else None

    def _mine(self) -> tuple[Any, ...]:
        return (
            leases.c.scope == self.journal.scope,
            leases.c.phase == self.phase,
            leases.c.token == self.token,
        )

    def add(self, process: Process) -> None:
        """Record a process that works under this lease, and forget those that are gone."""
        with self.journal.write() as db:
            query = select(leases.c.processes).where(*self._mine()).with_for_update()
            processes = db.execute(query).scalar()
            if processes is not None:
                others = [entry for entry in processes if entry["pid"] != process.pid and Process(**entry).alive()]
                db.execute(update(leases).where(*self._mine()).values(processes=[*others, process.as_dict()]))

    def stop(self) -> None:
        """Tell every process under this lease to start nothing new."""
        self.stopping.set()
        with self.journal.write() as db:
            db.execute(update(leases).where(*self._mine()).values(stopping=True))

    def keep_alive(self) -> None:
        """Prolong the lease from a thread of its own until it is released or lost."""
        threading.Thread(target=self._beat, name=f"lease {self.phase}", daemon=True).start()

    def _beat(self) -> None:
        while not self._quit.wait(BEAT_SECONDS):
            try:
                record = self._prolong()
            except MaintError as error:
                log.warning("the lease could not be prolonged: %s", error)
                continue
            if record is None:
                self.lost.set()
                return
            if record.stopping:
                self.stopping.set()

    def release(self) -> None:
        """Give the lease up, so that the next run need not wait for its end."""
        self.quiet()
        with suppress(MaintError), self.journal.write() as db:
            db.execute(delete(leases).where(*self._mine()))

    def quiet(self) -> None:
        """Stop the heartbeat and leave the lease as it is."""
        self._quit.set()


def take_lease(journal: Journal, phase: str, run: str, *, role: str = "run") -> Lease:
    """Take the phase's lease when it is free, has expired, or its owner's processes are gone from this host.

    Raises LeaseHeld, with nothing changed, when somebody else holds it.
    """
    while True:
        try:
            return _take_lease(journal, phase, run, role)
        except IntegrityError:
            continue  # another took the free lease at the same moment (on PostgreSQL): it is there to be read now


def _take_lease(journal: Journal, phase: str, run: str, role: str) -> Lease:
    token = new_id() + new_id()
    values = {
        "token": token, "run": run, "who": journal.who, "host": host(), "boot": boot_id(),
        "processes": [this_process(role).as_dict()], "since": now(), "stopping": False,
    }  # fmt: skip
    with journal.write() as db:
        clock = _clock(db)
        here = (leases.c.scope == journal.scope, leases.c.phase == phase)
        row = db.execute(select(leases).where(*here).with_for_update()).mappings().first()
        if row is None:
            db.execute(insert(leases).values(scope=journal.scope, phase=phase, expires=clock + SECONDS, **values))
            return Lease(journal, phase, token)
        record = LeaseRecord(**row)
        gone = record.here() and not record.living()
        if record.expires > clock and not gone:
            raise LeaseHeld(record, record.expires - clock)
        db.execute(update(leases).where(*here).values(expires=clock + SECONDS, **values))
        journal.record(db, "lease taken over", phase, f"from run {record.run} of {record.who}")
    return Lease(journal, phase, token)


def take_lease_patiently(
    journal: Journal,
    phase: str,
    run: str,
    *,
    role: str,
    tell: Callable[[str], None],
    seconds: float = WAIT_SECONDS,
) -> Lease:
    """Take the lease as take_lease does, but end a dead run's workers, and wait while somebody is giving back.

    tell: told once what is waited for. seconds: how long it is waited for. Raises LeaseHeld where a run is at work.
    """
    told, until = False, time.monotonic() + seconds
    while True:
        try:
            return take_lease(journal, phase, run, role=role)
        except LeaseHeld as held:
            living = held.record.living() if held.record.here() else []
            healers = [process for process in living if process.role in {"guardian", "restore"}]
            if not living or any(process.role == "run" for process in living) or time.monotonic() > until:
                raise  # a guardian is idle while its run lives
            if not healers:
                tell(f"ending the workers that run {held.record.run} left behind")
                for process in living:
                    process.kill()
            elif not told:
                names = ", ".join(f"{process.role} (pid {process.pid})" for process in healers)
                tell(f"waiting for the {names} that is giving back what {held.record.run} took")
                told = True
            time.sleep(LOOK_SECONDS)


def lease_records(journal: Journal) -> list[LeaseRecord]:
    """Return the leases of this scope, whether they have expired or not."""
    with journal.write() as db:
        rows = db.execute(select(leases).where(leases.c.scope == journal.scope)).mappings().all()
    return [LeaseRecord(**row) for row in rows]


def running_leases(journal: Journal) -> list[LeaseRecord]:
    """Return the leases whose runs still work: their processes live here, or their heartbeat does elsewhere."""
    with journal.write() as db:
        clock = _clock(db)
        rows = db.execute(select(leases).where(leases.c.scope == journal.scope)).mappings().all()
    records = [LeaseRecord(**row) for row in rows]
    return [record for record in records if (record.living() if record.here() else record.expires > clock)]


def _clock(db: Connection) -> float:
    """Return the database's own time in seconds since 1970: one clock for all who share the journal."""
    if db.dialect.name == "sqlite":
        return float(db.execute(text("SELECT (julianday('now') - 2440587.5) * 86400.0")).scalar_one())
    return float(db.execute(select(func.extract("epoch", func.clock_timestamp()))).scalar_one())
