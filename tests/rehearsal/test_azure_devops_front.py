"""The twin's Azure DevOps, spoken to as its REST documentation says."""

import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import jsonschema  # type: ignore[import-untyped] # it ships no types
import pytest
import yaml
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from maint.rehearsal.clock import WorldClock
from maint.rehearsal.fronts.azure_devops import AzureDevOpsFront

API = "/azure-devops/invoicecloud/Platform/_apis"
VERSION = {"api-version": "7.1"}
ONLY_PRE_MAINTENANCE = {"stagesToSkip": ["Validate", "Starting_Maintenance", "Post_Maintenance"]}
SUPPRESS = {"X-TFS-FedAuthRedirect": "Suppress"}


class Project:
    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def call(self, method: str, path: str, body: Any = None, pat: str = "pat", **query: str) -> httpx.Response:
        return self.client.request(
            method, API + path, json=body, auth=("", pat), headers=SUPPRESS, params={**VERSION, **query}
        )

    def get(self, path: str, **query: str) -> Any:
        answer = self.call("GET", path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def run(self, pipeline: int = 11, body: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = self.call("POST", f"/pipelines/{pipeline}/runs", body or {})
        assert answer.status_code == 200, answer.text
        run: dict[str, Any] = answer.json()
        return run

    def build_when(self, number: int, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + 10
        while not wanted(build := self.get(f"/build/builds/{number}")):
            assert time.monotonic() < deadline, build
            time.sleep(0.005)
        return build  # type: ignore[no-any-return]

    def ended(self, number: int) -> dict[str, Any]:
        return self.build_when(number, lambda build: build["status"] == "completed")

    def stages(self, number: int) -> dict[str, str]:
        records = self.get(f"/build/builds/{number}/timeline")["records"]
        return {r["identifier"]: r["result"] or r["state"] for r in records if r["type"] == "Stage"}

    def approval(self) -> dict[str, Any]:
        deadline = time.monotonic() + 10
        while not (found := self.get("/pipelines/approvals", state="pending", **{"$expand": "steps"}))["count"]:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        waiting: dict[str, Any] = found["value"][0]
        return waiting


@pytest.fixture
def front() -> AzureDevOpsFront:
    clock = WorldClock(datetime(2025, 3, 22, 23, tzinfo=UTC), 12_000)
    return AzureDevOpsFront(clock, lambda _line: None)


@pytest.fixture
def project(front: AzureDevOpsFront) -> Iterator[Project]:
    with TestClient(Starlette(routes=[Mount(front.prefix, routes=front.routes())])) as client:
        yield Project(client)


def test_exactly_one_stage_runs_when_all_others_are_skipped(project: Project, front: AzureDevOpsFront) -> None:
    run = project.run(11, ONLY_PRE_MAINTENANCE)
    assert run["state"] == "inProgress"
    assert "result" not in run
    build = project.ended(run["id"])
    assert build["result"] == "succeeded"
    assert project.get(f"/pipelines/11/runs/{run['id']}")["result"] == "succeeded"
    assert project.stages(run["id"]) == {
        "Validate": "skipped",
        "Pre_Maintenance": "succeeded",
        "Starting_Maintenance": "skipped",
        "Post_Maintenance": "skipped",
    }
    kept = front.one_way()
    assert kept["pipeline stages"] == {"Preparation": {"Pre_Maintenance": {"ran": 1, "result": "succeeded"}}}
    assert set(kept["job schedules"].values()) == {"rescheduled"}


def test_asked_twice_it_runs_twice(project: Project, front: AzureDevOpsFront) -> None:
    numbers = [project.run(11, ONLY_PRE_MAINTENANCE)["id"] for _ in range(2)]
    for number in numbers:
        project.ended(number)
    assert numbers[0] != numbers[1]
    assert front.one_way()["pipeline stages"]["Preparation"]["Pre_Maintenance"]["ran"] == 2


def test_a_preview_names_every_stage_and_runs_none(project: Project, front: AzureDevOpsFront) -> None:
    before = project.get("/pipelines/11/runs")
    body = {"previewRun": True, **ONLY_PRE_MAINTENANCE}
    preview = project.call("POST", "/pipelines/11/runs", body).json()
    assert preview["id"] == -1
    stages = yaml.safe_load(preview["finalYaml"])["stages"]
    assert [(s["stage"], s["displayName"]) for s in stages][1:3] == [
        ("Pre_Maintenance", "Pre-Maintenance"),
        ("Starting_Maintenance", "Starting Maintenance"),
    ]
    assert project.call("POST", "/pipelines/11/preview", {}).json()["finalYaml"] == preview["finalYaml"]
    assert project.get("/pipelines/11/runs") == before
    assert not front.busy()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"stagesToSkip": ["Pre-Maintenance"]}, "'Pre-Maintenance' is not a valid stage to skip."),
        ({"templateParameters": {"env": "prod"}}, "Unexpected parameter 'env'"),
    ],
)
def test_what_the_pipeline_does_not_know_is_refused(project: Project, body: dict[str, Any], message: str) -> None:
    answer = project.call("POST", "/pipelines/11/runs", body)
    assert answer.status_code == 400
    assert (answer.json()["typeKey"], answer.json()["message"]) == ("PipelineValidationException", message)


