"""Azure DevOps: run exactly these stages of a pipeline, and find, follow and judge a run.

The API can only be told which stages to skip, so what is skipped is worked out anew for each run.
"""

import base64
import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import yaml

from maint.errors import VendorError
from maint.systems.http import JsonHttp, outcome_unknown
from maint.waiting import Patience

if TYPE_CHECKING:
    from maint.environment import AzureDevOpsSettings

_VERSION = {"api-version": "7.1"}
_SKEW = timedelta(minutes=1)  # between two clocks that are both right
_LOOKS, _LOOK_SECONDS = 3, 0.5  # for a run whose start was not answered
_WELL = frozenset({"succeeded", "succeededWithIssues"})


@dataclass(frozen=True)
class Stage:
    """A stage by the name in the YAML (ref) and the name that people see."""

    ref: str
    name: str


@dataclass(frozen=True)
class Run:
    """A run of a pipeline; id is the build's id as well."""

    id: int
    url: str


@dataclass(frozen=True)
class StageState:
    """state: pending, inProgress or completed. result: empty until completed."""

    ref: str
    name: str
    state: str
    result: str


@dataclass(frozen=True)
class RunState:
    """A run as it stands. waiting: the stages that wait for somebody's approval, by name."""

    id: int
    state: str
    result: str
    stages: dict[str, StageState]
    waiting: tuple[str, ...]
    problems: tuple[str, ...]
    url: str

    @property
    def over(self) -> bool:
        """Say whether the run has ended, however it did."""
        return self.state == "completed"


@dataclass(frozen=True)
class RunResult:
    """What a run came to. ok: it succeeded and so did every stage that was asked for."""

    id: int
    ok: bool
    words: str
    stages: dict[str, StageState]
    url: str


