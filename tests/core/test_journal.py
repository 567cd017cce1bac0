"""The write-ahead record: what it keeps, that it is on disk at once, and that a bad one is refused in one sentence."""

import os
import re
import shutil
import sqlite3
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from maint import journal_schema as schema
from maint.errors import MaintError, UsageProblem
from maint.journal import Journal, journal_url
from maint.redact import register

from .conftest import MakeJournal
from .fakes import hold_on

SECRET = "correct-horse-battery-staple"
WINDOW = "2025-03-23-monthly"

CHANGES: dict[str, tuple[Callable[[Journal], Any], str]] = {
    "begin_run": (lambda j: j.begin_run("run-2", WINDOW, "saturday-pre", partial=False, report=""), "run begins"),
    "end_run": (lambda j: j.end_run("run-1", "green"), "run ends"),
    "intend": (lambda j: j.intend([hold_on(j, "pool/IC-Web9")]), "hold intended"),
    "adopt": (lambda j: j.adopt(j.holds()[0], hold_on(j, run="run-2")), "hold adopted"),
    "hand_over": (lambda j: j.hand_over(j.holds()[0]), "hold handed over"),
    "set_hold": (lambda j: j.set_hold(j.holds()[0], "in force"), "hold in force"),
    "set_step": (lambda j: j.set_step(WINDOW, "P6", "done", evidence="run 7 succeeded"), "step done"),
    "note": (lambda j: j.note("probe", "www", "0 of 9 failed"), "probe"),
}


@pytest.fixture
def begun(everywhere: MakeJournal) -> Journal:
    """Return a journal with a run, a hold and a step in it."""
    journal = everywhere("run-1")
    journal.begin_run(journal.run, WINDOW, "saturday-pre", partial=False, report="")
    journal.intend([hold_on(journal)])
    journal.set_step(WINDOW, "P1", "doing")
    return journal


def everything(journal: Journal) -> list[Any]:
    return [journal.runs(), journal.holds(everything=True), journal.steps(WINDOW), journal.events()]


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_appends_one_event(begun: Journal, everywhere: MakeJournal, change: str) -> None:
    call, kind = CHANGES[change]
    last = begun.events()[-1].n
    call(begun)
    (event,) = everywhere().events(after=last)  # read on another connection: it is committed
    assert (event.kind, event.who, event.scope) == (kind, begun.who, begun.scope)