def test_a_failed_stage_can_be_retried(project: Project, front: AzureDevOpsFront) -> None:
    run = front._runs.new(front._runs.all[48_207].pipeline, "x", parameters={}, variables={}, failing=True)
    project.client.portal.call(_start, front, run.id)  # type: ignore[attr-defined]
    assert project.ended(run.id)["result"] == "failed"
    assert list(project.stages(run.id).values()) == ["failed", "skipped", "skipped", "skipped"]
    task = next(r for r in project.get(f"/build/builds/{run.id}/timeline")["records"] if r["type"] == "Task")
    assert (task["result"], task["issues"][0]["type"]) == ("failed", "error")
    assert (
        project.call("PATCH", f"/build/builds/{run.id}/stages/Pre_Maintenance", {"state": "retry"}).status_code == 400
    )
    assert project.call("PATCH", f"/build/builds/{run.id}/stages/validate", {"state": "retry"}).status_code == 200
    assert project.ended(run.id)["result"] == "succeeded"
    assert front.one_way()["pipeline stages"]["Preparation"]["Validate"] == {"ran": 2, "result": "succeeded"}


async def _start(front: AzureDevOpsFront, number: int) -> None:
    front._runs.start(front._runs.all[number])


def test_runs_are_found_again_by_their_tag(project: Project) -> None:
    run = project.run(11, {**ONLY_PRE_MAINTENANCE, "variables": {"step": {"value": "P6"}}})
    assert run["variables"] == {"step": {"value": "P6"}}
    tag = f"/build/builds/{run['id']}/tags/2025-03-23%20monthly%20P6"
    assert project.call("PUT", tag).json() == {"count": 1, "value": ["2025-03-23 monthly P6"]}
    found = project.get("/build/builds", definitions="11", tagFilters="2025-03-23 monthly P6")
    assert [build["id"] for build in found["value"]] == [run["id"]]
    assert project.get("/build/builds", definitions="21", tagFilters="2025-03-23 monthly P6")["count"] == 0
    assert project.get(tag.rpartition("/")[0])["value"] == ["2025-03-23 monthly P6"]


def test_a_run_can_be_cancelled(project: Project, front: AzureDevOpsFront) -> None:
    run = project.run()
    project.build_when(run["id"], lambda build: build["status"] == "inProgress")
    answer = project.call("PATCH", f"/build/builds/{run['id']}", {"status": "cancelling"})
    assert answer.json()["status"] == "cancelling"
    assert project.ended(run["id"])["result"] == "canceled"
    assert project.get(f"/pipelines/11/runs/{run['id']}")["result"] == "canceled"
    assert project.call("PATCH", f"/build/builds/{run['id']}", {"status": "cancelling"}).status_code == 400
    assert not front.busy()


def test_a_stage_waits_for_its_approval(project: Project, front: AzureDevOpsFront) -> None:
    run = project.run(22, {"templateParameters": {"version": "3.15.0"}})
    waiting = project.approval()
    assert not front.busy(), "nothing moves before somebody decides"
    records = project.get(f"/build/builds/{run['id']}/timeline")["records"]
    check = next(record for record in records if record["type"] == "Checkpoint.Approval")
    assert (check["id"], check["state"]) == (waiting["id"], "inProgress")
    decision = [{"approvalId": waiting["id"], "status": "approved", "comment": "go"}]
    assert project.call("PATCH", "/pipelines/approvals", decision).status_code == 403, "the operator is no approver"
    answer = project.call("PATCH", "/pipelines/approvals", decision, pat="release-manager").json()
    assert (answer["count"], answer["value"][0]["status"]) == (1, "approved")
    assert project.ended(run["id"])["result"] == "succeeded"
    assert project.call("PATCH", "/pipelines/approvals", decision, pat="release-manager").status_code == 400


