import logging
import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from maint.clock import TwinClock
from maint.context import Context
from maint.environment import load_environment
from maint.holding import Holder, Outcome, Reversible
from maint.journal import HoldRecord, Journal, journal_url
from maint.lease import Lease, take_lease
from maint.run import make_holder
from maint.systems import Systems
from maint.twin import Handover, Twin

from .fakes import World
from .holders import NAMES, Told, holder_of

MakeJournal = Callable[..., Journal]
ROOT = Path(__file__).parents[2]
WINDOW = "2025-03-23-monthly"
FAST = 20_000.0
# It ends with the pipe that only the tests hold, so that nothing is left behind when they are killed.
SERVER = """
postgres -D "$0" -F -h "" -k "$1" >"$1/log" 2>&1 &
read _
kill -QUIT $!
wait
rm -rf "$1"
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return the URL of a journal that does not exist yet, in a file of its own."""
    return f"sqlite:///{tmp_path / 'journal.db'}"


@pytest.fixture
def open_journal(url: str) -> MakeJournal:
    """Return a function that opens the same journal as another process would."""

    def make(run: str = "") -> Journal:
        journal = Journal(url, "test")
        journal.run = run
        return journal

    return make


@pytest.fixture
def journal(open_journal: MakeJournal) -> Journal:
    return open_journal("run-1")


@pytest.fixture(params=["sqlite", "postgresql"])
def each_url(request: pytest.FixtureRequest, url: str) -> str:
    """Return the URL of a journal that does not exist yet, in each of the databases that it may live in."""
    return url if request.param == "sqlite" else _new_schema(request.getfixturevalue("postgres"))


@pytest.fixture
def everywhere(each_url: str) -> MakeJournal:
    """Return a function as open_journal does, for a journal in each of the databases that it may live in."""

    def make(run: str = "") -> Journal:
        journal = Journal(each_url, "test")
        journal.run = run
        return journal

    return make


def _new_schema(server: str) -> str:
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server.replace("+psycopg", ""), autocommit=True) as db:
        db.execute(SQL("CREATE SCHEMA {}").format(Identifier(name)))
    return f"{server}&options=-csearch_path%3D{name}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Yield the URL of an empty PostgreSQL database on this machine, reached by a socket only."""
    if not shutil.which("initdb") or not shutil.which("postgres"):
        pytest.skip("no PostgreSQL server is installed here")
    folder = Path(tempfile.mkdtemp(prefix="maint-pg-"))  # a socket's path has a hundred characters at most
    # PostgreSQL refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user)

    def call(*command: str) -> None:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False,
            env={**os.environ, "LC_ALL": "C"}, user=user, group=user, extra_groups=[] if user else None,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    data = str(folder / "data")
    call("initdb", "-D", data, "-U", "maint", "-A", "trust", "--no-sync", "-E", "UTF8")
    server = subprocess.Popen(
        ["/bin/sh", "-c", SERVER, data, folder],
        cwd=folder, stdin=subprocess.PIPE, user=user, group=user, extra_groups=[] if user else None,
    )  # fmt: skip
    url = f"postgresql://maint@/postgres?host={folder}"
    try:
        _wait_for_server(url, folder / "log")
        yield url.replace("postgresql://", "postgresql+psycopg://")
    finally:
        server.communicate()


def _wait_for_server(url: str, log: Path) -> None:
    until = time.monotonic() + 20
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.05)
        else:
            return


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """Let no test change where this program's log goes in the next one."""
    log = logging.getLogger("maint")
    before = (log.handlers[:], log.level, log.propagate)
    yield
    for handler in log.handlers:
        if handler not in before[0]:
            handler.close()
    log.handlers[:], log.level, log.propagate = before


@pytest.fixture
def things() -> World:
    """Return a small world of which things can be taken."""
    return World(dict.fromkeys(NAMES, "normal"))


@pytest.fixture
def told() -> Told:
    """Return an observer that remembers what it was told."""
    return Told()


@pytest.fixture
def holder(journal: Journal, things: World, told: Told) -> Holder:
    """Return who takes things and gives them back on behalf of a run, and tells the observer."""
    return holder_of(journal, things, observers=[told])


