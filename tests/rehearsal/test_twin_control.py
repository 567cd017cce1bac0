"""The twin's control interface: time, faults, the log, and a world as new."""

import json
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

GATEWAYS = (
    "/azure/subscriptions/5c2f4d1e-0000-4000-8000-00000000a1b2/resourceGroups/rg-payments-prd/providers"
    "/Microsoft.Network/applicationGateways"
)
SYSTEMS = ["azure", "azure-devops", "cloudflare", "jira", "newrelic", "pingdom", "slack"]
ASKED: dict[str, Any] = {"params": {"api-version": "2026-03-01"}, "headers": {"authorization": "Bearer x"}}


def read(control: httpx.Client, world: dict[str, Any]) -> httpx.Response:
    return control.get(world["url"] + GATEWAYS, **ASKED)


def fault(control: httpx.Client, **wanted: Any) -> None:
    control.post("/faults", json=wanted).raise_for_status()


def edit(control: httpx.Client, **change: Any) -> httpx.Response:
    return control.post("/edit", json={"resource": "gateway", "change": change})


@pytest.mark.usefixtures("world")
def test_the_worlds_time_only_moves_forward(control: httpx.Client) -> None:
    said = control.post("/clock", json={"speed": 1}).json()
    begun = datetime.fromisoformat(said["now"])
    assert begun - datetime.fromisoformat("2025-03-17T08:00:00-04:00") < timedelta(minutes=10)
    saturday = "2025-03-22T18:00:00-04:00"
    moved = control.post("/clock", json={"now": saturday}).json()
    assert datetime.fromisoformat(moved["now"]) >= datetime.fromisoformat(saturday)
    back = control.post("/clock", json={"now": said["now"]}).json()
    assert datetime.fromisoformat(back["now"]) >= datetime.fromisoformat(moved["now"])
    assert back["world"] == said["world"]
    for wrong in ({"now": "2025-03-22T18:00:00"}, {"now": "Saturday"}, {"speed": 0}, [1]):
        assert control.post("/clock", json=wrong).status_code == 400


@pytest.mark.usefixtures("world")
def test_state_waits_until_nothing_is_in_progress(control: httpx.Client) -> None:
    control.post("/clock", json={"speed": 50})
    edit(control, drain=["IC-Web1"]).raise_for_status()
    hasty, patient = control.get("/state").json(), control.get("/state", params={"wait": 20}).json()
    assert (hasty["settled"], patient["settled"]) == (False, True)
    assert list(patient) == ["settled", "reversible", "one_way", "history"]
    assert patient["history"][-1].endswith(
        "is in effect; pool-www has " + ", ".join(f"IC-Web{n}" for n in range(2, 11))
    )
    assert list(patient["one_way"]["azure"]["servers"]) == [f"IC-Web{n}" for n in range(1, 11)]


@pytest.mark.usefixtures("world")
def test_a_reset_makes_the_world_as_new(control: httpx.Client) -> None:
    before = control.get("/state").json()
    first = control.get("/clock").json()
    fault(control, match={"system": "azure"}, do="status", status=503)
    control.post("/mode", json={"busy": "supersede"})
    edit(control, drain=["IC-Web1"])
    second = control.post("/reset").json()
    assert second["world"] != first["world"]
    assert control.get("/state", params={"wait": 5}).json() == before
    assert control.get("/faults").json() == {"faults": []}
    assert control.get("/requests").json() == {"requests": []}
    assert control.get("/mode").json() == {"if_match": "honoured", "busy": "conflict", "members": "address"}


def test_a_status_is_answered_in_the_vendors_words(world: dict[str, Any], control: httpx.Client) -> None:
    match = {"system": "azure", "method": "GET", "path": "applicationGateways$"}
    fault(control, match=match, do="status", status=429, skip=1, times=1, headers={"Retry-After": "7"})
    answers = [read(control, world) for _ in range(3)]
    assert [a.status_code for a in answers] == [200, 429, 200]
    assert answers[1].json()["error"]["code"] == "TooManyRequests"
    assert answers[1].headers["retry-after"] == "7"
    told = control.get("/faults").json()["faults"][0]
    assert (told["seen"], told["fired"], told["errors"]) == (3, 1, [])
    log = control.get("/requests").json()["requests"]
    assert [(e["n"], e["system"], e["method"], e["status"]) for e in log] == [
        (1, "azure", "GET", 200),
        (2, "azure", "GET", 429),
        (3, "azure", "GET", 200),
    ]
    assert all(e["path"] == GATEWAYS and e["seconds"] >= 0 for e in log)
    assert control.delete("/faults").json() == {"faults": []}


def test_a_fault_may_have_a_body_of_its_own(world: dict[str, Any], control: httpx.Client) -> None:
    error = {"error": {"code": "OperationNotAllowed", "message": "Not now."}}
    fault(control, match={"system": "azure"}, do="status", status=409, body=error)
    assert (read(control, world).status_code, read(control, world).json()) == (409, error)


