"""The twin's Pingdom, held against Pingdom's own specification."""

import ssl
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from openapi_core import Config, OpenAPI
from openapi_core.testing import MockRequest, MockResponse

WWW, MY, OLD = 6801001, 6801002, 6801005
HOUR = 3600
Ask = Callable[..., Any]


@pytest.fixture
def pingdom(world: dict[str, Any], tls: ssl.SSLContext, control: httpx.Client) -> Iterator[httpx.Client]:
    control.post("/clock", json={"speed": 1})
    headers = {"authorization": "Bearer rehearsal"}
    with httpx.Client(base_url=f"{world['url']}/pingdom/api/3.1", headers=headers, verify=tls, trust_env=False) as one:
        yield one


@pytest.fixture
def now(world: dict[str, Any], control: httpx.Client) -> Callable[[], int]:
    return lambda: int(datetime.fromisoformat(control.get(f"{world['control']}/clock").json()["now"]).timestamp())


def refusal(answer: httpx.Response) -> tuple[int, str]:
    error = answer.json()["error"]
    assert error["statuscode"] == answer.status_code
    assert error["statusdesc"]
    return answer.status_code, error["errormessage"]


def quiet(control: httpx.Client) -> Any:
    return control.get("/state").json()["reversible"]["pingdom"]


def a_window(**changes: Any) -> dict[str, Any]:
    return {"description": "March", "from": 1, "uptimeids": [WWW, MY], **changes}


def test_a_window_begins_now_and_is_ended_not_deleted(
    pingdom: httpx.Client, control: httpx.Client, now: Callable[[], int]
) -> None:
    before = quiet(control)
    assert before == {"maintenance windows in force": [], "paused checks": ["portal-old"]}
    made = pingdom.post("/maintenance", json=a_window(to=now() + HOUR)).json()["maintenance"]
    assert quiet(control)["maintenance windows in force"] == ["March: www, my"]
    path = f"/maintenance/{made['id']}"
    assert refusal(pingdom.delete(path)) == (400, "Only future maintenance windows can be deleted")
    assert refusal(pingdom.put(path, json={"from": now() + HOUR}))[0] == 400
    assert pingdom.put(path, json={"to": 1, "effectiveto": 1}).json()["message"].endswith("modified!")
    assert quiet(control) == before
    assert refusal(pingdom.put(path, json={"to": now() + HOUR}))[0] == 400, "what is past stays past"
    assert refusal(pingdom.delete(path))[0] == 400


def test_a_future_window_can_be_moved_and_deleted(pingdom: httpx.Client, now: Callable[[], int]) -> None:
    soon = now() + HOUR
    wanted = a_window(**{"from": soon, "to": soon + HOUR})
    made = pingdom.post("/maintenance", json=wanted).json()["maintenance"]["id"]
    pingdom.put(f"/maintenance/{made}", json={"to": soon + 2 * HOUR})
    found = pingdom.get(f"/maintenance/{made}").json()["maintenance"]
    assert (found["to"], found["effectiveto"], found["checks"]["uptime"]) == (soon + 2 * HOUR,) * 2 + ([WWW, MY],)
    occurrences = pingdom.get("/maintenance.occurrences", params={"maintenanceid": made}).json()["occurrences"]
    assert [(one["from"], one["to"]) for one in occurrences] == [(soon, soon + 2 * HOUR)]
    assert refusal(pingdom.delete("/maintenance", params={"maintenanceids": f"{made},410"}))[0] == 400
    assert pingdom.delete(f"/maintenance/{made}").json()["message"].endswith("deleted!")
    assert refusal(pingdom.get(f"/maintenance/{made}"))[0] == 404


