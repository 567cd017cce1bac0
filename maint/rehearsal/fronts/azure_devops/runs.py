"""Runs of pipelines: their stages in order, in world time, and what is decided about them on the way."""

import asyncio
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from maint.rehearsal.clock import WorldClock
from maint.rehearsal.front import History
from maint.rehearsal.fronts.azure_devops.pipelines import JOBS, JOBS_AFTER, PREPARATION, Pipeline, Stage
from maint.rehearsal.fronts.azure_devops.refusal import Refusal

QUEUE_SECONDS = 15.0
CANCEL_SECONDS = 10.0
NAMESPACE = uuid.UUID("2d1e8f3a-0000-4000-8000-00000000de70")


@dataclass
class Approval:
    """A check before a stage: who may approve, and what was decided."""

    id: str
    run: "Run"
    stage: "StageRun"
    approvers: tuple[str, ...]
    created: datetime
    modified: datetime
    status: str = "pending"
    by: str = ""
    comment: str = ""


@dataclass
class StageRun:
    """One stage of one run. skipped: left out when the run was queued; done: how many steps are finished."""

    stage: Stage
    skipped: bool = False
    attempt: int = 1
    state: str = "pending"
    result: str | None = None
    done: int = 0
    started: datetime | None = None
    finished: datetime | None = None
    approval: Approval | None = None
    issue: str = ""

    def __post_init__(self) -> None:
        if self.skipped:
            self.state, self.result = "completed", "skipped"

    def end(self, result: str, now: datetime, issue: str = "") -> None:
        """Complete the stage."""
        self.state, self.result, self.finished, self.issue = "completed", result, now, issue

    def again(self) -> None:
        """Make the stage pending for another attempt."""
        self.attempt, self.state, self.result, self.done = self.attempt + 1, "pending", None, 0
        self.started, self.finished, self.approval, self.issue = None, None, None, ""


@dataclass
class Run:
    """One run of a pipeline; its id is the build's id too."""

    id: int
    pipeline: Pipeline
    number: str
    created: datetime
    by: str
    stages: list[StageRun]
    parameters: dict[str, str]
    variables: dict[str, Any]
    branch: str = "refs/heads/main"
    version: str = "9f2d7c4b1a6e8035d4c7b2a19e8f6053c1d2b3a4"
    resources: dict[str, Any] = field(default_factory=dict)
    failing: bool = False
    cancelling: bool = False
    started: datetime | None = None
    finished: datetime | None = None
    result: str | None = None
    tags: list[str] = field(default_factory=list)
    task: "asyncio.Task[None] | None" = None

    def find(self, ref: str) -> StageRun:
        """Return the stage of this ref name, whatever its casing; raises Refusal when there is none."""
        found = next((one for one in self.stages if one.stage.ref.lower() == ref.lower()), None)
        if found is None:
            raise Refusal(404, "StageNotFoundException", f"Stage {ref} was not found in build {self.id}.")
        return found

    def key(self, *parts: object) -> str:
        """Return an id, always the same for the same part of this run."""
        return str(uuid.uuid5(NAMESPACE, "/".join(map(str, (self.id, *parts)))))