class AzureDevOps:
    """The pipelines of one project. secret: returns a secret by its name. before_write: the fence."""

    def __init__(
        self,
        settings: "AzureDevOpsSettings",
        *,
        secret: Callable[[str], str],
        ca: str | None,
        before_write: Callable[[], None],
        timeout: float = 30.0,
    ) -> None:
        self._settings = settings

        def headers() -> dict[str, str]:
            token = base64.b64encode(f":{secret(settings.token)}".encode()).decode()
            # Without the second header a refused token is answered with a redirect to a sign-in page.
            return {"Authorization": f"Basic {token}", "X-TFS-FedAuthRedirect": "Suppress"}

        project = f"{quote(settings.organization)}/{quote(settings.project)}"
        self._http = JsonHttp(
            "Azure DevOps",
            f"{settings.url.rstrip('/')}/{project}/_apis",
            headers,
            ca=ca,
            before_write=before_write,
            timeout=timeout,
        )

    def stages(self, pipeline: str, version: str | None = None) -> tuple[Stage, ...]:
        """Return the stages that a run would have now, in order; starts nothing. Raises VendorError."""
        answer = self._http.send(
            f"reading the stages of {pipeline}",
            "POST",
            f"/pipelines/{self._id(pipeline)}/preview",
            params=_VERSION,
            json={"previewRun": True, "resources": _resources(version)},
        )
        document = yaml.safe_load(answer.get("finalYaml") or "") or {}
        return tuple(
            Stage(str(stage["stage"]), str(stage.get("displayName") or stage["stage"]))
            for stage in document.get("stages") or []
        )

    def start(self, pipeline: str, stages: Iterable[str], tag: str, version: str | None = None) -> Run:
        """Start a run of exactly these stages (names or refs), mark it with `tag`, and return it.

        version: a tag of the pipeline's repository, or a full ref; None for its default branch. When the
        answer is lost the run is looked for first. Raises VendorError; with code OutcomeUnknown a run may
        have been started, else none was.
        """
        what, known = f"starting {pipeline}", self.stages(pipeline, version)
        wanted = self._refs(pipeline, known, stages)
        body = {
            "stagesToSkip": [stage.ref for stage in known if stage.ref not in wanted],
            "resources": _resources(version),
        }
        newest = max((int(build["id"]) for build in self._builds(pipeline)), default=0)
        try:
            answer = self._http.send(
                what,
                "POST",
                f"/pipelines/{self._id(pipeline)}/runs",
                params=_VERSION,
                json=body,
                writes=True,
            )
            run = Run(int(answer["id"]), _web(answer))
        except VendorError as problem:
            if not outcome_unknown(problem):
                raise
            run = self._unanswered(pipeline, newest, wanted, problem)
        with contextlib.suppress(VendorError):  # it runs: `find` knows it without its mark, and marks it then
            self._mark(run, tag)
        return run

    def find(self, pipeline: str, tag: str, *, since: datetime, stages: Iterable[str]) -> Run | None:
        """Return the run that was started with this tag; None when there is none.

        A run that was started but not marked (a crash in between) is known by being queued after `since`
        (aware, on Azure DevOps' clock), bearing no mark at all, and running exactly these stages; it is
        marked now. Raises VendorError.
        """
        marked = self._builds(pipeline, tagFilters=tag)
        if marked:
            return Run(int(marked[0]["id"]), _web(marked[0]))
        wanted = self._refs(pipeline, self.stages(pipeline), stages)
        for build in self._builds(pipeline):
            late_enough = datetime.fromisoformat(build["queueTime"]) >= since - _SKEW
            if late_enough and not build.get("tags") and self._runs_only(int(build["id"]), wanted):
                run = Run(int(build["id"]), _web(build))
                self._mark(run, tag)
                return run
        return None

    def state(self, run: int) -> RunState:
        """Read how a run stands. Raises VendorError."""
        build = self._http.send(f"reading run {run}", "GET", f"/build/builds/{run}", params=_VERSION)
        records = self._records(run)
        by_id = {record["id"]: record for record in records}
        waiting = [
            _stage_above(record, by_id)
            for record in records
            if record.get("type") == "Checkpoint.Approval" and record.get("state") != "completed"
        ]
        return RunState(
            id=run,
            state=str(build.get("status") or "unknown"),
            result=str(build.get("result") or ""),
            stages={stage.ref: stage for stage in _stages(records)},
            waiting=tuple(dict.fromkeys(waiting)),
            problems=tuple(_problems(records)),
            url=_web(build),
        )

    def wait(self, run: int, patience: Patience, stages: Iterable[str] = ()) -> RunResult:
        """Wait until the run has ended and return how; `stages` (names or refs) are those that must succeed.

        A run that waits for an approval is told about and waited for. Raises VendorError, Stopped,
        DeadlinePassed; the run goes on.
        """
        while not (now := self.state(run)).over:
            stage = next((one.name for one in now.stages.values() if one.state == "inProgress"), now.state)
            approval = f"waiting for approval of {', '.join(now.waiting)}" if now.waiting else stage
            patience.tell(f"run {run}: {approval}")
            patience.pause(f"the end of run {run}")
        by_name = {**now.stages, **{stage.name: stage for stage in now.stages.values()}}
        bad = [name for name in stages if name not in by_name or by_name[name].result not in _WELL]
        bad += [one.name for one in now.stages.values() if one.result in {"failed", "canceled", "abandoned"}]
        ok = now.result == "succeeded" and not bad
        words = f"run {run} {now.result or 'ended without a result'}"
        if bad:
            names = ", ".join(dict.fromkeys(by_name[name].name if name in by_name else name for name in bad))
            words += f"; not succeeded: {names}"
        if now.problems and not ok:
            words += f" ({'; '.join(now.problems[:3])})"
        return RunResult(run, ok, words, now.stages, now.url)

    def _id(self, pipeline: str) -> int:
        if pipeline not in self._settings.pipelines:
            raise VendorError(
                f"there is no pipeline {pipeline!r}; allowed: {', '.join(self._settings.pipelines)}",
                where="Azure DevOps",
                next="correct the name, or add the pipeline's id to the environment file",
            )
        return self._settings.pipelines[pipeline]

    @staticmethod
    def _refs(pipeline: str, known: tuple[Stage, ...], wanted: Iterable[str]) -> frozenset[str]:
        refs = {name: stage.ref for stage in known for name in (stage.name, stage.ref)}
        wanted = tuple(wanted)
        unknown = [name for name in wanted if name not in refs]
        if unknown or not wanted:
            raise VendorError(
                f"{pipeline} has no stage {', '.join(unknown) or '(none was named)'}; "
                f"it has {', '.join(stage.name for stage in known) or 'none'}",
                where="Azure DevOps",
                next="correct the stage in the window file",
            )
        return frozenset(refs[name] for name in wanted)

    def _builds(self, pipeline: str, **filters: str) -> list[dict[str, Any]]:
        """Return the newest runs of a pipeline, newest first."""
        answer = self._http.send(
            f"listing the runs of {pipeline}",
            "GET",
            "/build/builds",
            params={
                **_VERSION,
                "definitions": str(self._id(pipeline)),
                "queryOrder": "queueTimeDescending",
                "$top": "20",
                **filters,
            },
        )
        return list(answer.get("value") or [])

    def _records(self, run: int) -> list[dict[str, Any]]:
        answer = self._http.send(
            f"reading the timeline of run {run}", "GET", f"/build/builds/{run}/timeline", params=_VERSION
        )
        return list((answer or {}).get("records") or [])

    def _runs_only(self, run: int, wanted: frozenset[str]) -> bool:
        """Say whether a run skips every stage but these."""
        stages = _stages(self._records(run))
        return bool(stages) and {stage.ref for stage in stages if stage.result != "skipped"} == wanted

    def _unanswered(self, pipeline: str, newest: int, wanted: frozenset[str], problem: VendorError) -> Run:
        """Return the run whose start was not answered; raises OutcomeUnknown when there is none to see."""
        for _ in range(_LOOKS):
            for build in self._builds(pipeline):
                if int(build["id"]) > newest and self._runs_only(int(build["id"]), wanted):
                    return Run(int(build["id"]), _web(build))
            time.sleep(_LOOK_SECONDS)
        raise VendorError(
            f"{problem.what}; whether a run was started is not known, and none is to be seen",
            where=problem.where,
            next="look at the pipeline's runs, then run again: it looks for a started run first",
            status=problem.status,
            code="OutcomeUnknown",
        ) from problem

    def _mark(self, run: Run, tag: str) -> None:
        # In the body, since the address takes fewer characters; adding a tag twice is adding it once.
        self._http.repeat(
            lambda: self._http.send(
                f"marking run {run.id}",
                "POST",
                f"/build/builds/{run.id}/tags",
                params=_VERSION,
                json=[tag],
                writes=True,
            )
        )