@pytest.mark.parametrize("change", CHANGES)
def test_without_its_event_there_is_no_change(
    begun: Journal, everywhere: MakeJournal, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(begun)

    def fails(*_: Any, **__: Any) -> None:
        raise MaintError("no room left")

    monkeypatch.setattr(begun, "record", fails)
    with pytest.raises(MaintError, match="no room left"):
        CHANGES[change][0](begun)
    assert everything(everywhere()) == before


@pytest.mark.parametrize("state", [*schema.OPEN_STATES, "reverted", "released"])
def test_one_open_hold_on_a_thing(begun: Journal, state: str) -> None:
    held = begun.set_hold(begun.holds()[0], state)
    both = [hold_on(begun, "pool/IC-Web2"), hold_on(begun, held.resource)]
    if not held.open:
        begun.intend(both)
        assert len(begun.holds()) == 2
        return
    with pytest.raises(MaintError, match="another run opened a hold on the same thing"):
        begun.intend(both)
    assert begun.holds() == [held]  # none of them, and nothing of the one that was possible
    assert "pool/IC-Web2" not in [event.subject for event in begun.events()]


def test_the_open_states_are_those_of_the_index() -> None:
    assert tuple(re.findall("'(.*?)'", str(schema._is_open))) == schema.OPEN_STATES


def test_scopes_do_not_meet(begun: Journal) -> None:
    other = Journal(begun.url, "production-of-somebody-else")
    other.intend([hold_on(other)])
    with pytest.raises(UsageProblem, match="names 0 holds"):
        other.hold(begun.holds()[0].id)
    assert [len(part) for part in everything(other)] == [0, 1, 0, 1]
    other.set_hold(other.holds()[0], "released")


def test_a_hold_by_the_beginning_of_its_id(begun: Journal) -> None:
    begun.intend([hold_on(begun, "a", id="ab34"), hold_on(begun, "b", id="ab56")])
    assert begun.hold("ab3").resource == "a"
    for wrong in ("ab", "%", "zz"):
        with pytest.raises(UsageProblem, match=r"open ones: .*ab34 \(a taken\)") as problem:
            begun.hold(wrong)
        assert problem.value.next == "maint status"


def test_adopting_keeps_what_was_captured(begun: Journal) -> None:
    held = begun.holds()[0]
    begun.set_hold(held, "stuck", "not ready")
    fresh = hold_on(begun, run="run-2", captured={"was": "taken"}, action={"name": "newer"}, phase="sunday-pre")
    adopted = begun.adopt(held, fresh)
    assert (adopted.id, adopted.captured, adopted.opened) == (held.id, {"was": "normal"}, held.opened)
    assert (adopted.run, adopted.action, adopted.phase) == ("run-2", {"name": "newer"}, "sunday-pre")
    assert (adopted.state, adopted.why) == ("intended", "")
    assert begun.holds(run="run-1") == []
    assert begun.holds(run="run-2") == [adopted]


def test_handing_over_takes_it_from_the_run(begun: Journal) -> None:
    begun.hand_over(begun.holds()[0])
    assert begun.holds(run="run-1") == []
    assert [hold.run for hold in begun.holds()] == [""]


def test_a_step_remembers_when_it_was_first_begun(begun: Journal) -> None:
    first = begun.step(WINDOW, "P1")
    assert first is not None
    begun.run = "run-2"
    begun.set_step(WINDOW, "P1", "failed", evidence="it did not work", before={"moment": "x"}, handle="7")
    failed = begun.step(WINDOW, "P1")
    assert failed is not None
    assert (failed.since, failed.run, failed.before, failed.handle) == (first.since, "run-2", {"moment": "x"}, "7")
    begun.set_step(WINDOW, "P1", "doing")
    again = begun.step(WINDOW, "P1")
    assert again is not None
    assert (again.evidence, again.before, again.handle) == ("", {"moment": "x"}, "7")
    assert begun.step(WINDOW, "P99") is None


def test_events_of_a_run_in_the_windows_time(open_journal: MakeJournal, url: str) -> None:
    moment = datetime(2025, 3, 22, 18, 5, tzinfo=UTC)
    journal = Journal(url, "test", moment=lambda: moment)
    journal.note("said", "platform-int")
    journal.run = "run-7"
    journal.note("said", "dailyops", "hello", n=3)
    (event,) = open_journal().events("run-7")
    assert (event.moment, event.subject, event.words, event.data) == (moment.isoformat(), "dailyops", "hello", {"n": 3})
    assert [event.n for event in journal.events()] == [1, 2]
    assert journal.events(after=2) == []


def test_secrets_do_not_reach_the_disk(journal: Journal, tmp_path: Path) -> None:
    register(SECRET)
    words = f"answered 401 to {SECRET}"
    journal.intend([hold_on(journal)])
    journal.set_hold(journal.holds()[0], "stuck", words)
    journal.set_step(WINDOW, "P6", "failed", evidence=words)
    journal.note("said", "dailyops", words)
    step = journal.step(WINDOW, "P6")
    assert step is not None
    for shown in (journal.holds()[0].why, step.evidence, journal.events()[-1].words):
        assert shown == "answered 401 to [redacted]"
    for path in tmp_path.iterdir():
        assert SECRET.encode() not in path.read_bytes()


@pytest.fixture
def _open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_open_umask")
def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "maint"
    journal = Journal(f"sqlite:///{folder}/journal.db", "test")
    journal.note("said", "dailyops")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == dict.fromkeys(["journal.db", "journal.db-wal", "journal.db-shm"], 0o600)


def test_a_commit_is_on_disk(journal: Journal) -> None:
    with journal.engine.connect() as db:
        settings = [db.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
    assert settings == ["wal", 2]  # 2 is FULL: a commit survives the loss of power


def test_many_writers_at_once(everywhere: MakeJournal) -> None:
    journals = [everywhere(f"run-{n}") for n in range(2)]

    def write(journal: Journal, subject: str) -> None:
        for n in range(15):
            journal.set_step(WINDOW, subject, "doing", evidence=str(n))

    threads = [threading.Thread(target=write, args=(j, f"{j.run}/{n}")) for j in journals for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(journals[0].events()) == 6 * 15
    assert {step.evidence for step in journals[1].steps(WINDOW).values()} == {"14"}


def one_sentence(url: str) -> str:
    with pytest.raises(UsageProblem) as problem:
        Journal(url, "test")
    text = str(problem.value)
    assert "\n" not in text
    assert problem.value.exit_code == 4
    return text


def test_a_journal_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "newer.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE meta (version INTEGER NOT NULL)")
        db.execute("INSERT INTO meta VALUES (?)", (schema.VERSION + 1,))
        db.commit()
    text = one_sentence(f"sqlite:///{path}")
    assert str(path) in text
    assert f"newer version (format {schema.VERSION + 1}, this one knows {schema.VERSION})" in text
    assert text.endswith("Next: update this checkout")
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("meta",)]


def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_text("Shopping list: bread, milk, a new laptop.\n" * 40)
    before = path.read_bytes()
    text = one_sentence(f"sqlite:///{path}")
    assert str(path) in text
    assert "file is not a database" in text
    assert "set MAINT_JOURNAL" in text
    assert path.read_bytes() == before


def test_a_journal_that_was_cut_short(tmp_path: Path, url: str) -> None:
    path = tmp_path / "journal.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE t (x); " + "INSERT INTO t VALUES (zeroblob(4000)); " * 9)
    path.write_bytes(path.read_bytes()[:6000])
    assert "malformed" in one_sentence(url)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    text = one_sentence(f"sqlite:///{tmp_path}/file/journal.db")
    assert f"{tmp_path}/file" in text
    assert "set MAINT_JOURNAL" in text