class Runs:
    """Every run, what drives them on, and what the world keeps of them."""

    def __init__(self, clock: WorldClock, history: History) -> None:
        self._clock, self._history = clock, history
        self.all: dict[int, Run] = {}
        self.approvals: dict[str, Approval] = {}
        self.ran: dict[str, dict[str, list[str]]] = {}
        self.jobs = dict.fromkeys(JOBS, "on schedule")
        self._last = 48_200

    def busy(self) -> bool:
        """Say whether any run is moving; one that waits for an approval is not."""
        return any(run.task and not run.task.done() for run in self.all.values())

    def new(self, pipeline: Pipeline, by: str, skip: Iterable[str] = (), **more: Any) -> Run:
        """Record a run as queued, without starting it."""
        now = more.pop("created", None) or self._clock.now()
        self._last += 7
        day = f"{now:%Y%m%d}"
        today = [r for r in self.all.values() if r.pipeline is pipeline and r.number.startswith(day)]
        left_out = {ref.lower() for ref in skip}
        run = Run(
            id=self._last,
            pipeline=pipeline,
            number=f"{day}.{len(today) + 1}",
            created=now,
            by=by,
            stages=[StageRun(stage, stage.ref.lower() in left_out) for stage in pipeline.stages],
            **more,
        )
        self.all[run.id] = run
        return run

    def start(self, run: Run) -> None:
        """Let a run go on from wherever it is."""
        run.task = asyncio.create_task(self._drive(run))

    async def _drive(self, run: Run) -> None:
        if run.started is None:
            await self._clock.sleep(QUEUE_SECONDS)
            run.started = self._clock.now()
        for one in run.stages:
            if one.state == "completed":
                continue
            if any(other.result in ("failed", "canceled") for other in run.stages):
                one.end("skipped", self._clock.now())
            elif not self._approved(run, one):
                if one.state == "pending":
                    return
            else:
                await self._carry_out(run, one)
        self._finish(run)

    def _approved(self, run: Run, one: StageRun) -> bool:
        """Say whether the stage may run; without a decision it stays pending, a refusal ends it failed."""
        if not one.stage.approvers:
            return True
        if one.approval is None:
            key, now = run.key("approval", one.stage.ref, one.attempt), self._clock.now()
            one.approval = Approval(key, run, one, one.stage.approvers, now, now)
            self.approvals[key] = one.approval
            who = " or ".join(one.stage.approvers)
            self._history(f"Azure DevOps: {run.pipeline.name} {run.number} waits for {who} before {one.stage.title}")
        if one.approval.status == "rejected":
            one.end("failed", self._clock.now(), f"The stage was rejected by {one.approval.by}")
        return one.approval.status == "approved"

    async def _carry_out(self, run: Run, one: StageRun) -> None:
        one.state, one.started = "inProgress", self._clock.now()
        results = self.ran.setdefault(run.pipeline.name, {}).setdefault(one.stage.ref, [])
        results.append("inProgress")
        place = len(results) - 1
        try:
            for _, seconds in one.stage.steps:
                await self._clock.sleep(seconds)
                one.done += 1
            if run.failing:
                run.failing, one.done = False, len(one.stage.steps) - 1
                one.end("failed", self._clock.now(), "PowerShell exited with code '1'.")
            else:
                one.end("succeeded", self._clock.now())
                self._take_effect(run, one)
        finally:
            results[place] = one.result or "canceled"
        self._history(f"Azure DevOps: {run.pipeline.name} {run.number}, {one.stage.title}: {one.result}")

    def _take_effect(self, run: Run, one: StageRun) -> None:
        if run.pipeline is PREPARATION and one.stage.ref in JOBS_AFTER:
            self.jobs = dict.fromkeys(JOBS, JOBS_AFTER[one.stage.ref])

    def _finish(self, run: Run) -> None:
        results = [one.result for one in run.stages]
        run.result = next((bad for bad in ("failed", "canceled") if bad in results), "succeeded")
        run.finished = self._clock.now()

    def decide(self, approval: Approval, status: str, by: str, comment: str) -> None:
        """Approve or reject; raises Refusal when it was decided before or `by` is no approver of it."""
        if status not in ("approved", "rejected"):
            raise Refusal(400, "InvalidApprovalUpdateException", f"An approval cannot be made {status}.")
        if approval.status != "pending":
            message = f"Approval {approval.id} is already {approval.status}."
            raise Refusal(400, "InvalidApprovalUpdateException", message)
        if by not in approval.approvers:
            message = f"{by} is not allowed to act on approval {approval.id}."
            raise Refusal(403, "ApprovalAccessDeniedException", message)
        approval.status, approval.by, approval.comment = status, by, comment
        approval.modified = self._clock.now()
        self._history(f"Azure DevOps: {by} {status} {approval.stage.stage.title} of {approval.run.pipeline.name}")
        self.start(approval.run)

    def retry(self, run: Run, ref: str, *, failing: bool) -> None:
        """Run a failed or cancelled stage again, and what was skipped because of it; raises Refusal."""
        one = run.find(ref)
        if run.finished is None or one.result not in ("failed", "canceled"):
            message = f"Stage {one.stage.ref} cannot be retried: it is {one.result or one.state}."
            raise Refusal(400, "InvalidStageUpdateException", message)
        for later in run.stages[run.stages.index(one) :]:
            if not later.skipped:
                later.again()
        run.result, run.finished, run.failing, run.cancelling = None, None, failing, False
        self._history(f"Azure DevOps: {run.pipeline.name} {run.number} tries {one.stage.title} again")
        self.start(run)

    def cancel_stage(self, run: Run, ref: str) -> None:
        """Cancel one stage that is waiting or running; the ones after it are skipped; raises Refusal."""
        one = run.find(ref)
        if one.state == "completed":
            message = f"Stage {one.stage.ref} cannot be cancelled: it is {one.result}."
            raise Refusal(400, "InvalidStageUpdateException", message)
        self._stop(run)
        one.end("canceled", self._clock.now())
        self._void(one)
        self.start(run)

    def cancel(self, run: Run) -> None:
        """Begin to cancel the whole run; raises Refusal when it has ended."""
        if run.finished:
            message = f"Build {run.id} has completed and cannot be cancelled."
            raise Refusal(400, "InvalidBuildUpdateException", message)
        if not run.cancelling:
            self._stop(run)
            run.cancelling = True
            run.task = asyncio.create_task(self._wind_down(run))

    async def _wind_down(self, run: Run) -> None:
        await self._clock.sleep(CANCEL_SECONDS)
        for one in run.stages:
            if one.state != "completed":
                one.end("canceled" if one.state == "inProgress" else "skipped", self._clock.now())
                self._void(one)
        run.result, run.finished, run.cancelling = "canceled", self._clock.now(), False
        self._history(f"Azure DevOps: {run.pipeline.name} {run.number} was cancelled")

    def _void(self, one: StageRun) -> None:
        if one.approval and one.approval.status == "pending":
            one.approval.status, one.approval.modified = "canceled", self._clock.now()

    def _stop(self, run: Run) -> None:
        if run.task:
            run.task.cancel()
