"""One run per phase and environment: who may write, who has to wait, and who writes nothing more."""

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import update

from maint.errors import LeaseLost, Stopped
from maint.journal import Journal
from maint.journal_schema import leases
from maint.lease import (
    SECONDS,
    Lease,
    LeaseHeld,
    LeaseRecord,
    lease_records,
    running_leases,
    take_lease,
    take_lease_patiently,
)
from maint.processes import Process, boot_id, host, process_of, this_process

from .conftest import MakeJournal

PHASE = "saturday-pre"
GONE = Process("run", 2**22 + 1, 1.0)  # above any pid that Linux gives out


@pytest.fixture
def journal(everywhere: MakeJournal) -> Journal:
    return everywhere("run-1")


@pytest.fixture
def other(everywhere: MakeJournal) -> Journal:
    return everywhere("run-2")


@pytest.fixture
def living() -> Iterator[Callable[[str], Process]]:
    """Yield a function that starts a process of some role, which does nothing."""
    children: list[subprocess.Popen[bytes]] = []

    def start(role: str) -> Process:
        children.append(subprocess.Popen(["sleep", "60"]))  # noqa: S607 - wherever it is
        return process_of(role, children[-1].pid)

    yield start
    for child in children:
        child.kill()
        child.wait()


def change(journal: Journal, **values: Any) -> None:
    """Let the lease look as another machine, another time or other processes would have left it."""
    if "processes" in values:
        values["processes"] = [process.as_dict() for process in values["processes"]]
    with journal.write() as db:
        db.execute(update(leases).values(**values))


def record(journal: Journal) -> LeaseRecord:
    (found,) = lease_records(journal)
    return found


def test_a_free_lease_says_who_has_it(journal: Journal, other: Journal) -> None:
    before = time.time()
    lease = take_lease(journal, PHASE, "run-1")
    found = record(other)
    assert (found.token, found.run, found.who, found.host, found.boot) == (
        lease.token, "run-1", journal.who, host(), boot_id(),
    )  # fmt: skip
    assert found.living() == [this_process("run")]
    assert before + SECONDS - 2 < found.expires < time.time() + SECONDS + 2
    lease.fence()


def test_a_second_operator_is_told_who_since_when_and_what_to_do(journal: Journal, other: Journal) -> None:
    first = take_lease(journal, PHASE, "run-1")
    with pytest.raises(LeaseHeld) as held:
        take_lease(other, PHASE, "run-2")
    me = this_process("run")
    assert re.fullmatch(
        rf"saturday-pre is being run already \(run {me.pid}; its lease ends in \d+ s unless renewed\) "
        rf"\(held by {re.escape(journal.who)} since \S+, run run-1\)\. "
        r"Next: wait for it, or end it there with Ctrl-C; maint status shows what it holds",
        str(held.value),
    )
    assert record(other).token == first.token
    first.fence()


def test_phases_and_environments_do_not_wait_for_each_other(journal: Journal) -> None:
    take_lease(journal, PHASE, "run-1")
    take_lease(journal, "sunday-pre", "run-2")
    take_lease(Journal(journal.url, "production"), PHASE, "run-3")
    assert [found.run for found in lease_records(journal)] == ["run-1", "run-2"]


def test_it_is_taken_over_at_once_when_all_its_processes_are_gone_here(
    journal: Journal, other: Journal, living: Callable[[str], Process]
) -> None:
    first = take_lease(journal, PHASE, "run-1")
    worker = living("worker gw0")
    change(journal, processes=[GONE, worker])
    with pytest.raises(LeaseHeld, match=rf"\(worker gw0 {worker.pid}; "):
        take_lease(other, PHASE, "run-2")
    worker.kill()
    second = take_lease(other, PHASE, "run-2")
    assert (record(journal).run, record(journal).token) == ("run-2", second.token)
    taken = other.events()[-1]
    assert (taken.kind, taken.words) == ("lease taken over", f"from run run-1 of {journal.who}")
    with pytest.raises(LeaseLost):
        first.fence(undo=True)


def test_a_pid_that_was_given_out_again_is_another_process(journal: Journal, other: Journal) -> None:
    take_lease(journal, PHASE, "run-1")
    me = this_process("run")
    change(journal, processes=[Process("run", me.pid, me.started - 1000)])
    take_lease(other, PHASE, "run-2")


def test_from_another_machine_it_is_taken_over_only_when_it_has_expired(journal: Journal, other: Journal) -> None:
    take_lease(journal, PHASE, "run-1")
    change(journal, processes=[GONE], host="somebodys-laptop")
    with pytest.raises(LeaseHeld, match=r"\(host somebodys-laptop; "):
        take_lease(other, PHASE, "run-2")
    change(journal, expires=time.time() - 5)
    assert take_lease(other, PHASE, "run-2").token == record(journal).token


