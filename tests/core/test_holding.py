"""Taking: what is on disk before the first write, what is adopted, and who may take at all."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from maint.errors import LeaseLost, MaintError
from maint.holding import Captured, Holder, Outcome
from maint.journal import HoldRecord, Journal

from .conftest import MakeJournal
from .fakes import Crash, Take, TakeTogether, TakeUntil, World, hold_on, nothing, once, refuse
from .holders import NAMES, Told, give_back, holder_of, lost, soon, take


def test_the_intention_is_on_disk_before_the_first_write(
    holder: Holder, things: World, told: Told, open_journal: MakeJournal
) -> None:
    seen: list[HoldRecord] = []

    def look(_: str) -> None:
        seen.extend(open_journal().holds())  # another connection sees what a crash right here would leave
        assert told.lines == ["intended a b"]

    things.before = look
    taken = take(holder, TakeTogether("a"), TakeTogether("b"))
    assert sorted(([h.state, h.captured, h.action["name"]] for h in seen), key=str) == [
        ["intended", {"was": "normal"}, "a"],
        ["intended", {"was": "normal"}, "b"],
    ]
    assert {hold.state for hold in taken} == {hold.state for hold in open_journal().holds()} == {"in force"}
    assert things.live["a"] == things.live["b"] == "taken"


def test_nobody_is_told_of_what_is_not_on_disk(holder: Holder, things: World, open_journal: MakeJournal) -> None:
    class Reader(Told):
        def intended(self, holds: Sequence[HoldRecord]) -> None:
            assert open_journal().holds() == list(holds)
            assert things.writes == []
            super().intended(holds)

    holder.observers = [reader := Reader()]
    take(holder, Take("a"))
    assert reader.lines == ["intended a"]


def test_what_cannot_be_captured_is_not_taken(holder: Holder, things: World, journal: Journal) -> None:
    with pytest.raises(KeyError):
        take(holder, Take("a"), Take("no such thing"))
    assert (things.writes, journal.holds()) == ([], [])


def test_without_an_intention_nothing_is_written(holder: Holder, things: World, open_journal: MakeJournal) -> None:
    """Another run takes the same thing between our look at the journal and our intention."""

    @dataclass(frozen=True)
    class Late(Take):
        def capture(self, systems: World) -> Captured:
            other = open_journal("run-2")
            other.intend([hold_on(other, "world/b")])
            return super().capture(systems)

    with pytest.raises(MaintError, match="another run opened a hold on the same thing"):
        take(holder, Take("a"), Late("b"))
    assert things.writes == []
    assert [hold.run for hold in holder.journal.holds()] == ["run-2"]


def test_the_first_capture_wins(
    holder: Holder, things: World, open_journal: MakeJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = take(holder, Take("a"))
    second = holder_of(open_journal("run-2"), things)

    def again(*_: Any) -> Captured:
        raise AssertionError("it is taken now: captured again, that would be the normal state")

    monkeypatch.setattr(Take, "capture", again)
    (adopted,) = take(second, Take("a"))
    assert (adopted.id, adopted.captured, adopted.run) == (first.id, {"was": "normal"}, "run-2")
    assert things.writes == ["a=taken"]
    assert give_back(holder) == Outcome((), ())  # it is no more the first run's to give back
    assert give_back(second).whole
    assert things.live["a"] == "normal"


def test_an_adopted_hold_is_its_adopters_in_every_way(holder: Holder, things: World, open_journal: MakeJournal) -> None:
    """The lease under which it is given back, and the step whose end gives it back, are the adopter's."""
    take(holder, Take("a"))
    second = holder_of(open_journal("run-2"), things)
    (adopted,) = take(second, Take("a"), step="P7.drain", phase="sunday-pre")
    assert (adopted.phase, adopted.step) == ("sunday-pre", "P7.drain")


def test_what_a_living_run_holds_is_not_adopted(holder: Holder, things: World, open_journal: MakeJournal) -> None:
    take(holder, Take("a"))
    second = holder_of(open_journal("run-2"), things, run_alive={"run-1"}.__contains__)
    with pytest.raises(MaintError, match=r"world/a: a taken: another run is at it \(held by run run-1\)"):
        take(second, Take("b"), Take("a"))
    assert things.writes == ["a=taken"]
    assert [hold.run for hold in second.journal.holds()] == ["run-1"]


