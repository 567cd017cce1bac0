"""What is said in Slack: each message once, corrected when it has come true, and never in the way of the work."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from maint.announce import Announcer
from maint.errors import VendorError
from maint.holding import Outcome
from maint.journal import HoldRecord, Journal
from maint.redact import register
from maint.systems.slack import Message
from maint.window import Window, load_window
from maint.window_steps import Notify

from .conftest import MakeJournal
from .fakes import Crash, hold_on

ROOT = Path(__file__).parents[2]


@dataclass
class Board:
    """A Slack of lists; `refuse` names channels that the bot may not post to, `down` says that nothing answers."""

    said: list[tuple[str, str]] = field(default_factory=list)
    keys: dict[tuple[str, str], Message] = field(default_factory=dict)
    edits: list[tuple[str, str]] = field(default_factory=list)
    threads: list[str | None] = field(default_factory=list)
    files: list[tuple[str, str, str | None]] = field(default_factory=list)
    refuse: set[str] = field(default_factory=set)
    down: bool = False
    asked: int = 0
    blind: bool = False
    after: Callable[[], None] = lambda: None

    def _check(self, channel: str) -> None:
        self.asked += 1
        if self.down:
            raise VendorError(f"posting to {channel}: answered 503", where="Slack", status=503)
        if channel in self.refuse:
            raise VendorError(f"posting to {channel}: answered not_in_channel", where="Slack", status=200)

    def post(self, channel: str, text: str, *, key: str | None = None, thread: str | None = None) -> Message:
        self._check(channel)
        self.said.append((channel, text))
        self.threads.append(thread)
        message = Message(channel, str(len(self.said)))
        if key:
            self.keys[channel, key] = message
        self.after()
        return message

    def find(self, channel: str, key: str, *, thread: str | None = None) -> Message | None:
        assert thread is None
        if self.blind:
            raise VendorError("answered missing_scope", where="Slack")
        return self.keys.get((channel, key))

    def update(self, message: Message, text: str) -> None:
        self._check(message.channel)
        self.edits.append((message.ts, text))

    def upload(self, channel: str, path: Path, *, title: str, comment: str, thread: str | None) -> None:
        assert (title, comment) != ("", "some")
        self._check(channel)
        self.files.append((channel, path.name, thread))


@pytest.fixture(scope="module")
def window() -> Window:
    return load_window(ROOT / "windows" / "2025-03-23-monthly.yaml")


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def announcer(board: Board, journal: Journal, window: Window) -> Announcer:
    slack: Any = board
    return Announcer(lambda: slack, journal, window, window.phase("saturday-pre"), "platform-int", "[REHEARSAL]")


def step(announcer: Announcer, about: str) -> Notify:
    found = announcer.step(about)
    assert found is not None
    return found


def drained(journal: Journal, server: str, **more: Any) -> HoldRecord:
    return hold_on(
        journal, f"pool/{server}", kind="drain", action={"server": server}, title=f"{server} out of pool-www", **more
    )


def test_a_step_is_said_with_its_mentions_and_recorded(announcer: Announcer, board: Board, journal: Journal) -> None:
    asked = step(announcer, "tests")
    assert announcer.say(asked)
    text = "@qa The first half of the web servers is patched. Please run the tests."
    assert board.said == [("engineering-maintenance", f"[REHEARSAL] {text}")]
    record = journal.step(announcer.window.name, "P5")
    assert record is not None
    assert (record.status, record.evidence) == ("done", f"said in #engineering-maintenance: {text}")
    assert announcer.messages(asked) == [Message("engineering-maintenance", "1")]
    assert announcer.say(asked)
    assert len(board.said) == 1


def test_said_and_not_recorded_it_is_not_said_again(
    announcer: Announcer, board: Board, journal: Journal, open_journal: MakeJournal
) -> None:
    def crash() -> None:
        raise Crash

    board.after = crash
    with pytest.raises(Crash):
        announcer.say(step(announcer, "tests"))
    board.after = lambda: None
    successor = replace(announcer, journal=open_journal("run-2"))
    assert successor.say(step(announcer, "tests"))
    assert len(board.said) == 1
    assert successor.messages(step(announcer, "tests")) == [Message("engineering-maintenance", "1")]
    record = journal.step(announcer.window.name, "P5")
    assert record is not None
    assert record.status == "done"


def test_said_in_one_channel_and_not_in_the_other(announcer: Announcer, board: Board, window: Window) -> None:
    announcer.phase = window.phase("sunday-start")
    started = next(one for one in announcer.phase.steps if isinstance(one, Notify) and len(one.channels) > 1)
    first, second = started.channels
    board.refuse = {second}
    assert not announcer.say(started)
    record = announcer.journal.step(window.name, started.id)
    assert record is not None
    assert (record.status, record.evidence) == ("failed", "Slack did not take the message")
    board.refuse.clear()
    assert announcer.say(started)
    assert [channel for channel, _ in board.said] == [first, second]
    assert [message.channel for message in announcer.messages(started)] == [first, second]


def test_who_may_not_search_says_it_all_the_same(announcer: Announcer, board: Board) -> None:
    board.refuse, board.blind = {"engineering-maintenance"}, True
    assert not announcer.say(step(announcer, "tests"))
    board.refuse.clear()
    assert announcer.say(step(announcer, "tests"))


def test_what_was_captured_is_posted_before_it_is_taken(announcer: Announcer, board: Board, journal: Journal) -> None:
    hold = drained(journal, "IC-Web1", captured={"address": "10.0.1.11"})
    announcer.intended([hold])
    ((channel, text),) = board.said
    assert channel == "platform-int"
    assert text.startswith("[REHEARSAL] about to take, to be given back by Sat 22:00:")
    assert f'IC-Web1 out of pool-www (hold {hold.id}): {{"address": "10.0.1.11"}}' in text
    announcer.intended([])
    assert len(board.said) == 1


def test_the_give_back_is_said_as_it_starts_and_corrected_when_they_are_healthy(
    announcer: Announcer, board: Board, journal: Journal
) -> None:
    journal.set_step(announcer.window.name, "P3/IC-Web1", "done", evidence="IC-Web1: KB5053596 installed")
    journal.set_step(announcer.window.name, "P3/IC-Web3", "failed", evidence="IC-Web3: Failed: 0 installed")
    one, three = drained(journal, "IC-Web1"), drained(journal, "IC-Web3", why="its patching failed")
    announcer.giving_back([one], staying={three.id: "IC-Web3: its patching failed"})
    ((channel, text),) = board.said
    assert (channel, text.splitlines()) == (
        "platform-int",
        [
            "[REHEARSAL] The first half of the web servers goes back into the pool. ",
            "Going back: IC-Web1.",
            "- IC-Web1: KB5053596 installed",
            "Not yet, or staying out: IC-Web3: its patching failed",
        ],
    )
    announcer.given_back(Outcome((one,), (three,)))
    ((ts, corrected),) = board.edits
    assert (ts, corrected) == (
        "1",
        f"{text}\nHealthy in the pool again: IC-Web1. Still out: its patching failed.",
    )
    assert board.said[1][1].splitlines() == [
        "[REHEARSAL] :warning: STILL HELD, and not given back:",
        f"- IC-Web3 out of pool-www (hold {three.id}): its patching failed",
        "To try again: maint restore",
    ]


def test_alerts_that_come_on_again_are_no_give_back_of_servers(
    announcer: Announcer, board: Board, journal: Journal
) -> None:
    mute = hold_on(journal, "newrelic/rule", kind="mute New Relic", action={})
    announcer.giving_back([mute], staying={})
    announcer.given_back(Outcome((mute,), ()))
    assert (board.said, board.edits) == ([], [])


def test_a_silent_slack_stops_nothing(
    announcer: Announcer, board: Board, journal: Journal, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    board.down = True
    hold = drained(journal, "IC-Web1")
    announcer.intended([hold])
    announcer.giving_back([hold], staying={})
    announcer.given_back(Outcome((hold,), (hold,)))
    assert board.asked == 1  # asked again and again it would hold up the window each time
    assert not announcer.report("green", tmp_path)
    assert board.asked == 2  # but the last thing to be said is tried
    assert board.said == []
    assert "Slack: could not post: Slack: posting to platform-int: answered 503." in caplog.text


def test_a_refusal_of_one_channel_is_not_one_of_all(announcer: Announcer, board: Board, journal: Journal) -> None:
    board.refuse = {"platform-int"}
    announcer.intended([drained(journal, "IC-Web1")])
    assert announcer.say(step(announcer, "tests"))


def test_each_run_says_its_own_give_back(
    announcer: Announcer, board: Board, journal: Journal, open_journal: MakeJournal
) -> None:
    announcer.giving_back([drained(journal, "IC-Web1")], staying={})
    announcer.giving_back([drained(journal, "IC-Web1")], staying={})
    second = replace(announcer, journal=open_journal("run-2"))
    second.giving_back([drained(journal, "IC-Web3")], staying={})
    assert [text.splitlines()[1] for _, text in board.said] == ["Going back: IC-Web1.", "Going back: IC-Web3."]
    second.given_back(Outcome((drained(journal, "IC-Web3"),), ()))
    assert board.edits[0][0] == "2"


def test_the_report_answers_the_request_for_tests(announcer: Announcer, board: Board, tmp_path: Path) -> None:
    announcer.say(step(announcer, "tests"))
    assert announcer.report("saturday-pre: GREEN", tmp_path / "report.html")
    assert board.said[1] == ("engineering-maintenance", "[REHEARSAL] saturday-pre: GREEN")
    assert board.threads == [None, "1"]
    assert board.files == [("engineering-maintenance", "report.html", "1")]


def test_a_report_that_nobody_asked_for_is_a_message_of_its_own(
    announcer: Announcer, board: Board, tmp_path: Path
) -> None:
    assert announcer.report("saturday-pre: RED", tmp_path / "report.html")
    assert board.said == [("platform-int", "[REHEARSAL] saturday-pre: RED")]
    assert board.files == [("platform-int", "report.html", "1")]
    assert announcer.report("again", None)
    assert len(board.files) == 1


def test_a_report_that_slack_does_not_take_is_said(announcer: Announcer, board: Board, tmp_path: Path) -> None:
    announcer.say(step(announcer, "tests"))
    board.refuse = {"engineering-maintenance"}
    assert not announcer.report("saturday-pre: GREEN", tmp_path / "report.html")
    assert not announcer.report("saturday-pre: GREEN", None)


def test_secrets_are_not_said(announcer: Announcer, board: Board, journal: Journal) -> None:
    register("correct-horse-battery-staple")
    hold = drained(
        journal, "IC-Web1", why="401 for correct-horse-battery-staple", captured={"key": "correct-horse-battery-staple"}
    )
    announcer.intended([hold])
    announcer.given_back(Outcome((), (hold,)))
    assert len(board.said) == 2
    assert "correct-horse" not in json.dumps(board.said)