def test_a_reset_closes_the_connection_without_an_answer(world: dict[str, Any], control: httpx.Client) -> None:
    fault(control, match={"system": "azure"}, do="reset", times=1)
    with pytest.raises(httpx.TransportError):
        read(control, world)
    assert read(control, world).status_code == 200
    assert control.get("/requests").json()["requests"][0]["status"] == 0


def test_a_write_may_take_effect_and_never_be_answered(world: dict[str, Any], control: httpx.Client) -> None:
    fault(control, match={"system": "azure", "method": "PATCH"}, do="reset", when="after")
    url = f"{world['url']}{GATEWAYS}/agw-pri-appgateway0-prd"
    with pytest.raises(httpx.TransportError):
        control.patch(url, json={"tags": {"half": "done"}}, **ASKED)
    assert control.get("/state").json()["reversible"]["azure"]["gateway"]["tags"] == {"half": "done"}


def test_slow_and_hanging_answers(world: dict[str, Any], control: httpx.Client) -> None:
    fault(control, match={"system": "azure"}, do="slow", seconds=0.2, times=1)
    since = time.monotonic()
    assert read(control, world).status_code == 200
    assert time.monotonic() - since >= 0.2
    fault(control, match={"system": "azure"}, do="hang")
    with pytest.raises(httpx.ReadTimeout):
        control.get(world["url"] + GATEWAYS, **ASKED, timeout=0.2)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_process_is_killed_before_or_after_its_request_takes_effect(
    world: dict[str, Any], control: httpx.Client, tmp_path: Path, when: str
) -> None:
    """A client that changes the gateway's tags is killed on the way; its pid is read from a file."""
    pid, url = tmp_path / "pid", f"{world['url']}{GATEWAYS}/agw-pri-appgateway0-prd"
    program = (
        "import os, ssl, sys, httpx, pathlib; pathlib.Path(sys.argv[1]).write_text(str(os.getpid()));"
        "tls = ssl.create_default_context(cafile=sys.argv[3]);"
        "httpx.patch(sys.argv[2], json={'tags': {'by': 'the dead'}}, params={'api-version': '2026-03-01'},"
        "headers={'authorization': 'Bearer x'}, verify=tls, trust_env=False)"
    )
    fault(control, match={"system": "azure", "method": "PATCH"}, do="kill", pid=str(pid), when=when)
    child = subprocess.run([sys.executable, "-c", program, str(pid), url, world["ca"]], check=False)
    assert child.returncode == -signal.SIGKILL
    tags = control.get("/state").json()["reversible"]["azure"]["gateway"]["tags"]
    assert ("by" in tags) == (when == "after")
    told = control.get("/faults").json()["faults"][0]
    assert (told["fired"], told["errors"]) == (1, [])


def test_what_goes_wrong_with_a_fault_is_told(world: dict[str, Any], control: httpx.Client, tmp_path: Path) -> None:
    fault(control, match={"system": "azure"}, do="kill", pid=str(tmp_path / "nobody"))
    with pytest.raises(httpx.TransportError):
        read(control, world)
    assert "nobody" in control.get("/faults").json()["faults"][0]["errors"][0]


@pytest.mark.parametrize(
    "wanted",
    [
        {"do": "explode"},
        {"do": "kill"},
        {"do": "status", "match": {"sytem": "azure"}},
        {"do": "status", "count": 1},
        {"do": "reset", "when": "during"},
        {"do": "reset", "match": {"path": "("}},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(control: httpx.Client, wanted: dict[str, Any]) -> None:
    refused = control.post("/faults", json=wanted)
    assert refused.status_code == 400
    assert refused.json()["error"]


def test_every_vendor_has_a_front_and_its_own_error(world: dict[str, Any], control: httpx.Client) -> None:
    state = control.get("/state").json()
    assert list(state["reversible"]) == list(state["one_way"]) == SYSTEMS
    fault(control, match={}, do="status", status=500)
    url = world["url"]
    assert "errors" in control.post(f"{url}/newrelic/graphql", json={}).json()
    assert control.get(f"{url}/azure-devops/invoicecloud/Platform/_apis/pipelines").json()["typeKey"]
    assert control.post(f"{url}/slack/api/chat.postMessage").json()["ok"] is False
    assert control.get(f"{url}/cloudflare/client/v4/zones").json()["success"] is False
    assert control.get(f"{url}/pingdom/api/3.1/checks").json()["error"]["statuscode"] == 500
    assert control.get(f"{url}/jira/rest/api/3/myself").json()["errorMessages"]
    page = control.get(f"https://{world['www']}/", headers={"host": "www.invoicecloud.com"})
    assert page.headers["content-type"].startswith("text/html")


def test_the_log_is_json_that_names_every_field(world: dict[str, Any], control: httpx.Client) -> None:
    read(control, world)
    entry = json.loads(control.get("/requests").text)["requests"][0]
    assert list(entry) == ["n", "system", "method", "path", "status", "seconds"]
