import logging
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from maint.journal import Journal

MakeJournal = Callable[..., Journal]


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
    if not shutil.which("initdb") or not shutil.which("pg_ctl"):
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
    call("pg_ctl", "-D", data, "-w", "-l", str(folder / "log"), "-o", f"-F -h '' -k {folder}", "start")
    try:
        yield f"postgresql+psycopg://maint@/postgres?host={folder}"
    finally:
        call("pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder)


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
