"""The twin's Slack, spoken to by Slack's own client."""

import ssl
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler

PLATFORM, ENGINEERING, GENERAL, OLD = "C0PLATINT", "C0ENGMAINT", "C0GENERAL", "C0OLDMAINT"


@pytest.fixture
def slack(world: dict[str, Any], tls: ssl.SSLContext) -> WebClient:
    return WebClient("xoxb-rehearsal", base_url=f"{world['url']}/slack/api/", ssl=tls)


@pytest.fixture
def read_page(world: dict[str, Any], tls: ssl.SSLContext) -> Callable[[], str]:
    def read() -> str:
        answer = httpx.get(f"{world['url']}/slack/", verify=tls, trust_env=False)
        assert answer.status_code == 200
        return answer.text

    return read


def refused(call: Callable[..., Any], **arguments: Any) -> str:
    with pytest.raises(SlackApiError) as caught:
        call(**arguments)
    assert caught.value.response.status_code == 200, "Slack's errors come with HTTP 200"
    return str(caught.value.response["error"])


def test_a_message_is_posted_answered_and_edited(slack: WebClient, read_page: Callable[[], str]) -> None:
    first = slack.chat_postMessage(channel=PLATFORM, text="Putting back IC-Web1")
    answer = slack.chat_postMessage(channel=PLATFORM, text="Healthy", thread_ts=first["ts"])
    deeper = slack.chat_postMessage(channel=PLATFORM, text="All of them", thread_ts=answer["ts"])
    assert deeper["message"]["thread_ts"] == first["ts"], "an answer to an answer joins the thread"
    slack.chat_update(channel=PLATFORM, ts=first["ts"], text="Put back IC-Web1")
    newest = slack.conversations_history(channel=PLATFORM)["messages"][0]
    assert (newest["text"], newest["reply_count"]) == ("Put back IC-Web1", 2)
    assert newest["edited"]["user"] == newest["user"]
    thread = slack.conversations_replies(channel=PLATFORM, ts=first["ts"])["messages"]
    assert [message["text"] for message in thread] == ["Put back IC-Web1", "Healthy", "All of them"]
    shown = read_page()
    assert shown.index("Put back IC-Web1") < shown.index("Healthy") < shown.index("All of them")


def test_a_message_is_found_again_by_its_metadata(slack: WebClient) -> None:
    tag = {"event_type": "maintenance_message", "event_payload": {"key": "P4"}}
    slack.chat_postMessage(channel=PLATFORM, text="x", metadata=tag)
    quiet = slack.conversations_history(channel=PLATFORM, limit=1)["messages"][0]
    assert "metadata" not in quiet
    found = slack.conversations_history(channel=PLATFORM, limit=1, include_all_metadata=True)["messages"][0]
    assert found["metadata"] == tag


def test_history_comes_in_pages_newest_first(slack: WebClient) -> None:
    for number in range(5):
        slack.chat_postMessage(channel="#platform-int", text=f"message {number}")
    first = slack.conversations_history(channel=PLATFORM, limit=3)
    assert [message["text"][-1] for message in first["messages"]] == ["4", "3", "2"]
    assert first["has_more"]
    rest = slack.conversations_history(channel=PLATFORM, cursor=first["response_metadata"]["next_cursor"])
    assert [message["text"][-1] for message in rest["messages"]] == ["1", "0"]
    newer = slack.conversations_history(channel=PLATFORM, oldest=first["messages"][2]["ts"])
    assert [message["text"][-1] for message in newer["messages"]] == ["4", "3"]


