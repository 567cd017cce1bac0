"""The twin's Jira, held against Jira's own specification."""

import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from openapi_core import OpenAPI
from openapi_core.testing import MockRequest, MockResponse

KEY = "PLAT-1980"
API = "/rest/api/3"
SAID = {
    "type": "doc",
    "version": 1,
    "content": [{"type": "paragraph", "content": [{"type": "text", "text": "Five servers are patched."}]}],
}
LINK = {"globalId": "maint:P3", "object": {"url": "https://reports.example.com/1", "title": "Report"}}
Ask = Callable[..., httpx.Response]


@pytest.fixture
def ask(world: dict[str, Any], tls: ssl.SSLContext) -> Iterator[Ask]:
    login = ("operator@example.com", "rehearsal")
    with httpx.Client(base_url=f"{world['url']}/jira{API}", auth=login, verify=tls, trust_env=False) as client:

        def send(method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
            return client.request(method, path, json=body, **more)

        yield send


def status(ask: Ask, key: str = KEY) -> str:
    return str(ask("GET", f"/issue/{key}", params={"fields": "status"}).json()["fields"]["status"]["name"])


def test_every_ticket_of_the_page_is_there(ask: Ask) -> None:
    window = yaml.safe_load((Path(__file__).parents[2] / "windows/2025-03-23-monthly.yaml").read_text())
    tickets = {key for step in window["steps"].values() for key in step.get("tickets", ())}
    assert len(tickets) == 18
    for key in tickets:
        found = ask("GET", f"/issue/{key.lower()}").json()
        assert found["key"] == key
        assert found["fields"]["summary"]


def test_a_ticket_goes_where_its_transitions_lead(ask: Ask, control: httpx.Client) -> None:
    ways = {way["name"]: way["id"] for way in ask("GET", f"/issue/{KEY}/transitions").json()["transitions"]}
    assert set(ways) == {"Start", "Done", "Won't do"}
    done = ask("POST", f"/issue/{KEY}/transitions", {"transition": {"id": ways["Done"]}})
    assert (done.status_code, done.content, status(ask)) == (204, b"", "Done")
    again = ask("POST", f"/issue/{KEY}/transitions", {"transition": {"id": ways["Done"]}})
    assert again.status_code == 400
    assert again.json()["errorMessages"]
    assert ask("POST", f"/issue/{KEY}/transitions", {}).status_code == 400
    names = [way["name"] for way in ask("GET", "/issue/INFRA-896/transitions").json()["transitions"]]
    assert names == ["Start work", "Resolve this issue"]
    assert "moved PLAT-1980 to Done" in control.get("/state").json()["history"][-1]


def test_comments_are_documents(ask: Ask) -> None:
    assert ask("POST", f"/issue/{KEY}/comment", {"body": SAID}).status_code == 201
    for body in ("plain text", {"type": "doc", "version": 1, "content": []}, None):
        refused = ask("POST", f"/issue/{KEY}/comment", {"body": body})
        assert (refused.status_code, list(refused.json()["errors"])) == (400, ["comment"])
    later = {**SAID, "content": [*SAID["content"], {"type": "rule"}]}  # type: ignore[misc]
    ask("POST", f"/issue/{KEY}/comment", {"body": later})
    newest = ask("GET", f"/issue/{KEY}/comment", params={"orderBy": "-created", "maxResults": 1}).json()
    assert (newest["total"], [one["body"] for one in newest["comments"]]) == (2, [later])


def test_a_link_with_the_same_global_id_is_the_same_link(ask: Ask) -> None:
    path = f"/issue/{KEY}/remotelink"
    first, second = ask("POST", path, LINK), ask("POST", path, {**LINK, "object": {**LINK["object"], "title": "Final"}})  # type: ignore[dict-item]
    assert (first.status_code, second.status_code, first.json() == second.json()) == (201, 200, True)
    assert [one["object"]["title"] for one in ask("GET", path).json()] == ["Final"]
    assert ask("POST", path, {"object": {"url": "https://reports.example.com/1"}}).status_code == 400
    assert ask("DELETE", path, params={"globalId": "maint:P3"}).status_code == 204
    assert ask("GET", path, params={"globalId": "maint:P3"}).status_code == 404


def test_it_refuses_what_jira_refuses(ask: Ask, control: httpx.Client) -> None:
    assert ask("GET", f"/issue/{KEY}", auth=("operator@example.com", "wrong")).status_code == 401
    assert ask("GET", f"/issue/{KEY}", headers={"authorization": "Bearer x"}, auth=None).status_code == 401
    missing = ask("GET", "/issue/PLAT-1")
    assert (missing.status_code, missing.json()["errors"]) == (404, {})
    assert ask("GET", "/serverInfo").status_code == 404
    edit = {"resource": "jira/PLAT-1", "change": {"summary": "Found after all", "status": "In Progress"}}
    assert control.post("/edit", json=edit).status_code == 204
    assert status(ask, "PLAT-1") == "In Progress"
    control.post("/edit", json={"resource": f"jira/{KEY}", "change": {"deleted": True}})
    assert ask("GET", f"/issue/{KEY}").status_code == 404


def test_the_answers_are_jiras(ask: Ask, specs: Path) -> None:
    raw = json.loads((specs / "jira" / "jira-v3-subset.json").read_text(), object_hook=_without_formats)
    published = OpenAPI.from_dict(raw)

    def held(method: str, path: str, body: Any = None) -> Any:
        answer = ask(method, path, body)
        request = MockRequest("https://your-domain.atlassian.net", method.lower(), API + path)
        response = MockResponse(answer.content, status_code=answer.status_code, content_type="application/json")
        if answer.content:
            published.validate_response(request, response)
        return answer

    held("GET", "/myself")
    held("GET", f"/issue/{KEY}")
    held("GET", f"/issue/{KEY}/transitions")
    assert held("POST", f"/issue/{KEY}/transitions", {"transition": {"id": "31"}}).status_code == 204
    assert held("POST", f"/issue/{KEY}/comment", {"body": SAID}).status_code == 201
    held("GET", f"/issue/{KEY}/comment")
    assert held("POST", f"/issue/{KEY}/remotelink", LINK).status_code == 201
    assert held("POST", f"/issue/{KEY}/remotelink", LINK).status_code == 200


def _without_formats(part: dict[str, Any]) -> dict[str, Any]:
    """Leave out what the specification gets wrong: Jira's times have no colon in their offset."""
    return {k: v for k, v in part.items() if k != "security" and (k, v) != ("format", "date-time")}
