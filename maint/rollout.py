"""One-way steps: each exactly once, in dependency order, at once where nothing stands between them.

Threads, no asyncio: a loop of its own does not live beside Playwright's sync API.
"""

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from maint.errors import LeaseLost, MaintError, Stopped
from maint.journal import Journal, StepRecord
from maint.waiting import Patience

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tag:
    """What finds a started action again: window and step, when it was first intended, and what was there before."""

    window: str
    step: str
    since: datetime
    before: dict[str, Any]

    def __str__(self) -> str:
        """Return it as it travels with the request; a step tried again after it failed has another one."""
        again = f"-{attempt}" if (attempt := self.before.get("attempt", 1)) > 1 else ""
        return f"{self.window}-{self.step}{again}".replace("/", "-")  # some vendors put it into a URL


@dataclass(frozen=True)
class Result:
    """How a step ended: `done`, `failed` or `not run`, with the evidence in words."""

    status: str
    evidence: str

    @property
    def ok(self) -> bool:
        """Say whether the step is done."""
        return self.status == "done"


class OneWay(ABC):
    """An action without a way back: found again by its tag after a crash instead of being started twice."""

    @abstractmethod
    def before(self, systems: Any) -> dict[str, Any]:
        """Read what tells a start of ours from an older one. Reads only."""

    @abstractmethod
    def find(self, systems: Any, tag: Tag) -> str | None:
        """Return the handle of what was started under this tag, or None when nothing was."""

    @abstractmethod
    def start(self, systems: Any, tag: Tag) -> str:
        """Start it and return its handle (plain text, for the journal)."""

    @abstractmethod
    def wait(self, systems: Any, handle: str) -> Result:
        """Wait until it has ended and judge its result, not its status code."""


@dataclass(frozen=True)
class Job:
    """A step as the rollout runs it. after: ids that must be done first. not_before: by the window clock."""

    id: str
    title: str
    action: OneWay
    after: tuple[str, ...] = ()
    not_before: datetime | None = None


class Clock(Protocol):
    """The part of the window clock that a rollout needs."""

    def now(self) -> datetime:
        """Return the window's time."""


def run_once(journal: Journal, window: str, job: Job, systems: Any) -> Result:
    """Run one step unless the journal or the vendor says that it was done; raises MaintError.

    The intention is on disk before anything is started, so that a successor finds what was started.
    """
    known = journal.step(window, job.id)
    if known and known.status == "done":
        words = f"done before: {known.evidence} ({known.changed} by {known.who}, run {known.run})"
        log.info("%s %s", job.title, words)
        return Result("done", words)
    handle = _find(journal, window, job, systems, known)
    attempt = known.before.get("attempt", 0) if known else 0
    if handle is None:
        attempt += 1
        before = {"moment": systems.clock.now().isoformat(), "attempt": attempt, **job.action.before(systems)}
        journal.set_step(window, job.id, "doing", before=before, handle=None)
        handle = job.action.start(systems, _tag(journal, window, job))
        log.info("started: %s", job.title)
    journal.set_step(window, job.id, "doing", handle=handle)
    result = job.action.wait(systems, handle)
    # Judged, so there is nothing left to look for: of the intention only the number of tries stays.
    judged = {"attempt": attempt}
    journal.set_step(window, job.id, result.status, evidence=result.evidence, handle=None, before=judged)
    log.log(logging.INFO if result.ok else logging.ERROR, "%s: %s (%s)", result.status, job.title, result.evidence)
    return result


def _find(journal: Journal, window: str, job: Job, systems: Any, known: StepRecord | None) -> str | None:
    """Return the handle of a start whose end nobody saw; a step that was judged, or never begun, has none.

    Its status says nothing about that: a step may have failed because the vendor could not be asked.
    """
    if known is None:
        return None
    handle = known.handle
    if handle is None and "moment" in known.before:
        handle = job.action.find(systems, _tag(journal, window, job))
    if handle is not None:
        log.info("found again, not started twice: %s", job.title)
    return handle


def _tag(journal: Journal, window: str, job: Job) -> Tag:
    record = journal.step(window, job.id)
    if record is None or "moment" not in record.before:
        raise MaintError(f"{job.id} was never intended", where="the journal")
    return Tag(window, job.id, datetime.fromisoformat(record.before["moment"]), record.before)


@dataclass
class Rollout:
    """Runs jobs on threads of their own; each may be waited for by its id.

    A failed job stops what waits for it, by name, and nothing else.
    """

    journal: Journal
    window: str
    systems: Any
    clock: Clock
    patience: Callable[[], Patience]
    results: dict[str, Result] = field(default_factory=dict)
    _jobs: dict[str, Job] = field(default_factory=dict)
    _threads: list[threading.Thread] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def start(self, jobs: Sequence[Job]) -> None:
        """Start the jobs; those that wait for others or for a time do so on their own threads."""
        self._jobs.update({job.id: job for job in jobs})
        for job in jobs:
            thread = threading.Thread(target=self._run, args=(job,), name=job.id, daemon=True)
            self._threads.append(thread)
            thread.start()

    def result(self, job_id: str) -> Result:
        """Wait until a started job has ended and return how."""
        with self._changed:
            while job_id not in self.results:
                self._changed.wait(0.5)  # in short waits, so that a signal is seen
        return self.results[job_id]

    def join(self) -> None:
        """Wait until every job's thread has ended."""
        for thread in self._threads:
            while thread.is_alive():
                thread.join(0.5)

    def _run(self, job: Job) -> None:
        try:
            result = self._wait_for_others(job) or self._perform(job)
        except Exception as error:  # a bug of ours must end this job, not hang who waits for it
            log.exception("%s", job.title)
            result = Result("failed", f"{type(error).__name__}: {error}")
        with self._changed:
            self.results[job.id] = result
            self._changed.notify_all()

    def _wait_for_others(self, job: Job) -> Result | None:
        for other in job.after:
            if other in self._jobs and not self.result(other).ok:
                status = self.results[other].status
                return self._record(job, Result("not run", f"waits for {self._jobs[other].title} ({status})"))
        return None

    def _perform(self, job: Job) -> Result:
        try:
            self._wait_for_the_time(job)
            return run_once(self.journal, self.window, job, self.systems)
        except (LeaseLost, Stopped) as error:
            return Result("not run", str(error))  # the journal keeps "doing": a successor looks for it
        except MaintError as error:
            log.error("%s: %s", job.title, error)  # noqa: TRY400 - one sentence for a person
            return self._record(job, Result("failed", str(error)))

    def _record(self, job: Job, result: Result) -> Result:
        status = "to do" if result.status == "not run" else result.status
        self.journal.set_step(self.window, job.id, status, evidence=result.evidence)
        return result

    def _wait_for_the_time(self, job: Job) -> None:
        patience = self.patience()
        while job.not_before and (left := (job.not_before - self.clock.now()).total_seconds()) > 0:
            patience.tell(f"{job.title} waits for {job.not_before:%H:%M} (in {left / 60:.0f} min)")
            patience.pause(f"{job.not_before:%H:%M}")