def test_what_the_window_holds_is_adopted(holder: Holder, things: World, open_journal: MakeJournal) -> None:
    (held,) = take(holder, Take("a"))
    holder.journal.hand_over(held)
    second = holder_of(open_journal("run-2"), things, run_alive=lambda _: True)
    (adopted,) = take(second, Take("a"))
    assert (adopted.id, adopted.run) == (held.id, "run-2")


def test_an_expired_one_is_applied_again_until_its_new_end(
    holder: Holder, things: World, open_journal: MakeJournal
) -> None:
    first, second = "2025-03-22T22:30:00+00:00", "2025-03-23T02:00:00+00:00"
    take(holder, TakeUntil("a", until=first))
    things.clock.pass_(hours=1)
    later = holder_of(open_journal("run-2"), things)
    (adopted,) = take(later, TakeUntil("a", until=second))
    assert adopted.captured == {"was": "normal"}
    assert things.live["a"] == f"until {second}"
    assert give_back(later).whole
    assert things.live["a"] == "normal"


def test_it_is_read_back_before_it_counts_as_in_force(holder: Holder, things: World, journal: Journal) -> None:
    def not_honoured(_: str) -> None:
        things.live["b"] = "normal"  # accepted, and without effect

    things.after = not_honoured
    with pytest.raises(MaintError, match="b taken: read back, it is not in force: b is as it was"):
        take(holder, TakeTogether("a"), TakeTogether("b"))
    assert {hold.state for hold in journal.holds()} == {"intended"}
    things.after = nothing
    assert give_back(holder).whole
    assert things.live == dict.fromkeys(NAMES, "normal")


@pytest.mark.parametrize("when", ["before", "after"])
def test_half_an_apply_is_given_back(holder: Holder, things: World, journal: Journal, when: str) -> None:
    setattr(things, when, refuse("c=taken"))
    with pytest.raises(MaintError, match="the vendor refused c=taken"):
        take(holder, *map(Take, NAMES))
    assert things.live["b"] == "taken"
    assert len(journal.holds(run="run-1")) == 5
    assert give_back(holder).whole
    assert things.live == dict.fromkeys(NAMES, "normal")
    assert "d=taken" not in things.writes
    assert journal.holds() == []


@pytest.mark.parametrize("where", ["may_undo", "readiness", "revert", "state"])
def test_who_lost_the_lease_undoes_nothing_more(
    holder: Holder, things: World, journal: Journal, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(holder, Take("a"))
    take(holder, TakeTogether("b"))
    if where == "may_undo":
        holder.may_undo = lost
    else:
        monkeypatch.setattr(TakeTogether, {"revert": "revert_all"}.get(where, where), lambda *_: lost())
    before = dict(things.live)
    with pytest.raises(LeaseLost):
        give_back(holder)
    expected = before | ({"b": "normal"} if where == "state" else {})
    assert things.live == expected
    assert len(journal.holds()) == 2  # all still open, for whoever has the lease now
    assert "hold stuck" not in [event.kind for event in journal.events()]


def test_who_lost_the_lease_takes_nothing_more(holder: Holder, things: World, journal: Journal) -> None:
    things.before = lambda words: lost() if "b" in words else None
    with pytest.raises(LeaseLost):
        take(holder, *map(Take, "abc"))
    assert things.writes == ["a=taken"]
    assert [hold.state for hold in journal.holds()] == ["intended"] * 3


class Broken:
    """An observer of which nothing works."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"{name}: Slack is on fire")


def test_observers_that_raise_are_logged_and_stop_nothing(
    holder: Holder, things: World, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    holder.observers = [Broken(), told]
    with caplog.at_level(logging.WARNING, "maint"):
        take(holder, Take("a"))
        assert give_back(holder).whole
    assert told.lines == ["intended a", "giving back a, staying: ", "given back a, left none"]
    for what in ("intended", "giving_back", "given_back"):
        assert f"Broken could not be told of {what}" in caplog.text
    assert things.live["a"] == "normal"


def test_a_crash_leaves_what_a_successor_needs(holder: Holder, things: World, open_journal: MakeJournal) -> None:
    things.after = once(Crash())
    with pytest.raises(Crash):
        take(holder, *map(Take, NAMES))
    successor = holder_of(open_journal("run-2"), things)
    assert successor.give_back(successor.journal.holds(), soon()).whole
    assert things.live == dict.fromkeys(NAMES, "normal")
    assert successor.give_back([], soon()) == Outcome((), ())