def test_a_rejected_stage_fails_its_run(project: Project, front: AzureDevOpsFront) -> None:
    run = project.run(22)
    project.approval()
    answer = project.client.portal.call(front.edit, "Payer_Infrastructure", {"reject": "Platform Approver"})  # type: ignore[attr-defined]
    assert json.loads(answer.body)["id"] == run["id"]
    assert project.ended(run["id"])["result"] == "failed"
    assert project.stages(run["id"]) == {"Plan": "succeeded", "Deploy": "failed"}


def test_who_does_not_sign_in_gets_a_page_and_no_json(project: Project) -> None:
    url = f"{API}/pipelines"
    nobody = project.client.get(url, follow_redirects=False)
    assert nobody.status_code == 302
    assert "<h1>Sign in</h1>" in project.client.get(nobody.headers["location"]).text
    wrong = project.client.get(url, auth=("", "wrong"))
    assert (wrong.status_code, wrong.headers["content-type"].split(";")[0]) == (203, "text/html")
    told = project.call("GET", "/pipelines", pat="wrong")
    assert (told.status_code, told.json()["typeKey"]) == (401, "UnauthorizedRequestException")
    assert project.client.get(url, headers={"Authorization": "Bearer entra"}).json()["count"] == 12


def test_the_api_version_is_asked_for_and_looked_at(project: Project) -> None:
    url, auth = f"{API}/pipelines/11/runs", ("", "pat")
    missing = project.client.post(url, json={}, auth=auth)
    assert (missing.status_code, missing.json()["typeKey"]) == (400, "VssVersionNotSpecifiedException")
    later = project.client.get(url, params={"api-version": "9.0"}, auth=auth)
    assert (later.status_code, later.json()["typeKey"]) == (400, "VssVersionOutOfRangeException")
    assert project.client.get(url, auth=auth).status_code == 200


def test_what_is_not_there_is_the_vendors_own_404(project: Project) -> None:
    for path, kind in {
        "/pipelines/99": "PipelineNotFoundException",
        "/build/builds/1": "BuildNotFoundException",
        "/release/releases": "HttpException",
    }.items():
        answer = project.call("GET", path)
        assert (answer.status_code, answer.json()["typeKey"]) == (404, kind)
    answer = project.client.get(API.replace("Platform", "Other") + "/pipelines", auth=("", "pat"))
    assert answer.json()["message"].startswith("TF200016")


def _definition(document: str, name: str) -> dict[str, Any]:
    specs = os.environ.get("MAINT_SPECS")
    if not specs:
        pytest.skip("MAINT_SPECS is not set: the vendors' machine-readable specs are not here")
    folder = Path(specs) / "azure-devops/specification"
    definitions = json.loads((folder / document).read_text(encoding="utf-8-sig"))["definitions"]
    # Reference links are drawn as {"links": {}} there, and are a flat object on the wire.
    definitions["ReferenceLinks"] = {"type": "object"}
    # A parameter's "object" is C#'s: any value at all.
    if "Run" in definitions:
        definitions["Run"]["properties"]["templateParameters"] = {"type": "object"}
    return {"$ref": f"#/definitions/{name}", "definitions": definitions}


def test_answers_fit_the_vendors_definitions(project: Project) -> None:
    run = project.run(22)
    approval = project.approval()
    checked = {
        ("pipelines/7.1/pipelines.json", "Pipeline"): project.get("/pipelines/22"),
        ("pipelines/7.1/pipelines.json", "Run"): project.get(f"/pipelines/22/runs/{run['id']}"),
        ("build/7.1/build.json", "Build"): project.get(f"/build/builds/{run['id']}"),
        ("approvalsAndChecks/7.1/pipelinesapproval.json", "Approval"): approval,
    }
    for (document, name), answer in checked.items():
        definition = _definition(document, name)
        jsonschema.validate(answer, definition, format_checker=jsonschema.FormatChecker())
        known = _properties(definition["definitions"], name)
        assert set(answer) <= known, f"{name} has no {set(answer) - known}"
    for record in project.get(f"/build/builds/{run['id']}/timeline")["records"]:
        present = {key: value for key, value in record.items() if value is not None}
        jsonschema.validate(present, _definition("build/7.1/build.json", "TimelineRecord"))


def _properties(definitions: dict[str, Any], name: str) -> set[str]:
    own = definitions[name]
    bases = [part["$ref"].rpartition("/")[2] for part in own.get("allOf", [])]
    return set(own.get("properties", {})).union(*(_properties(definitions, base) for base in bases))