def test_it_refuses_what_pingdom_refuses(pingdom: httpx.Client, now: Callable[[], int]) -> None:
    def refused(**changes: Any) -> str:
        answer = pingdom.post("/maintenance", json=a_window(**{"to": now() + HOUR, **changes}))
        assert answer.status_code == 400
        return refusal(answer)[1]

    assert "from" in refused(**{"from": now() - HOUR})
    assert "to" in refused(to=now() - HOUR)
    assert "later than" in refused(to=1)
    assert "description" in refused(description="")
    assert "no such check: 5" in refused(uptimeids=[WWW, 5])
    assert "recurrencetype" in refused(recurrencetype="week"), "windows that come again were not taught"
    assert refusal(pingdom.get("/checks", headers={"authorization": "Bearer wrong"}))[0] == 401
    assert refusal(pingdom.get("/probes"))[0] == 404
    assert refusal(pingdom.post("/maintenance", content="{", headers={"content-type": "application/json"}))[0] == 400


def test_a_bulk_pause_without_ids_pauses_every_check(pingdom: httpx.Client, control: httpx.Client) -> None:
    pingdom.put("/checks", json={"paused": True, "checkids": f"{WWW},{MY}"})
    assert quiet(control)["paused checks"] == ["my", "portal-old", "www"]
    pingdom.put(f"/checks/{WWW}", json={"paused": False})
    assert quiet(control)["paused checks"] == ["my", "portal-old"]
    pingdom.put("/checks", json={"paused": True})
    assert len(quiet(control)["paused checks"]) == 5


def test_others_edit_by_the_same_rules(control: httpx.Client, now: Callable[[], int]) -> None:
    def edit(resource: str, **change: Any) -> httpx.Response:
        return control.post("/edit", json={"resource": f"pingdom/{resource}", "change": change})

    edit("checks/api", paused=True)
    edit("Hotfix", **{"from": 1, "to": now() + 2 * HOUR, "uptimeids": [WWW], "by": "Lee Novak"})
    assert quiet(control) == {
        "maintenance windows in force": ["Hotfix: www"],
        "paused checks": ["api", "portal-old"],
    }
    assert edit("Hotfix", deleted=True).status_code == 400
    edit("Hotfix", to=1)
    assert quiet(control)["maintenance windows in force"] == []
    assert edit("checks/none", paused=True).status_code == 404


def test_the_answers_are_pingdoms(pingdom: httpx.Client, specs: Path, now: Callable[[], int]) -> None:
    raw = yaml.safe_load((specs / "pingdom" / "API_3.1.yaml").read_text())
    published = OpenAPI.from_dict(raw, config=Config(spec_validator_cls=None))  # its defaults are of the wrong type

    def ask(method: str, path: str, body: Any = None, **query: str) -> Any:
        answer = pingdom.request(method, path, json=body, params=query)
        assert answer.status_code == 200, answer.text
        request = MockRequest("https://api.pingdom.com", method.lower(), f"/api/3.1{path}", args=query)
        response = MockResponse(answer.content, status_code=200, content_type="application/json")
        published.validate_response(request, response)
        return answer.json()

    assert ask("GET", "/checks", limit="2")["counts"] == {"total": 5, "limited": 2, "filtered": 5}
    ask("PUT", f"/checks/{OLD}", {"paused": False})
    ask("PUT", "/checks", {"paused": True, "checkids": str(OLD)})
    soon = now() + HOUR
    made = ask("POST", "/maintenance", a_window(**{"from": soon, "to": soon + HOUR}))["maintenance"]["id"]
    listed = ask("GET", "/maintenance", orderby="from", order="desc")["maintenance"]
    assert [one["description"] for one in listed] == [
        "Marketing moves house",
        "March",
        "New certificates for marketing",
    ]
    ask("GET", f"/maintenance/{made}")
    ask("PUT", f"/maintenance/{made}", {"to": soon + 2 * HOUR})
    occurrence = ask("GET", "/maintenance.occurrences")["occurrences"][0]["id"]
    ask("GET", f"/maintenance.occurrences/{occurrence}")
    ask("DELETE", f"/maintenance/{made}")
