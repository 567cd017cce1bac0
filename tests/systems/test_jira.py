"""Jira: tickets are read, moved, commented and linked, once, however the answers get lost."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from maint.errors import LeaseLost, VendorError
from maint.systems.jira import Issue, Jira

KEY = "PLAT-1980"


def client(
    live: Any, before_write: Callable[[], None] = lambda: None, key: str = "jira-rehearsal", timeout: float = 5.0
) -> Jira:
    settings: Any = SimpleNamespace(url=f"{live.url}/jira", user="operator@example.com", token="JIRA_API_TOKEN")
    return Jira(settings, secret=lambda _: key, ca=live.ca, before_write=before_write, timeout=timeout)


@pytest.fixture
def jira(live: Any) -> Jira:
    return client(live)


def comments(jira: Jira) -> Any:
    return jira._http.send("reading", "GET", f"{KEY}/comment")["comments"]


def test_a_ticket_is_read_and_moved(live: Any, jira: Jira) -> None:
    assert jira.issue(KEY) == Issue(KEY, "To Do", "Patch the production servers")
    assert jira.issue("PLAT-1") is None
    jira.transition(KEY, "start")
    assert jira.issue(KEY) == Issue(KEY, "In Progress", "Patch the production servers")
    jira.transition(KEY, "In Progress")
    jira.transition(KEY, "Done")
    jira.transition(KEY, "Done")
    assert len(live.requests("jira", "POST")) == 2
    jira.transition("INFRA-896", "Resolved")
    found = jira.issue("INFRA-896")
    assert found
    assert found.status == "Resolved"


def test_a_transition_that_is_not_there_names_those_that_are(live: Any, jira: Jira) -> None:
    with pytest.raises(VendorError, match="from 'To Do' there is no such transition; allowed: Start, Done, Won't do"):
        jira.transition(KEY, "Ship it")
    with pytest.raises(VendorError, match="moving PLAT-1 by 'Done': the ticket is not there, or this login"):
        jira.transition("PLAT-1", "Done")
    assert live.requests("jira", "POST") == []


def test_a_move_that_did_not_happen_is_noticed(live: Any, jira: Jira) -> None:
    live.fault("status", system="jira", method="POST", status=204, body="")
    with pytest.raises(VendorError, match="it was accepted, but the ticket is 'To Do', not 'Done'"):
        jira.transition(KEY, "Done")


def test_a_comment_has_a_paragraph_for_each_line(jira: Jira) -> None:
    identity = jira.comment(KEY, "IC-Web1 to 5 are patched.\n\nBasic dXNlcjpwYXNzd29yZA== was not needed.")
    said = comments(jira)
    assert [one["id"] for one in said] == [identity]
    texts = [part["content"][0]["text"] for part in said[0]["body"]["content"]]
    assert texts == ["IC-Web1 to 5 are patched.", "Basic [redacted] was not needed."]
    with pytest.raises(VendorError, match="there is nothing to say"):
        jira.comment(KEY, " \n ")


@pytest.mark.parametrize("do", [{"do": "reset"}, {"do": "status", "status": 502}, {"do": "hang"}])
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_answer_that_is_lost_does_nothing_twice(live: Any, do: dict[str, Any], when: str) -> None:
    jira = client(live, timeout=0.3)
    live.fault(**do, system="jira", method="POST", path="comment", when=when)
    identity = jira.comment(KEY, "Patched.")
    assert [one["id"] for one in comments(jira)] == [identity]
    live.fault(**do, system="jira", method="POST", path="transitions", when=when)
    jira.transition(KEY, "Done")
    live.fault(**do, system="jira", method="POST", path="remotelink", when=when)
    jira.remotelink(KEY, "maint:2025-03-23:P3", "https://reports.example.com/1", "Report")
    assert len(jira._http.send("reading", "GET", f"{KEY}/remotelink")) == 1


def test_the_same_link_is_replaced(jira: Jira) -> None:
    for title in ("Report", "Report, final"):
        jira.remotelink(KEY, "maint:2025-03-23:P3", "https://reports.example.com/1", title)
    links = jira._http.send("reading", "GET", f"{KEY}/remotelink")
    assert [(one["globalId"], one["object"]["title"]) for one in links] == [("maint:2025-03-23:P3", "Report, final")]
    with pytest.raises(VendorError, match="its id is longer than 255 characters"):
        jira.remotelink(KEY, "x" * 256, "https://reports.example.com/1", "Report")


def test_refusals_are_one_sentence_in_the_vendors_words(live: Any, jira: Jira) -> None:
    with pytest.raises(VendorError) as caught:
        client(live, key="wrong").issue(KEY)
    assert str(caught.value) == (
        "Jira: reading PLAT-1980: answered 401: Client must be authenticated to access this resource. "
        "Next: replace the secret: it was refused"
    )
    body = {"errorMessages": [], "errors": {"comment": "Comment body is not valid!"}}
    live.fault("status", system="jira", status=400, body=body)
    with pytest.raises(VendorError, match="answered 400: comment: Comment body is not valid!"):
        jira.comment(KEY, "x")
    live.fault("status", system="jira", status=200, body={"key": KEY})
    with pytest.raises(VendorError, match="answered without 'fields'"):
        jira.issue(KEY)


def test_without_the_lease_nothing_is_written(live: Any) -> None:
    def lost() -> None:
        raise LeaseLost("another run took over")

    fenced = client(live, lost)
    for write in (
        lambda: fenced.transition(KEY, "Done"),
        lambda: fenced.comment(KEY, "Patched."),
        lambda: fenced.remotelink(KEY, "x", "https://reports.example.com/1", "Report"),
    ):
        with pytest.raises(LeaseLost):
            write()
    assert live.requests("jira", "POST") == []