def test_who_slept_too_long_writes_nothing_more_undo_included(journal: Journal, other: Journal) -> None:
    first = take_lease(journal, PHASE, "run-1")
    change(journal, expires=time.time() - 5)  # its process lives, and its heartbeat stood still
    take_lease(other, PHASE, "run-2")
    for undo in (False, True):
        with pytest.raises(LeaseLost, match="another run took over saturday-pre; this one writes nothing more"):
            first.fence(undo=undo)
    assert first.lost.is_set()
    first.release()  # what it gives up is its own
    assert record(journal).run == "run-2"


def test_who_slept_and_was_not_robbed_goes_on(journal: Journal) -> None:
    lease = take_lease(journal, PHASE, "run-1")
    change(journal, expires=time.time() - 5)
    lease.fence()
    assert record(journal).expires > time.time() + SECONDS - 5


def test_stopping_refuses_forward_writes_and_lets_undo_through(journal: Journal, other: Journal) -> None:
    controller = take_lease(journal, PHASE, "run-1")
    worker = Lease(other, PHASE, controller.token)
    worker.fence()
    controller.stop()
    with pytest.raises(Stopped, match="saturday-pre is stopping; nothing new is started"):
        worker.fence()
    assert worker.stopping.is_set()
    worker.fence(undo=True)
    assert not worker.lost.is_set()


def test_a_lease_that_was_given_up_is_free(journal: Journal, other: Journal) -> None:
    first = take_lease(journal, PHASE, "run-1")
    first.release()
    assert lease_records(journal) == []
    take_lease(other, PHASE, "run-2")
    with pytest.raises(LeaseLost):
        first.fence()


def test_processes_join_and_leave(journal: Journal, living: Callable[[str], Process]) -> None:
    lease = take_lease(journal, PHASE, "run-1")
    guardian, worker = living("guardian"), living("worker gw0")
    lease.add(guardian)
    lease.add(worker)
    assert record(journal).living() == [this_process("run"), guardian, worker]
    worker.kill()
    lease.add(this_process("guardian"))  # the same process in another part
    assert [Process(**entry) for entry in record(journal).processes] == [guardian, this_process("guardian")]
    Lease(journal, PHASE, "somebody else's").add(worker)
    assert len(record(journal).processes) == 2


