"""The twin's Azure DevOps, spoken to as its REST documentation says."""

import json
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema  # type: ignore[import-untyped] # it ships no types
import pytest
import yaml

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
def project(world: dict[str, Any], tls: ssl.SSLContext, control: httpx.Client) -> Iterator[Project]:
    control.post("/clock", json={"speed": 12_000}).raise_for_status()
    with httpx.Client(base_url=world["url"], verify=tls, trust_env=False) as client:
        yield Project(client)


@pytest.fixture
def kept(control: httpx.Client) -> Callable[[], dict[str, Any]]:
    def read() -> dict[str, Any]:
        found: dict[str, Any] = control.get("/state", params={"wait": 10}).json()["one_way"]["azure-devops"]
        return found

    return read


def test_exactly_one_stage_runs_when_all_others_are_skipped(
    project: Project, kept: Callable[[], dict[str, Any]]
) -> None:
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
    assert kept()["pipeline stages"] == {"Preparation": {"Pre_Maintenance": {"ran": 1, "result": "succeeded"}}}
    assert set(kept()["job schedules"].values()) == {"rescheduled"}


def test_a_runs_link_leads_to_a_page_for_people(project: Project, control: httpx.Client) -> None:
    control.post("/faults", json={"match": {"path": "/runs$"}, "do": "fail", "times": 1}).raise_for_status()
    run = project.run(11, ONLY_PRE_MAINTENANCE)
    project.ended(run["id"])
    shown = project.client.get(run["_links"]["web"]["href"])
    assert shown.status_code == 200
    assert '<span class="failed">failed</span>' in shown.text
    assert "PowerShell exited with code &#39;1&#39;." in shown.text
    assert project.client.get(f"{API.removesuffix('_apis')}_build/results?buildId=1").status_code == 404


def test_asked_twice_it_runs_twice(project: Project, kept: Callable[[], dict[str, Any]]) -> None:
    numbers = [project.run(11, ONLY_PRE_MAINTENANCE)["id"] for _ in range(2)]
    for number in numbers:
        project.ended(number)
    assert numbers[0] != numbers[1]
    assert kept()["pipeline stages"]["Preparation"]["Pre_Maintenance"]["ran"] == 2


def test_a_preview_names_every_stage_and_runs_none(project: Project) -> None:
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


def test_a_failed_stage_can_be_retried(
    project: Project, kept: Callable[[], dict[str, Any]], control: httpx.Client
) -> None:
    control.post("/faults", json={"match": {"path": "/runs$"}, "do": "fail", "times": 1}).raise_for_status()
    number = project.run()["id"]
    assert project.ended(number)["result"] == "failed"
    assert list(project.stages(number).values()) == ["failed", "skipped", "skipped", "skipped"]
    task = next(r for r in project.get(f"/build/builds/{number}/timeline")["records"] if r["type"] == "Task")
    assert (task["result"], task["issues"][0]["type"]) == ("failed", "error")
    assert (
        project.call("PATCH", f"/build/builds/{number}/stages/Pre_Maintenance", {"state": "retry"}).status_code == 400
    )
    assert project.call("PATCH", f"/build/builds/{number}/stages/validate", {"state": "retry"}).status_code == 200
    assert project.ended(number)["result"] == "succeeded"
    assert kept()["pipeline stages"]["Preparation"]["Validate"] == {"ran": 2, "result": "succeeded"}


def test_runs_are_found_again_by_their_tag(project: Project) -> None:
    run = project.run(11, {**ONLY_PRE_MAINTENANCE, "variables": {"step": {"value": "P6"}}})
    assert run["variables"] == {"step": {"value": "P6"}}
    tag = f"/build/builds/{run['id']}/tags/2025-03-23%20monthly%20P6"
    assert project.call("PUT", tag).json() == {"count": 1, "value": ["2025-03-23 monthly P6"]}
    found = project.get("/build/builds", definitions="11", tagFilters="2025-03-23 monthly P6")
    assert [build["id"] for build in found["value"]] == [run["id"]]
    assert project.get("/build/builds", definitions="21", tagFilters="2025-03-23 monthly P6")["count"] == 0
    assert project.get(tag.rpartition("/")[0])["value"] == ["2025-03-23 monthly P6"]
    recent = project.get("/build/builds", definitions="11", minTime="2025-03-17T00:00:00Z")["value"]
    assert [build["id"] for build in recent] == [run["id"]], "last month's run was queued earlier"