def test_slack_refuses_what_slack_refuses(slack: WebClient, world: dict[str, Any], tls: ssl.SSLContext) -> None:
    ours = slack.chat_postMessage(channel=PLATFORM, text="ours")["ts"]
    theirs = slack.conversations_history(channel=ENGINEERING)["messages"][0]["ts"]
    post, update = slack.chat_postMessage, slack.chat_update
    assert refused(post, channel="C0NOWHERE", text="x") == "channel_not_found"
    assert refused(post, channel=GENERAL, text="x") == "not_in_channel"
    assert refused(post, channel=OLD, text="x") == "is_archived"
    assert refused(slack.api_call, api_method="chat.postMessage", json={"channel": PLATFORM}) == "no_text"
    assert refused(post, channel=PLATFORM, text="x", thread_ts="1.000000") == "thread_not_found"
    assert refused(update, channel=PLATFORM, ts="1.000000", text="x") == "message_not_found"
    assert refused(update, channel=ENGINEERING, ts=theirs, text="x") == "cant_update_message"
    assert refused(update, channel=PLATFORM, ts=ours, text="x" * 4001) == "msg_too_long"
    assert refused(slack.api_call, api_method="chat.sing") == "unknown_method"
    assert refused(WebClient("wrong", base_url=slack.base_url, ssl=tls).auth_test) == "invalid_auth"
    assert httpx.post(f"{world['url']}/slack/api/auth.test", verify=tls).json()["error"] == "not_authed"


@pytest.mark.parametrize(
    ("blocks", "error"),
    [
        ([{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}], "invalid_blocks"),
        ([{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}], "invalid_blocks"),
        ([{"type": "paragraph"}], "invalid_blocks"),
        ([{"type": "divider"}] * 51, "invalid_blocks"),
        ([{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 2900}}] * 5, "msg_blocks_too_long"),
    ],
)
def test_blocks_are_looked_at(slack: WebClient, blocks: list[dict[str, Any]], error: str) -> None:
    assert refused(slack.chat_postMessage, channel=PLATFORM, text="x", blocks=blocks) == error


def test_a_long_text_is_cut_and_a_text_takes_old_blocks_away(slack: WebClient) -> None:
    posted = slack.chat_postMessage(channel=PLATFORM, text="x" * 40_001)
    assert (posted["warning"], len(posted["message"]["text"])) == ("message_truncated", 40_000)
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "drained"}}]
    with_blocks = slack.chat_postMessage(channel=PLATFORM, text="drained", blocks=blocks)
    assert with_blocks["message"]["blocks"] == blocks
    plain = slack.chat_update(channel=PLATFORM, ts=with_blocks["ts"], text="put back")
    assert "blocks" not in plain["message"]


def test_a_file_is_uploaded_and_shown_a_little_later(
    slack: WebClient, control: httpx.Client, tls: ssl.SSLContext, read_page: Callable[[], str]
) -> None:
    thread = slack.chat_postMessage(channel=PLATFORM, text="Saturday: green")["ts"]
    done = slack.files_upload_v2(
        channel=PLATFORM,
        content="<h1>green</h1>",
        filename="report.html",
        title="Report of Saturday",
        initial_comment="The report",
        thread_ts=thread,
    )
    file = done["file"]["id"]
    assert control.get("/state", params={"wait": 30}).json()["settled"]
    known = slack.files_info(file=file)["file"]
    (share,) = known["shares"]["public"][PLATFORM]
    reply = slack.conversations_replies(channel=PLATFORM, ts=thread)["messages"][-1]
    assert (reply["ts"], reply["text"], reply["files"][0]["title"]) == (share["ts"], "The report", "Report of Saturday")
    read = httpx.get(known["url_private"], verify=tls, trust_env=False)
    assert (read.text, read.headers["content-type"].split(";")[0]) == ("<h1>green</h1>", "text/html")
    assert known["url_private"] in read_page()
    assert refused(slack.files_info, file="F0") == "file_not_found"


def test_an_upload_must_be_as_long_as_was_said(slack: WebClient, tls: ssl.SSLContext) -> None:
    place = slack.files_getUploadURLExternal(filename="a.txt", length=5)
    answer = httpx.post(place["upload_url"], content=b"four", verify=tls, trust_env=False)
    assert answer.status_code == 400
    files = [{"id": place["file_id"], "title": "a"}]
    assert refused(slack.files_completeUploadExternal, files=files, channel_id=PLATFORM) == "file_not_found"


