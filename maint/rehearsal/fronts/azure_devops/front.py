"""Azure DevOps over HTTP: pipelines and runs, builds and their timelines, approvals."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from maint.rehearsal.clock import WorldClock
from maint.rehearsal.front import History, told_to_fail
from maint.rehearsal.fronts.azure_devops.answers import Answers, identity, many
from maint.rehearsal.fronts.azure_devops.gate import guarded, person, sign_in
from maint.rehearsal.fronts.azure_devops.page import render
from maint.rehearsal.fronts.azure_devops.pipelines import PIPELINES, PREPARATION, Pipeline
from maint.rehearsal.fronts.azure_devops.refusal import Refusal
from maint.rehearsal.fronts.azure_devops.runs import Approval, Run, Runs

_PROJECT = "/{organization}/{project}"
_PIPELINES, _BUILDS = f"{_PROJECT}/_apis/pipelines", f"{_PROJECT}/_apis/build/builds"


class AzureDevOpsFront:
    """One project with its pipelines.

    Any token is good that is not empty and does not begin with "wrong". clock makes runs take world time.
    """

    name = "azure-devops"
    prefix = "/azure-devops"

    def __init__(self, clock: WorldClock, history: History) -> None:
        self._history = history
        self._runs = Runs(clock, history)
        self._last_month()

    def _last_month(self) -> None:
        """Leave behind last month's run, which is nobody's business today."""
        began = datetime(2025, 2, 23, 0, 0, 12, tzinfo=UTC)
        run = self._runs.new(PREPARATION, "Dana Reyes", created=began, parameters={}, variables={})
        for one in run.stages:
            one.started = began
            one.end("succeeded", began + timedelta(hours=12))
            one.done = len(one.stage.steps)
        run.started, run.finished, run.result = began, began + timedelta(hours=12), "succeeded"
        run.tags.append("2025-02-23 monthly")

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes, the last one answering as Azure DevOps does where it has nothing."""
        table = [
            (f"{_PIPELINES}/approvals", "GET", self._list_approvals),
            (f"{_PIPELINES}/approvals", "PATCH", self._update_approvals),
            (f"{_PIPELINES}/approvals/{{approval}}", "GET", self._get_approval),
            (_PIPELINES, "GET", self._list_pipelines),
            (f"{_PIPELINES}/{{pipeline:int}}", "GET", self._get_pipeline),
            (f"{_PIPELINES}/{{pipeline:int}}/preview", "POST", self._preview),
            (f"{_PIPELINES}/{{pipeline:int}}/runs", "GET", self._list_runs),
            (f"{_PIPELINES}/{{pipeline:int}}/runs", "POST", self._start_run),
            (f"{_PIPELINES}/{{pipeline:int}}/runs/{{run:int}}", "GET", self._get_run),
            (_BUILDS, "GET", self._list_builds),
            (f"{_BUILDS}/{{run:int}}", "GET", self._get_build),
            (f"{_BUILDS}/{{run:int}}", "PATCH", self._update_build),
            (f"{_BUILDS}/{{run:int}}/timeline", "GET", self._timeline),
            (f"{_BUILDS}/{{run:int}}/stages/{{stage}}", "PATCH", self._update_stage),
            (f"{_BUILDS}/{{run:int}}/tags", "GET", self._tags),
            (f"{_BUILDS}/{{run:int}}/tags", "POST", self._tags),
            (f"{_BUILDS}/{{run:int}}/tags/{{tag}}", "PUT", self._tags),
            (f"{_BUILDS}/{{run:int}}/tags/{{tag}}", "DELETE", self._tags),
            ("/{organization}/_apis/connectionData", "GET", self._connection),
        ]
        found = [Route(path, guarded(handler), methods=[method]) for path, method, handler in table]
        methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
        nothing = Route("/{organization}/{rest:path}", guarded(_nothing_here), methods=methods)
        results = Route(f"{_PROJECT}/_build/results", self._results)
        return [Route("/_signin", sign_in), results, *found, nothing]

    def reversible(self) -> dict[str, Any]:
        """Return nothing: what a run has done is not undone by taking the run back."""
        return {}

    def one_way(self) -> dict[str, Any]:
        """Return, by pipeline and stage, how often it ran and how it ended, and what became of the jobs.

        The job schedules are here since their way back is by people, not by giving something back.
        """
        ran = {
            pipeline: {ref: {"ran": len(results), "result": results[-1]} for ref, results in sorted(stages.items())}
            for pipeline, stages in sorted(self._runs.ran.items())
        }
        return {"pipeline stages": ran, "job schedules": dict(sorted(self._runs.jobs.items()))}

    def busy(self) -> bool:
        """Say whether a run is moving; one that waits for an approval is not."""
        return self._runs.busy()

    async def edit(self, resource: str, change: dict[str, Any]) -> Response:
        """Approve, reject, cancel or run something as another person.

        resource is a pipeline's name; change is {"approve" or "reject": person}, about its oldest approval
        that waits, {"cancel": person}, about its newest run, or {"run": person, "skip": [stages]}.
        """
        pipeline = next((one for one in PIPELINES.values() if one.name == resource), None)
        if pipeline is None:
            return Refusal(404, "PipelineNotFoundException", f"There is no pipeline {resource}.").response()
        try:
            return JSONResponse(self._edit(pipeline, change))
        except Refusal as refusal:
            return refusal.response()

    def _edit(self, pipeline: Pipeline, change: dict[str, Any]) -> dict[str, Any]:
        mine = [run for run in self._runs.all.values() if run.pipeline is pipeline]
        if "run" in change:
            run = self._begin(pipeline, str(change["run"]), {"stagesToSkip": change.get("skip", [])})
        elif "cancel" in change:
            run = mine[-1]
            self._runs.cancel(run)
        else:
            waiting = [one for one in self._runs.approvals.values() if one.run in mine and one.status == "pending"]
            if not waiting:
                message = f"Nothing of {pipeline.name} waits for an approval."
                raise Refusal(400, "InvalidApprovalUpdateException", message)
            status, key = ("approved", "approve") if "approve" in change else ("rejected", "reject")
            run = waiting[0].run
            self._runs.decide(waiting[0], status, str(change[key]), str(change.get("comment", "")))
        return {"id": run.id, "name": run.number}

    # Pipelines and runs

    async def _list_pipelines(self, request: Request, answers: Answers) -> Response:
        return JSONResponse(many([answers.pipeline(one) for one in PIPELINES.values()]))

    async def _get_pipeline(self, request: Request, answers: Answers) -> Response:
        return JSONResponse(answers.pipeline_in_full(_pipeline(request)))

    async def _preview(self, request: Request, answers: Answers) -> Response:
        pipeline, body = _pipeline(request), await _body(request)
        return JSONResponse({"finalYaml": pipeline.final_yaml(_checked(pipeline, body)[1])})

    async def _list_runs(self, request: Request, answers: Answers) -> Response:
        pipeline = _pipeline(request)
        mine = [answers.run(run) for run in reversed(self._runs.all.values()) if run.pipeline is pipeline]
        return JSONResponse(many(mine))

    async def _start_run(self, request: Request, answers: Answers) -> Response:
        pipeline, body = _pipeline(request), await _body(request)
        if body.get("previewRun"):
            preview = {
                "finalYaml": pipeline.final_yaml(_checked(pipeline, body)[1]),
                "id": -1,
                "state": "unknown",
            }
            return JSONResponse({**preview, "pipeline": answers.pipeline(pipeline)})
        run = self._begin(pipeline, person(request), body, failing=told_to_fail(request))
        return JSONResponse(answers.run_in_full(run))

    def _begin(self, pipeline: Pipeline, by: str, body: dict[str, Any], *, failing: bool = False) -> Run:
        skip, parameters = _checked(pipeline, body)
        resources = dict(body.get("resources") or {})
        own = (resources.pop("repositories", None) or {}).get("self") or {}
        run = self._runs.new(
            pipeline,
            by,
            skip,
            parameters=parameters,
            variables=body.get("variables") or {},
            resources=resources,
            failing=failing,
        )
        run.branch, run.version = own.get("refName") or run.branch, own.get("version") or run.version
        stages = ", ".join(one.stage.title for one in run.stages if not one.skipped) or "no stage at all"
        self._history(f"Azure DevOps: {by} started {pipeline.name} {run.number}: {stages}")
        self._runs.start(run)
        return run

    async def _get_run(self, request: Request, answers: Answers) -> Response:
        pipeline, run = _pipeline(request), self._run(request)
        if run.pipeline is not pipeline:
            raise _no_build(run.id)
        return JSONResponse(answers.run_in_full(run))

    # Builds

    def _run(self, request: Request) -> Run:
        number = request.path_params["run"]
        if number not in self._runs.all:
            raise _no_build(number)
        return self._runs.all[number]

    async def _list_builds(self, request: Request, answers: Answers) -> Response:
        asked = request.query_params
        definitions, tags = _split(asked.get("definitions")), _split(asked.get("tagFilters"))
        numbers = _split(asked.get("buildIds"))
        # The builds are in the order they were queued, and these limits are about that time too.
        earliest, latest = _moment(asked.get("minTime", "1970-01-01")), _moment(asked.get("maxTime", "9999-01-01"))
        found = []
        for run in reversed(self._runs.all.values()):
            build = answers.build(run)
            wanted = (
                (not definitions or str(run.pipeline.id) in definitions)
                and (not numbers or str(run.id) in numbers)
                and set(tags) <= set(run.tags)
                and asked.get("statusFilter", "all") in ("all", build["status"])
                and asked.get("resultFilter") in (None, run.result)
                and asked.get("branchName") in (None, run.branch)
                and asked.get("buildNumber") in (None, run.number)
                and earliest <= run.created <= latest
            )
            if wanted:
                found.append(build)
        top = asked.get("$top", "")
        return JSONResponse(many(found[: int(top)] if top.isdigit() else found))

    async def _get_build(self, request: Request, answers: Answers) -> Response:
        return JSONResponse(answers.build(self._run(request)))

    async def _update_build(self, request: Request, answers: Answers) -> Response:
        run, body = self._run(request), await _body(request)
        if request.query_params.get("retry", "").lower() == "true":
            bad = [one.stage.ref for one in run.stages if one.result in ("failed", "canceled")]
            if not bad:
                message = f"Build {run.id} has nothing to retry."
                raise Refusal(400, "InvalidBuildUpdateException", message)
            self._runs.retry(run, bad[0], failing=told_to_fail(request))
        elif str(body.get("status", "")).lower() == "cancelling":
            self._runs.cancel(run)
        else:
            message = "Only the status can be updated, and only to cancelling."
            raise Refusal(400, "InvalidBuildUpdateException", message)
        return JSONResponse(answers.build(run))

    async def _results(self, request: Request) -> Response:
        """Show a run to a person, who needs no token for it here."""
        number = request.query_params.get("buildId", "")
        run = self._runs.all.get(int(number)) if number.isdigit() else None
        return HTMLResponse(render(run)) if run else PlainTextResponse("There is no such run.", status_code=404)

    async def _timeline(self, request: Request, answers: Answers) -> Response:
        return JSONResponse(answers.timeline(self._run(request)))

    async def _update_stage(self, request: Request, answers: Answers) -> Response:
        run, ref, body = self._run(request), request.path_params["stage"], await _body(request)
        state = str(body.get("state", "")).lower()
        if state == "retry":
            self._runs.retry(run, ref, failing=told_to_fail(request))
        elif state == "cancel":
            self._runs.cancel_stage(run, ref)
        else:
            raise Refusal(400, "InvalidStageUpdateException", 'The state must be "retry" or "cancel".')
        return Response(status_code=200)

    async def _tags(self, request: Request, answers: Answers) -> Response:
        run, tag = self._run(request), request.path_params.get("tag")
        wanted = [tag] if tag else []
        if request.method == "POST":
            wanted = [str(one) for one in json.loads(await request.body() or b"[]")]
        if request.method == "DELETE":
            run.tags = [one for one in run.tags if one != tag]
        else:
            run.tags += [one for one in wanted if one not in run.tags]
        return JSONResponse(many(run.tags))

    # Approvals

    async def _list_approvals(self, request: Request, answers: Answers) -> Response:
        asked = request.query_params
        numbers, state = _split(asked.get("approvalIds")), asked.get("state", "all").lower()
        found = [
            answers.approval(one, steps="steps" in asked.get("$expand", ""))
            for one in self._runs.approvals.values()
            if (not numbers or one.id in numbers) and state in ("all", one.status)
        ]
        return JSONResponse(many(found))

    async def _get_approval(self, request: Request, answers: Answers) -> Response:
        steps = "steps" in request.query_params.get("$expand", "")
        return JSONResponse(answers.approval(self._approval(request.path_params["approval"]), steps=steps))

    def _approval(self, number: str) -> Approval:
        found = self._runs.approvals.get(number)
        if found is None:
            raise Refusal(404, "ApprovalNotFoundException", f"Approval {number} was not found.")
        return found

    async def _update_approvals(self, request: Request, answers: Answers) -> Response:
        changes = await _body(request, list)
        done = []
        for change in changes:
            one, status = self._approval(str(change.get("approvalId"))), str(change.get("status"))
            self._runs.decide(one, status, person(request), str(change.get("comment") or ""))
            done.append(answers.approval(one, steps=True))
        return JSONResponse(many(done))

    async def _connection(self, request: Request, answers: Answers) -> Response:
        who = identity(person(request))
        shown = {"id": who["id"], "providerDisplayName": who["displayName"], "isActive": True}
        return JSONResponse({"authenticatedUser": shown, "authorizedUser": shown, "deploymentType": "hosted"})