@pytest.fixture
def read_only() -> Iterator[Path]:
    """Yield a folder with a journal that this process may read and not write, root or not."""
    folder = Path(tempfile.mkdtemp(prefix="maint-"))  # pytest's own may be closed to the user that root becomes here
    Journal(f"sqlite:///{folder / 'journal.db'}", "test").engine.dispose()
    for path in folder.iterdir():
        path.chmod(0o444)
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o700)
        shutil.rmtree(folder)


def test_a_journal_that_may_only_be_read(read_only: Path) -> None:
    text = one_sentence(f"sqlite:///{read_only / 'journal.db'}")
    assert "Permission denied" in text
    assert "set MAINT_JOURNAL" in text


def test_a_new_journal_where_nothing_may_be_written(read_only: Path) -> None:
    assert "Permission denied" in one_sentence(f"sqlite:///{read_only / 'other.db'}")


@pytest.mark.parametrize("url", ["no such thing", "telepathy://here", "postgresql+psycopg://"])
def test_a_url_that_is_none(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "/nowhere")
    assert "set MAINT_JOURNAL" in one_sentence(url)


def test_a_database_that_does_not_answer_shows_no_password() -> None:
    text = one_sentence("postgresql+psycopg://maint:hunter2hunter2@127.0.0.1:1/maint?connect_timeout=2")
    assert "maint:***@127.0.0.1:1" in text
    assert "hunter2" not in text


def test_a_journal_that_breaks_is_one_sentence(journal: Journal, tmp_path: Path) -> None:
    journal.engine.dispose()
    for path in tmp_path.iterdir():
        with suppress(FileNotFoundError):
            path.write_bytes(b"x" * 10_000)
    with pytest.raises(MaintError, match="the journal could not be read or written: file is not a database") as problem:
        journal.note("said", "dailyops")
    assert "journal.db" in problem.value.where


def test_where_it_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.delenv("MAINT_JOURNAL", raising=False)
    usual = f"sqlite:///{tmp_path}/.local/state/maint/journal"
    assert journal_url("production") == f"{usual}/production.db"
    assert journal_url("rehearsal:7f3a") == f"{usual}/rehearsal-7f3a.db"
    monkeypatch.setenv("XDG_STATE_HOME", "/var/lib/x")
    assert journal_url("production") == "sqlite:////var/lib/x/maint/journal/production.db"
    monkeypatch.setenv("MAINT_JOURNAL", "~/shared.db")
    assert journal_url("production") == f"sqlite:///{tmp_path}/shared.db"
    monkeypatch.setenv("MAINT_JOURNAL", "postgresql+psycopg://maint@db/maint")
    assert journal_url("production") == "postgresql+psycopg://maint@db/maint"