def _resources(version: str | None) -> dict[str, Any]:
    if version is None:
        return {}
    ref = version if version.startswith("refs/") else f"refs/tags/{version}"
    return {"repositories": {"self": {"refName": ref}}}


def _web(answer: dict[str, Any]) -> str:
    links = answer.get("_links") or {}
    return str((links.get("web") or {}).get("href") or answer.get("url") or "")


def _stages(records: list[dict[str, Any]]) -> list[StageState]:
    found = sorted(
        (record for record in records if record.get("type") == "Stage"), key=lambda one: one.get("order") or 0
    )
    return [
        StageState(
            ref=str(record.get("identifier") or record.get("name")),
            name=str(record.get("name")),
            state=str(record.get("state") or ""),
            result=str(record.get("result") or ""),
        )
        for record in found
    ]


def _stage_above(record: dict[str, Any], by_id: dict[str, dict[str, Any]]) -> str:
    while record.get("type") != "Stage" and record.get("parentId") in by_id:
        record = by_id[record["parentId"]]
    return str(record.get("name"))


def _problems(records: list[dict[str, Any]]) -> Iterable[str]:
    for record in records:
        for issue in record.get("issues") or []:
            if issue.get("type") == "error":
                yield f"{record.get('name')}: {issue.get('message')}"