def test_people_answer_and_react(slack: WebClient, control: httpx.Client) -> None:
    asked = slack.chat_postMessage(channel=ENGINEERING, text="<@U0DANA> please test")["ts"]
    said = {"user": "Dana Reyes", "text": "on it", "thread_ts": asked}
    edit = {"resource": "slack/engineering-maintenance", "change": said}
    assert control.post("/edit", json=edit).json()["ok"]
    edit["change"] = {"user": "Sam Okafor", "reaction": "eyes", "ts": asked}
    control.post("/edit", json=edit)
    slack.reactions_add(channel=ENGINEERING, timestamp=asked, name="white_check_mark")
    assert refused(slack.reactions_add, channel=ENGINEERING, timestamp=asked, name="white_check_mark") == (
        "already_reacted"
    )
    message = slack.reactions_get(channel=ENGINEERING, timestamp=asked)["message"]
    assert {one["name"]: one["count"] for one in message["reactions"]} == {"eyes": 1, "white_check_mark": 1}
    answers = slack.conversations_replies(channel=ENGINEERING, ts=asked)["messages"]
    assert [one["user"] for one in answers] == [slack.auth_test()["user_id"], "U0DANA"]


def test_channels_and_people_can_be_looked_up(slack: WebClient) -> None:
    channels = slack.conversations_list(exclude_archived=True)["channels"]
    assert {one["name"]: one["is_member"] for one in channels} == {
        "platform-int": True,
        "engineering-maintenance": True,
        "maintenance": True,
        "dailyops": True,
        "general": False,
    }
    assert slack.conversations_info(channel=OLD)["channel"]["is_archived"]
    slack.conversations_join(channel=GENERAL)
    slack.chat_postMessage(channel=GENERAL, text="now it may speak here")
    assert slack.users_lookupByEmail(email="dana.reyes@example.com")["user"]["id"] == "U0DANA"
    linked = slack.chat_postMessage(channel=PLATFORM, text="see #dailyops, @dana.reyes", link_names=True)
    assert linked["message"]["text"] == "see <#C0DAILYOPS|dailyops>, <@U0DANA>"


def test_too_many_messages_have_to_wait(slack: WebClient) -> None:
    def burst(messages: int) -> None:
        for number in range(messages):
            slack.chat_postMessage(channel=PLATFORM, text=f"message {number}")

    burst(20)
    with pytest.raises(SlackApiError) as caught:
        burst(5)
    assert (caught.value.response.status_code, caught.value.response["error"]) == (429, "ratelimited")
    slack.chat_postMessage(channel=ENGINEERING, text="another channel has its own share")
    slack.retry_handlers.append(RateLimitErrorRetryHandler(max_retry_count=2))
    since = time.monotonic()
    slack.chat_postMessage(channel=PLATFORM, text="it waited")
    assert time.monotonic() - since >= 0.9


def test_the_page_shows_what_people_wrote_as_text_and_not_as_html(
    slack: WebClient, read_page: Callable[[], str]
) -> None:
    slack.chat_postMessage(
        channel=PLATFORM,
        text="*5 servers* <script>alert(1)</script> &lt;b&gt; <https://www.invoicecloud.com|www> `code`",
    )
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": "Saturday <evening>"}},
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "by <@U0SAM>"}]},
    ]
    slack.chat_postMessage(channel=PLATFORM, text="fallback", blocks=blocks)
    shown = read_page()
    assert "<script>" not in shown
    assert "<strong>5 servers</strong>" in shown
    assert "&lt;b&gt;" in shown
    assert '<a href="https://www.invoicecloud.com">www</a>' in shown
    assert "Saturday &lt;evening&gt;" in shown
    assert "@Sam Okafor" in shown


def test_a_fault_makes_a_message_fail(slack: WebClient, control: httpx.Client) -> None:
    fault = {"match": {"system": "slack", "path": "chat.postMessage$"}, "do": "fail", "times": 1}
    control.post("/faults", json=fault).raise_for_status()
    assert refused(slack.chat_postMessage, channel=PLATFORM, text="x") == "fatal_error"
    assert slack.chat_postMessage(channel=PLATFORM, text="x")["ok"]
