"""Slack: said once, however the answers get lost."""

import ssl
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from slack_sdk import WebClient

from maint.errors import LeaseLost, VendorError
from maint.systems.slack import Message, Slack, escape

POST, UPDATE = "chat.postMessage", "chat.update"
CHANNEL = "C0PLATINT"


def client(
    live: Any, before_write: Callable[[], None] = lambda: None, token: str | None = None, timeout: int = 5
) -> Slack:
    settings: Any = SimpleNamespace(
        url=f"{live.url}/slack/api/",
        token="SLACK_BOT_TOKEN",
        channels={"platform-int": CHANNEL, "gone": "C0GONE"},
    )
    return Slack(
        settings, secret=lambda _: token or "xoxb-rehearsal", ca=live.ca, before_write=before_write, timeout=timeout
    )


@pytest.fixture
def slack(live: Any) -> Slack:
    return client(live)


@pytest.fixture
def said(live: Any) -> Callable[[], list[dict[str, Any]]]:
    """Return what stands in the channel, read by another client."""
    web = WebClient("xoxb-reader", base_url=f"{live.url}/slack/api/", ssl=ssl.create_default_context(cafile=live.ca))

    def read() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = web.conversations_history(channel=CHANNEL).data["messages"]  # type: ignore[call-overload]
        return found

    return read


def test_post_answer_edit(slack: Slack, said: Any) -> None:
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "*IC-Web1*"}}]
    message = slack.post("platform-int", "Putting back IC-Web1", blocks=blocks)
    reply = slack.post("platform-int", "and the results", thread=message.ts)
    assert (message.channel, reply.channel) == (CHANNEL, CHANNEL)
    slack.update(message, "IC-Web1 is back")
    (stands,) = said()
    assert (stands["text"], stands["ts"], stands["reply_count"]) == ("IC-Web1 is back", message.ts, 1)
    assert "blocks" not in stands


@pytest.mark.parametrize("do", [{"do": "reset"}, {"do": "status", "status": 500}])
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_answer_that_is_lost_makes_no_second_message(live: Any, said: Any, do: dict[str, Any], when: str) -> None:
    live.fault(**do, system="slack", path=POST, when=when)
    message = client(live).post("platform-int", "once")
    assert [(one["text"], one["ts"]) for one in said()] == [("once", message.ts)]


def test_an_answer_that_never_comes_makes_no_second_message(live: Any, said: Any) -> None:
    live.fault("hang", system="slack", path=POST, when="after")
    message = client(live, timeout=1).post("platform-int", "once")
    assert [one["ts"] for one in said()] == [message.ts]


def test_a_lost_answer_in_a_thread_too(live: Any, slack: Slack) -> None:
    parent = slack.post("platform-int", "parent")
    live.fault("reset", system="slack", path=POST, when="after")
    reply = slack.post("platform-int", "reply", thread=parent.ts, key="r")
    assert slack.find("platform-int", "r", thread=parent.ts) == reply


def test_a_message_is_found_by_its_key(slack: Slack) -> None:
    assert slack.find("platform-int", "w/P4") is None
    message = slack.post("platform-int", "hello", key="w/P4")
    assert slack.find("platform-int", "w/P4") == message
    assert slack.find("platform-int", "w/P5") is None


def test_a_throttled_message_is_said_when_its_time_has_come(live: Any, slack: Slack, said: Any) -> None:
    live.fault("status", system="slack", path=POST, status=429, headers={"Retry-After": "0"})
    slack.post("platform-int", "patience")
    assert len(said()) == 1


def test_an_edit_is_repeated(live: Any, slack: Slack, said: Any) -> None:
    message = slack.post("platform-int", "before")
    live.fault("reset", system="slack", path=UPDATE)
    slack.update(message, "after")
    assert [one["text"] for one in said()] == ["after"]


def test_a_file_with_a_comment_in_the_thread(live: Any, slack: Slack, tmp_path: Path) -> None:
    parent = slack.post("platform-int", "results")
    report = tmp_path / "report.html"
    report.write_text("<h1>All well</h1>")
    slack.upload("platform-int", report, title="The report", comment="12 of 12", thread=parent.ts)
    live.state()
    web = slack._reader
    replies: Any = web.conversations_replies(channel=CHANNEL, ts=parent.ts)["messages"]
    (file,) = replies[-1]["files"]
    assert (file["title"], file["name"], file["size"]) == ("The report", "report.html", 17)
    assert replies[-1]["text"] == "12 of 12"


def test_what_slack_refuses_is_one_sentence(slack: Slack) -> None:
    with pytest.raises(VendorError) as caught:
        slack.post("gone", "hello")
    assert caught.value.code == "channel_not_found"
    assert str(caught.value).startswith("Slack: posting to gone: answered channel_not_found. Next: correct the channel")
    with pytest.raises(VendorError, match="message_not_found"):
        slack.update(Message(CHANNEL, "1.000001"), "x")


def test_an_unknown_channel_is_refused_with_those_that_exist(slack: Slack) -> None:
    with pytest.raises(VendorError, match="no channel 'platfrom-int'; allowed: platform-int, gone"):
        slack.post("platfrom-int", "hello")


def test_a_refused_token_is_one_sentence(live: Any) -> None:
    with pytest.raises(VendorError) as caught:
        client(live, token="wrong").post("platform-int", "x")
    assert caught.value.code == "invalid_auth"
    assert "replace the secret" in str(caught.value)


def test_slack_down_is_an_error_after_a_few_tries(live: Any, slack: Slack) -> None:
    live.fault("status", system="slack", status=503, times=100)
    with pytest.raises(VendorError) as caught:
        slack.post("platform-int", "anybody there?")
    assert caught.value.status == 503


def test_without_the_fence_nothing_is_said(live: Any, tmp_path: Path, said: Any) -> None:
    def lost() -> None:
        raise LeaseLost("another run took over")

    slack = client(live, lost)
    report = tmp_path / "report.html"
    report.write_text("x")
    with pytest.raises(LeaseLost):
        slack.post("platform-int", "x")
    with pytest.raises(LeaseLost):
        slack.upload("platform-int", report)
    assert said() == []


def test_a_text_too_long_for_slack_is_cut(slack: Slack, said: Any) -> None:
    message = slack.post("platform-int", "x" * 50_000)
    slack.update(message, "y" * 50_000)
    assert said()[0]["text"] == "y" * 3_900 + " ..."


def test_secrets_are_not_said_and_text_can_be_taken_as_it_is(slack: Slack, said: Any) -> None:
    slack.post("platform-int", f"card 4111 1111 1111 1111 {escape('<b> & @here')}")
    assert said()[0]["text"] == "card [card number] &lt;b&gt; &amp; @here"