def test_a_run_can_be_cancelled(project: Project, control: httpx.Client) -> None:
    control.post("/clock", json={"speed": 600}).raise_for_status()
    run = project.run()
    project.build_when(run["id"], lambda build: build["status"] == "inProgress")
    answer = project.call("PATCH", f"/build/builds/{run['id']}", {"status": "cancelling"})
    assert answer.json()["status"] == "cancelling"
    assert project.ended(run["id"])["result"] == "canceled"
    assert project.get(f"/pipelines/11/runs/{run['id']}")["result"] == "canceled"
    assert project.call("PATCH", f"/build/builds/{run['id']}", {"status": "cancelling"}).status_code == 400


def test_a_stage_waits_for_its_approval(project: Project, control: httpx.Client) -> None:
    run = project.run(22, {"templateParameters": {"version": "3.15.0"}})
    waiting = project.approval()
    assert control.get("/state").json()["settled"], "nothing moves before somebody decides"
    records = project.get(f"/build/builds/{run['id']}/timeline")["records"]
    check = next(record for record in records if record["type"] == "Checkpoint.Approval")
    assert (check["id"], check["state"]) == (waiting["id"], "inProgress")
    decision = [{"approvalId": waiting["id"], "status": "approved", "comment": "go"}]
    assert project.call("PATCH", "/pipelines/approvals", decision).status_code == 403, "the operator is no approver"
    answer = project.call("PATCH", "/pipelines/approvals", decision, pat="release-manager").json()
    assert (answer["count"], answer["value"][0]["status"]) == (1, "approved")
    assert project.ended(run["id"])["result"] == "succeeded"
    assert project.call("PATCH", "/pipelines/approvals", decision, pat="release-manager").status_code == 400


def test_a_rejected_stage_fails_its_run(project: Project, control: httpx.Client) -> None:
    run = project.run(22)
    project.approval()
    edit = {"resource": "azure-devops/Payer_Infrastructure", "change": {"reject": "Platform Approver"}}
    assert control.post("/edit", json=edit).json()["id"] == run["id"]
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


def _validator(specs: Path, document: str, name: str) -> jsonschema.Draft4Validator:
    folder = specs / "azure-devops/specification"
    definitions = json.loads((folder / document).read_text(encoding="utf-8-sig"))["definitions"]
    # Reference links are drawn as {"links": {}} there, and are a flat object on the wire.
    definitions["ReferenceLinks"] = {"type": "object"}
    # A parameter's "object" is C#'s: any value at all.
    if "Run" in definitions:
        definitions["Run"]["properties"]["templateParameters"] = {"type": "object"}
    schema = {"$ref": f"#/definitions/{name}", "definitions": definitions}
    return jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker())


def test_answers_fit_the_vendors_definitions(project: Project, specs: Path) -> None:
    run = project.run(22)
    approval = project.approval()
    checked = {
        ("pipelines/7.1/pipelines.json", "Pipeline"): project.get("/pipelines/22"),
        ("pipelines/7.1/pipelines.json", "Run"): project.get(f"/pipelines/22/runs/{run['id']}"),
        ("build/7.1/build.json", "Build"): project.get(f"/build/builds/{run['id']}"),
        ("approvalsAndChecks/7.1/pipelinesapproval.json", "Approval"): approval,
    }
    for (document, name), answer in checked.items():
        validator = _validator(specs, document, name)
        validator.validate(answer)
        known = _properties(validator.schema["definitions"], name)
        assert set(answer) <= known, f"{name} has no {set(answer) - known}"
    records = _validator(specs, "build/7.1/build.json", "TimelineRecord")
    for record in project.get(f"/build/builds/{run['id']}/timeline")["records"]:
        records.validate({key: value for key, value in record.items() if value is not None})


def _properties(definitions: dict[str, Any], name: str) -> set[str]:
    own = definitions[name]
    bases = [part["$ref"].rpartition("/")[2] for part in own.get("allOf", [])]
    return set(own.get("properties", {})).union(*(_properties(definitions, base) for base in bases))