@dataclass
class Live:
    """A run at work on the twin: its context, its lease and its clients, and what else can be done to the world."""

    context: Context
    lease: Lease
    control: httpx.Client
    systems: Systems
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.systems.lease, self.systems.stop, self.systems.tell = self.lease, self.lease.stopping, self.told.append
        self.journal = self.context.journal

    def holder(self, run: str = "run-1") -> Holder:
        """Return who takes and gives back, as a run has one."""
        return make_holder(self.journal, self.systems, run, None)

    def take(self, *actions: Reversible, step: str = "P1") -> list[HoldRecord]:
        """Put actions in force on behalf of the run."""
        ends = self.context.clock.now() + timedelta(hours=4)
        return self.holder().take(actions, window=WINDOW, phase="saturday-pre", step=step, until_time=ends)

    def give_back(self, seconds: float = 10.0) -> Outcome:
        """Give back what the run holds; whatever is not ready by then is left."""
        with self.systems.undoing():
            patience = replace(self.systems.patience(timedelta(hours=4)), deadline=time.monotonic() + seconds)
            return self.holder().give_back(self.journal.holds(run="run-1"), patience)

    def state(self) -> dict[str, Any]:
        """Return the world once nothing is in progress."""
        found: dict[str, Any] = self.control.get("/state", params={"wait": 30}).json()
        assert found["settled"], "the world does not settle"
        return found

    def reversible(self) -> Any:
        return self.state()["reversible"]

    def members(self) -> list[str]:
        """Return who is in the pool."""
        found: list[str] = self.reversible()["azure"]["gateway"]["pools"]["pool-www"]
        return found

    def post(self, page: str, **body: Any) -> None:
        answer = self.control.post(page, json=body)
        assert answer.status_code < 300, answer.text

    def edit(self, resource: str, **change: Any) -> None:
        """Make somebody else's change; it waits its turn like any other write."""
        until = time.monotonic() + 10
        while (answer := self.control.post("/edit", json={"resource": resource, "change": change})).status_code >= 300:
            assert time.monotonic() < until, answer.text
            time.sleep(0.02)

    def fault(self, system: str, do: str, path: str = "", method: str | None = None, **more: Any) -> None:
        """Let something go wrong in the twin."""
        match = {"system": system, "path": path, **({"method": method} if method else {})}
        self.post("/faults", match=match, do=do, **more)

    def requests(self, method: str, part: str) -> list[str]:
        """Return the paths of the requests so far of a method whose path holds `part`."""
        found = self.control.get("/requests").json()["requests"]
        return [r["path"] for r in found if r["method"] == method and part.lower() in r["path"].lower()]


@pytest.fixture(scope="session")
def rehearsal(twin: dict[str, Any]) -> Systems:
    """Return the clients of the shared twin; they are slow to make and the same in every world."""
    handover = Handover.model_validate(twin)
    environment = load_environment(ROOT / "environments", handover)
    quick = environment.model_copy(update={"poll_seconds": 0.02, "in_flight_seconds": 0.2})
    return Systems(quick, TwinClock(Twin(handover, Path(twin["file"]))))


@pytest.fixture
def opened(
    world: dict[str, Any], control: httpx.Client, rehearsal: Systems, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Context:
    """Return the rehearsal on a world as new, whose hours pass in moments, with a journal of its own."""
    for name in ("MAINT_ENV", "MAINT_JOURNAL", "MAINT_LEASE_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MAINT_TWIN", world["file"])
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    now = control.post("/clock", json={"speed": FAST}).raise_for_status().json()
    scope = f"rehearsal:{now['world']}"
    journal = Journal(journal_url(scope), scope, moment=rehearsal.clock.now)
    assert rehearsal.environment.handover is not None
    twin = Twin(rehearsal.environment.handover, Path(world["file"]))
    return Context(ROOT, rehearsal.environment, rehearsal.clock, journal, twin)


@pytest.fixture
def live(opened: Context, control: httpx.Client, rehearsal: Systems) -> Iterator[Live]:
    """Yield a run at work: "run-1" of the Saturday phase, in this process."""
    opened.journal.begin_run("run-1", WINDOW, "saturday-pre", partial=False, report="")
    yield Live(opened, take_lease(opened.journal, "saturday-pre", "run-1"), control, rehearsal)
    opened.journal.engine.dispose()
