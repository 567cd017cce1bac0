"""Giving back: what goes back when, and what is left, named and told."""

from typing import Any

import pytest

from maint.errors import MaintError
from maint.holding import READY, Holder, Readiness, Reading, Reversible
from maint.journal import Journal

from .fakes import Take, TakeTogether, World, hold_on, nothing, rebuild, refuse
from .holders import BAD, NAMES, WAITING, Told, give_back, names_of, soon, take


def test_a_batch_is_one_write_each_way(holder: Holder, things: World) -> None:
    take(holder, *map(TakeTogether, NAMES))
    assert give_back(holder).whole
    assert [sorted(write.split(", ")) for write in things.writes] == [
        ["a=taken", "b=taken", "c=taken", "d=taken", "e=taken"],
        ["a=normal", "b=normal", "c=normal", "d=normal", "e=normal"],
    ]


def test_only_what_we_took_goes_back(holder: Holder, things: World) -> None:
    take(holder, Take("a"))
    things.live["b"] = "somebody else's"
    assert give_back(holder).whole
    assert things.live["b"] == "somebody else's"


def test_last_taken_first_given_back(holder: Holder, things: World) -> None:
    take(holder, Take("a"))
    take(holder, TakeTogether("b"), TakeTogether("c"))
    take(holder, Take("d"))
    assert give_back(holder).whole
    assert [sorted(write.split(", ")) for write in things.writes[2:]] == [
        ["d=taken"], ["d=normal"], ["b=normal", "c=normal"], ["a=normal"],
    ]  # fmt: skip


def test_a_failed_undo_stays_open_and_is_told(holder: Holder, things: World, journal: Journal, told: Told) -> None:
    take(holder, Take("a"), TakeTogether("b"))
    things.before = refuse("b=normal")
    outcome = give_back(holder)
    assert (names_of(outcome.reverted), names_of(outcome.left), outcome.whole) == ("a", "b", False)
    (held,) = journal.holds()
    assert (held.state, held.why) == ("stuck", "the vendor refused b=normal.")
    assert told.lines[-1] == "given back a, left b"
    assert "hold stuck" in [event.kind for event in journal.events()]
    things.before = nothing
    assert give_back(holder).whole
    assert (things.live["b"], journal.holds()) == ("normal", [])


def test_an_undo_without_effect_stays_open(holder: Holder, things: World, journal: Journal) -> None:
    take(holder, Take("a"))

    def somebody_else(_: str) -> None:
        things.live["a"] = "on fire"

    things.after = somebody_else
    outcome = give_back(holder)
    assert [hold.why for hold in outcome.left] == ["a is on fire"]
    assert [hold.state for hold in journal.holds()] == ["stuck"]


def test_an_undo_whose_answer_is_lost_is_read_back(holder: Holder, things: World, journal: Journal) -> None:
    take(holder, Take("a"))
    things.after = refuse("a=normal")
    assert give_back(holder).whole
    assert journal.holds() == []


def test_what_cannot_be_read_back_stays_open(holder: Holder, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    take(holder, Take("a"))

    def blind(*_: Any) -> Reading:
        raise MaintError("no answer")

    monkeypatch.setattr(Take, "state", blind)
    assert [hold.why for hold in give_back(holder).left] == ["no answer."]
    assert [hold.state for hold in journal.holds()] == ["stuck"]


def test_ready_ones_go_back_while_others_wait_and_bad_ones_stay(
    holder: Holder, things: World, journal: Journal, told: Told
) -> None:
    take(holder, *map(TakeTogether, "abcd"))
    things.readiness = {"b": WAITING, "c": BAD}
    seen: list[tuple[str, ...]] = []

    def meanwhile(line: str) -> None:
        assert line == "not ready to go back: not yet"
        seen.append(tuple(things.live[name] for name in "abcd"))
        assert [hold.state for hold in journal.holds() if hold.action["name"] == "c"] == ["stuck"]
        things.readiness["b"] = READY

    outcome = give_back(holder, soon(tell=meanwhile))
    assert seen == [("normal", "taken", "taken", "normal")]
    assert [set(write.split(", ")) for write in things.writes[1:]] == [{"a=normal", "d=normal"}, {"b=normal"}]
    assert [hold.why for hold in outcome.left] == ["its patching failed"]
    assert told.lines == [
        "intended a b c d",
        "giving back a d, staying: its patching failed, not yet",
        "given back a b d, left c",
    ]


def test_late_ones_are_left_at_the_deadline(holder: Holder, things: World, journal: Journal, told: Told) -> None:
    take(holder, Take("a"))
    take(holder, *map(TakeTogether, "bc"))
    things.readiness = {"b": WAITING}
    outcome = give_back(holder, soon(0.05))
    assert [(hold.state, hold.why) for hold in outcome.left] == [("stuck", "not in time: not yet")]
    assert (things.live["a"], things.live["b"], things.live["c"]) == ("normal", "taken", "normal")
    assert told.lines[-1] == "given back a c, left b"
    assert [hold.resource for hold in journal.holds()] == ["world/b"]


def test_when_the_time_is_over_what_is_ready_goes_back_all_the_same(holder: Holder, things: World) -> None:
    take(holder, *map(Take, NAMES))
    assert give_back(holder, soon(-1)).whole
    assert things.live == dict.fromkeys(NAMES, "normal")


def test_whether_it_is_ready_is_asked_again_when_nobody_answered(
    holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(holder, Take("a"))
    answers = [MaintError("no answer"), ValueError("half an answer")]

    def asked(*_: Any) -> Readiness:
        if answers:
            raise answers.pop()
        return READY

    monkeypatch.setattr(Take, "readiness", asked)
    assert give_back(holder).whole


@pytest.mark.parametrize("where", ["readiness", "revert", "state"])
def test_whatever_goes_wrong_with_one_kind_the_others_go_back(
    holder: Holder, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(holder, TakeTogether("a"))
    take(holder, Take("b"))

    def bug(*_: Any) -> Any:
        raise KeyError("properties")

    monkeypatch.setattr(TakeTogether, "readiness", ready)  # inherited from Take, which breaks now
    monkeypatch.setattr(TakeTogether, "state", at_rest)
    monkeypatch.setattr(Take, where, bug)
    outcome = give_back(holder, soon(0.05))
    assert (names_of(outcome.reverted), names_of(outcome.left)) == ("a", "b")
    assert "properties" in outcome.left[0].why


def ready(*_: Any) -> Readiness:
    return READY


def at_rest(*_: Any) -> Reading:
    return Reading("normal", "as it was")


def test_a_hold_of_a_kind_that_nobody_knows_is_left_at_once(holder: Holder, journal: Journal) -> None:
    take(holder, Take("a"))
    journal.intend([hold_on(journal, "new/thing", kind="levitate", action={"name": "z"})])

    def known(kind: str, values: dict[str, Any]) -> Reversible:
        if kind == "levitate":
            raise MaintError("this version knows no action 'levitate'")
        return rebuild(kind, values)

    holder.rebuild = known
    outcome = give_back(holder, soon(60))
    assert (names_of(outcome.reverted), names_of(outcome.left)) == ("a", "z")
    assert "knows no action" in outcome.left[0].why