def _split(value: str | None) -> list[str]:
    return [part.strip() for part in (value or "").split(",") if part.strip()]


def _moment(value: str) -> datetime:
    try:
        found = datetime.fromisoformat(value)
    except ValueError as error:
        raise Refusal(400, "InvalidRequestException", f"The value '{value}' is not a valid time.") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _pipeline(request: Request) -> Pipeline:
    number = request.path_params["pipeline"]
    if number not in PIPELINES:
        raise Refusal(404, "PipelineNotFoundException", f"Pipeline with id {number} was not found.")
    return PIPELINES[number]


def _no_build(number: int) -> Refusal:
    return Refusal(404, "BuildNotFoundException", f"The requested build {number} could not be found.")


async def _body(request: Request, kind: type[Any] = dict) -> Any:
    try:
        body = json.loads(await request.body() or b"{}")
    except ValueError:
        body = None
    if not isinstance(body, kind):
        raise Refusal(400, "InvalidRequestException", "The request body is no valid JSON for this call.")
    return body


def _checked(pipeline: Pipeline, body: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
    """Return the stages to skip and the template parameters of a run, or refuse them."""
    skip, given = list(body.get("stagesToSkip") or []), dict(body.get("templateParameters") or {})
    for ref in skip:
        if not pipeline.stage(str(ref)):
            raise Refusal(400, "PipelineValidationException", f"'{ref}' is not a valid stage to skip.")
    for name in given:
        if name not in pipeline.parameters:
            raise Refusal(400, "PipelineValidationException", f"Unexpected parameter '{name}'")
    return skip, {**pipeline.parameters, **{name: str(value) for name, value in given.items()}}


async def _nothing_here(request: Request, answers: Answers) -> Response:
    message = f"The controller for path '{request.url.path}' was not found or does not implement IController."
    raise Refusal(404, "HttpException", message)