def test_a_heartbeat_prolongs_and_notices(journal: Journal, other: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maint.lease.BEAT_SECONDS", 0.05)
    mine = take_lease(journal, PHASE, "run-1")
    worker = Lease(other, PHASE, mine.token)
    robbed = Lease(other, PHASE, "a token of before")
    change(journal, expires=time.time() + 5)
    for lease in (mine, worker, robbed):
        lease.keep_alive()
    mine.stop()
    assert robbed.lost.wait(5)
    assert worker.stopping.wait(5)
    until = time.monotonic() + 5
    while record(journal).expires < time.time() + SECONDS - 10:
        assert time.monotonic() < until
        time.sleep(0.02)
    for lease in (mine, worker, robbed):
        lease.quiet()


# waiting for who gives back -----------------------------------------------------------------------------------------


class Waiting:
    """Somebody who takes the lease patiently, on a thread of its own."""

    def __init__(self, journal: Journal) -> None:
        self.told: list[str] = []
        self.waits = threading.Event()
        self.lease: Lease | None = None
        self._thread = threading.Thread(target=self._take, args=(journal,), daemon=True)
        self._thread.start()

    def _take(self, journal: Journal) -> None:
        self.lease = take_lease_patiently(journal, PHASE, "run-2", role="run", tell=self._tell)

    def _tell(self, line: str) -> None:
        self.told.append(line)
        self.waits.set()

    def end(self) -> Lease:
        self._thread.join(5)
        assert self.lease is not None
        return self.lease


@pytest.fixture
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maint.lease.LOOK_SECONDS", 0.01)


@pytest.mark.usefixtures("_quick_looks")
@pytest.mark.parametrize("role", ["guardian", "restore"])
def test_who_gives_back_is_waited_for_and_named(
    journal: Journal, other: Journal, living: Callable[[str], Process], role: str
) -> None:
    take_lease(journal, PHASE, "run-1")
    healer = living(role)
    change(journal, processes=[GONE, healer])
    waiting = Waiting(other)
    assert waiting.waits.wait(5)
    assert waiting.lease is None
    healer.kill()
    waiting.end().fence()
    assert waiting.told == [f"waiting for the {role} (pid {healer.pid}) that is giving back what run-1 took"]


@pytest.mark.usefixtures("_quick_looks")
def test_a_guardian_that_is_about_to_end_a_dead_runs_workers_is_waited_for(
    journal: Journal, other: Journal, living: Callable[[str], Process]
) -> None:
    take_lease(journal, PHASE, "run-1")
    healer, worker = living("guardian"), living("worker gw0")
    change(journal, processes=[GONE, healer, worker])
    waiting = Waiting(other)
    assert waiting.waits.wait(5)
    assert worker.alive()  # its guardian does that
    worker.kill()
    healer.kill()
    waiting.end().fence()


@pytest.mark.usefixtures("_quick_looks")
def test_workers_that_a_dead_run_left_behind_are_ended(
    journal: Journal, other: Journal, living: Callable[[str], Process]
) -> None:
    take_lease(journal, PHASE, "run-1")
    worker = living("worker gw0")
    change(journal, processes=[GONE, worker])
    waiting = Waiting(other)
    waiting.end().fence()
    assert waiting.told == ["ending the workers that run run-1 left behind"]
    assert not worker.alive()


def patiently(journal: Journal, seconds: float = 5.0) -> Lease:
    return take_lease_patiently(journal, PHASE, "run-2", role="run", tell=lambda _: None, seconds=seconds)


def test_a_run_with_an_idle_guardian_is_not_waited_for(
    journal: Journal, other: Journal, living: Callable[[str], Process]
) -> None:
    lease = take_lease(journal, PHASE, "run-1")
    lease.add(living("guardian"))
    with pytest.raises(LeaseHeld, match=r"run \d+, guardian \d+"):
        patiently(other)


def test_processes_on_another_machine_are_nobody_we_could_wait_for_or_end(
    journal: Journal, other: Journal, living: Callable[[str], Process]
) -> None:
    take_lease(journal, PHASE, "run-1")
    healer, worker = living("guardian"), living("worker gw0")  # whose pids are others' there
    change(journal, processes=[healer, worker], host="somebodys-laptop")
    with pytest.raises(LeaseHeld, match="host somebodys-laptop"):
        patiently(other)
    assert worker.alive()


def test_the_waiting_ends_when_it_has_been_enough(
    journal: Journal, other: Journal, living: Callable[[str], Process]
) -> None:
    take_lease(journal, PHASE, "run-1")
    change(journal, processes=[living("guardian")])
    with pytest.raises(LeaseHeld, match=r"guardian \d+"):
        patiently(other, seconds=-1)


def test_who_is_at_work(journal: Journal, everywhere: MakeJournal) -> None:
    """Here it is a matter of processes, elsewhere of the heartbeat."""

    def at_work() -> list[str]:
        return [lease.run for lease in running_leases(everywhere())]

    take_lease(journal, PHASE, "run-1")
    assert at_work() == ["run-1"]
    change(journal, expires=time.time() - 5)
    assert at_work() == ["run-1"]
    change(journal, processes=[GONE], expires=time.time() + 60)
    assert at_work() == []
    change(journal, host="somebodys-laptop")
    assert at_work() == ["run-1"]
    change(journal, expires=time.time() - 5)
    assert at_work() == []
    change(journal, host=host(), processes=[this_process("run")], boot="before it was started again")
    assert at_work() == []


# two processes ------------------------------------------------------------------------------------------------------

TAKER = """
import sys
from maint.journal import Journal
from maint.lease import LeaseHeld, take_lease
print("ready", flush=True)
sys.stdin.readline()
try:
    take_lease(Journal(sys.argv[1], "test"), "saturday-pre", sys.argv[2])
    print("taken by", sys.argv[2], flush=True)
except LeaseHeld as held:
    print("held by", held.record.run, flush=True)
sys.stdin.readline()  # the winner lives until all have tried
"""


def test_of_takers_at_the_same_moment_one_wins(each_url: str) -> None:
    """They also meet an empty journal at the same moment, in which none of the tables is yet."""
    takers = [
        subprocess.Popen(
            [sys.executable, "-c", TAKER, each_url, f"run-{n}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for n in range(3)
    ]  # fmt: skip
    said = []
    for taker in takers:
        assert taker.stdout is not None
        assert taker.stdin is not None
        assert taker.stdout.readline() == "ready\n"
    for taker in takers:
        assert taker.stdin is not None
        taker.stdin.write("\n")
        taker.stdin.flush()
    for taker in takers:
        assert taker.stdout is not None
        said.append(taker.stdout.readline().strip())
    errors = [taker.communicate("\n", timeout=10)[1] for taker in takers]
    assert errors == ["", "", ""]
    (winner,) = [line.removeprefix("taken by ") for line in said if line.startswith("taken by")]
    assert sorted(said) == sorted([f"taken by {winner}", *[f"held by {winner}"] * 2])
