"""The gateway's public side: it really proxies, so that what happens to a server is seen by its visitors."""

import time
from collections.abc import Callable
from typing import Any

import httpx

NAMES = [f"IC-Web{n}" for n in range(1, 11)]


def edit(control: httpx.Client, **change: Any) -> None:
    control.post("/edit", json={"resource": "gateway", "change": change}).raise_for_status()
    control.get("/state", params={"wait": 10})


def fresh(www: httpx.Client) -> httpx.Response:
    """Ask for a page as a visitor who was never here before."""
    www.cookies.clear()
    return www.get("/")


def served_by(control: httpx.Client) -> list[str]:
    """Return the servers that answered site requests so far, in order."""
    log = control.get("/requests").json()["requests"]
    return [e["system"] for e in log if e["system"].startswith("IC-") and e["path"] == "/"]


def until(look: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def health(control: httpx.Client, world: dict[str, Any], server: str) -> Any:
    return control.get(f"https://{world['servers'][server]}/healthz?full=1").json()


def test_visitors_are_spread_over_the_pool_and_keep_their_server(www: httpx.Client, control: httpx.Client) -> None:
    answers = [fresh(www) for _ in range(10)]
    assert {a.status_code for a in answers} == {200}
    assert sorted(served_by(control), key=NAMES.index) == NAMES
    cookie = answers[0].headers["set-cookie"]
    assert cookie.startswith("ApplicationGatewayAffinity=")
    assert "HttpOnly" in cookie
    for _ in range(3):
        assert "set-cookie" not in www.get("/").headers
    assert len(set(served_by(control)[-4:])) == 1


def test_a_drained_server_keeps_its_clients_until_the_drain_timeout(
    www: httpx.Client, world: dict[str, Any], control: httpx.Client
) -> None:
    until(lambda: fresh(www).status_code == 200 and served_by(control)[-1] == "IC-Web3")
    control.post("/clock", json={"speed": 60})
    edit(control, drain=["IC-Web3"])
    assert www.get("/").status_code == 200
    assert served_by(control)[-1] == "IC-Web3"
    assert health(control, world, "IC-Web3")["connections"] > 0
    control.post("/clock", json={"speed": 600})
    until(lambda: bool(health(control, world, "IC-Web3")["connections"] == 0))
    moved = www.get("/")
    assert served_by(control)[-1] != "IC-Web3"
    assert moved.headers["set-cookie"]
    assert {fresh(www).status_code for _ in range(12)} == {200}
    assert "IC-Web3" not in served_by(control)[-12:]


def test_an_empty_pool_is_a_502(www: httpx.Client, control: httpx.Client) -> None:
    edit(control, drain=NAMES)
    assert fresh(www).status_code == 502
    edit(control, put_back=NAMES)
    until(lambda: fresh(www).status_code == 200)


def test_a_server_that_is_patched_in_the_pool_fails_its_visitors(
    www: httpx.Client, control: httpx.Client, compute: Any
) -> None:
    control.post("/clock", json={"speed": 600})
    body = {"rebootSetting": "IfRequired", "windowsParameters": {"classificationsToInclude": ["Critical"]}}
    poller = compute.virtual_machines.begin_install_patches("rg-payments-prd", "IC-Web5", body)
    seen = []
    while not poller.done():
        seen.append(fresh(www).status_code)
    assert 503 in seen or 502 in seen


def test_a_server_does_not_answer_while_it_reboots(
    www: httpx.Client, world: dict[str, Any], control: httpx.Client, compute: Any
) -> None:
    control.post("/clock", json={"speed": 60})
    poller = compute.virtual_machines.begin_restart("rg-payments-prd", "IC-Web2")
    direct = f"https://{world['servers']['IC-Web2']}/healthz"
    statuses = [fresh(www).status_code for _ in range(10)]
    assert statuses.count(502) == 1
    try:
        answered = control.get(direct).text
    except httpx.TransportError:
        answered = ""
    assert answered == ""
    until(lambda: all(fresh(www).status_code == 200 for _ in range(10)))
    assert not poller.done()
    control.post("/clock", json={"speed": 600})
    poller.result()
    assert control.get(direct).text == "ok IC-Web2"


def test_faults_of_the_gateway_and_of_a_server(www: httpx.Client, control: httpx.Client) -> None:
    control.post("/faults", json={"match": {"system": "IC-Web4"}, "do": "reset", "times": 1})
    assert sorted(fresh(www).status_code for _ in range(10)) == [200] * 9 + [502]
    control.post("/faults", json={"match": {"system": "www"}, "do": "status", "status": 503})
    assert fresh(www).status_code == 503


def test_plain_http_is_sent_on_to_https(world: dict[str, Any]) -> None:
    answer = httpx.get(f"http://{world['www_http']}/a?b=1", headers={"host": "www.invoicecloud.com"}, trust_env=False)
    assert (answer.status_code, answer.headers["location"]) == (301, "https://www.invoicecloud.com/a?b=1")


def test_other_hosts_on_the_same_port(www: httpx.Client, control: httpx.Client) -> None:
    assert www.get("/", headers={"host": "invoicecloud.com"}).status_code == 200
    assert www.get("/", headers={"host": "api.invoicecloud.com"}).json() == {"status": "ok"}
    before = len(served_by(control))
    assert www.get("/", headers={"host": "www.invoicecloud.net"}).status_code == 200
    assert len(served_by(control)) == before


def test_the_site_goes_wrong_when_told(www: httpx.Client, control: httpx.Client) -> None:
    told = control.post("/edit", json={"resource": "site", "change": {"missing_header": "x-frame-options"}})
    assert told.json() == {"flags": {"missing_header": "x-frame-options"}}
    assert "x-frame-options" not in www.get("/").headers
    assert control.post("/edit", json={"resource": "site", "change": {"colour": "red"}}).status_code == 400
