"""Runs, builds, timelines and approvals as Azure DevOps shows them."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from maint.rehearsal.fronts.azure_devops.pipelines import Pipeline
from maint.rehearsal.fronts.azure_devops.runs import NAMESPACE, Approval, Run, StageRun

VERSION = "7.1"
PROJECT_ID = "3c9a7f10-0000-4000-8000-0000000000a1"


def many(values: Sequence[Any]) -> dict[str, Any]:
    """Return a list as Azure DevOps wraps one."""
    return {"count": len(values), "value": list(values)}


def said(time: datetime | None) -> str | None:
    """Return a time as Azure DevOps writes it, in UTC."""
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}0Z" if time else None


def identity(name: str) -> dict[str, Any]:
    """Return a made-up person or group."""
    key = str(uuid.uuid5(NAMESPACE, name))
    mail = name.lower().replace(" ", ".") + "@example.com"
    return {"displayName": name, "id": key, "uniqueName": mail, "descriptor": f"aad.{key.replace('-', '')}"}


def _present(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if value is not None}


@dataclass(frozen=True)
class Answers:
    """Writes answers for one request: base is the project's address, without a slash at its end."""

    base: str
    project: str

    def pipeline(self, one: Pipeline) -> dict[str, Any]:
        """Return a pipeline as in a list."""
        url = f"{self.base}/_apis/pipelines/{one.id}?revision=1"
        web = f"{self.base}/_build/definition?definitionId={one.id}"
        links = {"self": {"href": url}, "web": {"href": web}}
        return {
            "_links": links,
            "url": url,
            "id": one.id,
            "revision": 1,
            "name": one.name,
            "folder": one.folder,
        }

    def pipeline_in_full(self, one: Pipeline) -> dict[str, Any]:
        """Return a pipeline by itself, with where its YAML is."""
        name = one.name.lower().replace(" ", "-")
        place = {"id": str(uuid.uuid5(NAMESPACE, one.name)), "type": "azureReposGit"}
        configuration = {"path": f"/pipelines/{name}.yml", "repository": place, "type": "yaml"}
        return {**self.pipeline(one), "configuration": configuration}

    def run(self, run: Run) -> dict[str, Any]:
        """Return a run as in a list: without its variables and resources."""
        url = f"{self.base}/_apis/pipelines/{run.pipeline.id}/runs/{run.id}"
        web = f"{self.base}/_build/results?buildId={run.id}"
        state = "completed" if run.finished else "canceling" if run.cancelling else "inProgress"
        return _present(
            {
                "_links": {"self": {"href": url}, "web": {"href": web}},
                "templateParameters": run.parameters,
                "pipeline": self._reference(run.pipeline),
                "state": state,
                "result": run.result,
                "createdDate": said(run.created),
                "finishedDate": said(run.finished),
                "url": url,
                "id": run.id,
                "name": run.number,
            }
        )

    def run_in_full(self, run: Run) -> dict[str, Any]:
        """Return a run by itself; the value of a secret variable is never shown."""
        name = str(uuid.uuid5(NAMESPACE, run.pipeline.name))
        own = {
            "repository": {"id": name, "type": "azureReposGit"},
            "refName": run.branch,
            "version": run.version,
        }
        shown = {
            key: {"isSecret": True} if variable.get("isSecret") else {"value": variable.get("value")}
            for key, variable in run.variables.items()
        }
        resources = {"repositories": {"self": own}, **run.resources}
        return {**self.run(run), "resources": resources, **({"variables": shown} if shown else {})}

    def _reference(self, one: Pipeline) -> dict[str, Any]:
        url = f"{self.base}/_apis/pipelines/{one.id}?revision=1"
        return {"url": url, "id": one.id, "revision": 1, "name": one.name, "folder": one.folder}

    def build(self, run: Run) -> dict[str, Any]:
        """Return a run as the Build API shows it."""
        status = "completed" if run.finished else "cancelling" if run.cancelling else "inProgress"
        if run.started is None and status == "inProgress":
            status = "notStarted"
        url = f"{self.base}/_apis/build/Builds/{run.id}"
        links = {
            "self": {"href": url},
            "web": {"href": f"{self.base}/_build/results?buildId={run.id}"},
            "timeline": {"href": f"{self.base}/_apis/build/builds/{run.id}/Timeline"},
        }
        project = {"id": PROJECT_ID, "name": self.project, "state": "wellFormed", "visibility": "private"}
        definition = {"id": run.pipeline.id, "name": run.pipeline.name, "path": run.pipeline.folder}
        return _present(
            {
                "_links": links,
                "id": run.id,
                "buildNumber": run.number,
                "status": status,
                "result": run.result,
                "queueTime": said(run.created),
                "startTime": said(run.started),
                "finishTime": said(run.finished),
                "url": url,
                "uri": f"vstfs:///Build/Build/{run.id}",
                "definition": {**definition, "type": "build", "queueStatus": "enabled", "project": project},
                "project": project,
                "sourceBranch": run.branch,
                "sourceVersion": run.version,
                "reason": "manual",
                "priority": "normal",
                "requestedFor": identity(run.by),
                "requestedBy": identity(run.by),
                "templateParameters": run.parameters,
                "tags": list(run.tags),
            }
        )

    def timeline(self, run: Run) -> dict[str, Any]:
        """Return the build's timeline: stages, their checkpoints, phases, jobs and tasks."""
        records = [record for order, one in enumerate(run.stages, 1) for record in self._stage(run, one, order)]
        return {
            "id": run.key("timeline"),
            "changeId": sum(one.done + one.attempt for one in run.stages),
            "lastChangedOn": said(run.finished or run.started or run.created),
            "records": records,
            "url": f"{self.base}/_apis/build/builds/{run.id}/Timeline/{run.key('timeline')}",
        }

    def _stage(self, run: Run, one: StageRun, order: int) -> Iterable[dict[str, Any]]:
        ref = one.stage.ref
        stage = run.key("stage", ref, one.attempt)
        yield self._record(one, id=stage, type="Stage", name=one.stage.title, identifier=ref, order=order)
        if one.approval:
            yield from self._checkpoint(run, one, one.approval, stage)
        if one.started is None:
            return
        phase, job = run.key("phase", ref, one.attempt), run.key("job", ref, one.attempt)
        title, path = one.stage.title, f"{ref}.{ref}"
        yield self._record(one, id=phase, parentId=stage, type="Phase", name=title, identifier=path)
        path += ".__default"
        yield self._record(one, id=job, parentId=phase, type="Job", name=title, identifier=path)
        for place, (name, _) in enumerate(one.stage.steps):
            task = run.key("task", ref, one.attempt, place)
            state, result = _step(one, place)
            bad = result == "failed"
            yield self._record(
                one,
                id=task,
                parentId=job,
                type="Task",
                name=name,
                identifier=f"{path}.{place}",
                order=place + 1,
                state=state,
                result=result,
                errorCount=int(bad),
                issues=_issues(one) if bad else [],
            )

    def _checkpoint(self, run: Run, one: StageRun, approval: Approval, stage: str) -> Iterable[dict[str, Any]]:
        over = approval.status != "pending"
        shown = {
            "state": "completed" if over else "inProgress",
            "result": {"approved": "succeeded", "rejected": "failed", "canceled": "canceled"}.get(approval.status),
            "startTime": said(approval.created),
            "finishTime": said(approval.modified) if over else None,
        }
        check, ref = run.key("checkpoint", one.stage.ref, one.attempt), one.stage.ref
        name = "Checkpoint"
        yield self._record(one, id=check, parentId=stage, type=name, name=name, identifier=f"{ref}.{name}", **shown)
        name = "Checkpoint.Approval"
        yield self._record(one, id=approval.id, parentId=check, type=name, name=name, identifier=approval.id, **shown)

    def _record(self, one: StageRun, **own: Any) -> dict[str, Any]:
        rejected = own["type"] == "Stage" and one.started is None and one.result == "failed"
        return {
            "previousAttempts": [],
            "parentId": None,
            "startTime": said(one.started),
            "finishTime": said(one.finished),
            "currentOperation": None,
            "percentComplete": None,
            "state": one.state,
            "result": one.result,
            "resultCode": None,
            "changeId": one.attempt + one.done,
            "lastModified": said(one.finished or one.started),
            "workerName": None,
            "order": 1,
            "errorCount": int(rejected),
            "warningCount": 0,
            "url": None,
            "log": None,
            "task": None,
            "attempt": one.attempt,
            "issues": _issues(one) if rejected else [],
            **own,
        }

    def approval(self, one: Approval, *, steps: bool) -> dict[str, Any]:
        """Return an approval, with who decided what when `steps` are asked for."""
        url = f"{self.base}/_apis/pipelines/approvals/{one.id}"
        return {
            "id": one.id,
            "steps": [_decision(one, order, who) for order, who in enumerate(one.approvers, 1)] if steps else [],
            "status": one.status,
            "createdOn": said(one.created),
            "lastModifiedOn": said(one.modified),
            "executionOrder": "anyOrder",
            "minRequiredApprovers": 1,
            "blockedApprovers": [],
            "_links": {"self": {"href": url}},
        }


def _issues(one: StageRun) -> list[dict[str, Any]]:
    return [{"type": "error", "category": "General", "message": one.issue}]


def _step(one: StageRun, place: int) -> tuple[str, str | None]:
    if place < one.done:
        return "completed", "succeeded"
    if one.state == "inProgress":
        return ("inProgress", None) if place == one.done else ("pending", None)
    if one.result in ("failed", "canceled") and place == one.done:
        return "completed", one.result
    return "completed", "skipped"


def _decision(one: Approval, order: int, approver: str) -> dict[str, Any]:
    decided = one.by == approver
    return _present(
        {
            "assignedApprover": identity(approver),
            "actualApprover": identity(one.by) if decided else None,
            "status": one.status if decided or one.status == "pending" else "skipped",
            "comment": one.comment if decided else None,
            "order": order,
            "initiatedOn": said(one.created),
            "lastModifiedOn": said(one.modified),
            "history": [],
        }
    )
