"""The life of a hold: what is on disk before the first write, what is given back, and what is left and told."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from maint.errors import LeaseLost, MaintError, VendorError
from maint.holding import READY, Captured, Holder, Outcome, Readiness, Reading, Reversible
from maint.journal import HoldRecord, Journal
from maint.waiting import Patience

from .conftest import MakeJournal
from .fakes import NOW, Crash, Take, TakeTogether, TakeUntil, World, hold_on, nothing, once, rebuild, refuse

NAMES = ["a", "b", "c", "d", "e"]
WAITING, BAD = Readiness("waiting", "not yet"), Readiness("bad", "its patching failed")


@dataclass
class Told:
    """An observer that remembers, in words."""

    lines: list[str] = field(default_factory=list)

    def intended(self, holds: Sequence[HoldRecord]) -> None:
        self.lines.append(f"intended {_names(holds)}")

    def giving_back(self, holds: Sequence[HoldRecord], *, staying: Mapping[str, str]) -> None:
        self.lines.append(f"giving back {_names(holds)}, staying: {', '.join(sorted(staying.values()))}")

    def given_back(self, outcome: Outcome) -> None:
        self.lines.append(f"given back {_names(outcome.reverted)}, left {_names(outcome.left)}")


def _names(holds: Sequence[HoldRecord]) -> str:
    return " ".join(sorted(hold.action["name"] for hold in holds)) or "none"


@pytest.fixture
def world() -> World:
    return World(dict.fromkeys(NAMES, "normal"))


@pytest.fixture
def told() -> Told:
    return Told()


def holder_of(journal: Journal, world: World, **more: Any) -> Holder:
    values: dict[str, Any] = {"may_undo": lambda: None, "run_alive": lambda _: False, **more}
    return Holder(journal, world, journal.run, rebuild, **values)


@pytest.fixture
def holder(journal: Journal, world: World, told: Told) -> Holder:
    return holder_of(journal, world, observers=[told])


def take(holder: Holder, *actions: Reversible, step: str = "P1", phase: str = "saturday-pre") -> list[HoldRecord]:
    return holder.take(actions, window="2025-03-23-monthly", phase=phase, step=step, until_time=NOW)


def soon(seconds: float = 5.0, tell: Callable[[str], None] = nothing) -> Patience:
    return Patience(time.monotonic() + seconds, poll=0.01, stop=threading.Event(), tell=tell)


def give_back(holder: Holder, patience: Patience | None = None) -> Outcome:
    return holder.give_back(holder.journal.holds(run=holder.run), patience or soon())


def lost() -> None:
    raise LeaseLost("another run took over saturday-pre; this one writes nothing more")


def test_the_intention_is_on_disk_before_the_first_write(
    holder: Holder, world: World, told: Told, open_journal: MakeJournal
) -> None:
    seen: list[HoldRecord] = []

    def look(_: str) -> None:
        seen.extend(open_journal().holds())  # another connection sees what a crash right here would leave
        assert told.lines == ["intended a b"]

    world.before = look
    taken = take(holder, TakeTogether("a"), TakeTogether("b"))
    assert sorted(([h.state, h.captured, h.action["name"]] for h in seen), key=str) == [
        ["intended", {"was": "normal"}, "a"],
        ["intended", {"was": "normal"}, "b"],
    ]
    assert {hold.state for hold in taken} == {hold.state for hold in open_journal().holds()} == {"in force"}
    assert world.live["a"] == world.live["b"] == "taken"


def test_nobody_is_told_of_what_is_not_on_disk(holder: Holder, world: World, open_journal: MakeJournal) -> None:
    class Reader(Told):
        def intended(self, holds: Sequence[HoldRecord]) -> None:
            assert open_journal().holds() == list(holds)
            assert world.writes == []
            super().intended(holds)

    holder.observers = [reader := Reader()]
    take(holder, Take("a"))
    assert reader.lines == ["intended a"]


def test_what_cannot_be_captured_is_not_taken(holder: Holder, world: World, journal: Journal) -> None:
    with pytest.raises(KeyError):
        take(holder, Take("a"), Take("no such thing"))
    assert (world.writes, journal.holds()) == ([], [])


def test_without_an_intention_nothing_is_written(holder: Holder, world: World, open_journal: MakeJournal) -> None:
    """Another run takes the same thing between our look at the journal and our intention."""

    @dataclass(frozen=True)
    class Late(Take):
        def capture(self, systems: World) -> Captured:
            other = open_journal("run-2")
            other.intend([hold_on(other, "world/b")])
            return super().capture(systems)

    with pytest.raises(MaintError, match="another run opened a hold on the same thing"):
        take(holder, Take("a"), Late("b"))
    assert world.writes == []
    assert [hold.run for hold in holder.journal.holds()] == ["run-2"]


def test_the_first_capture_wins(
    holder: Holder, world: World, open_journal: MakeJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = take(holder, Take("a"))
    second = holder_of(open_journal("run-2"), world)

    def again(*_: Any) -> Captured:
        raise AssertionError("it is taken now: captured again, that would be the normal state")

    monkeypatch.setattr(Take, "capture", again)
    (adopted,) = take(second, Take("a"))
    assert (adopted.id, adopted.captured, adopted.run) == (first.id, {"was": "normal"}, "run-2")
    assert world.writes == ["a=taken"]
    assert give_back(holder) == Outcome((), ())  # it is no more the first run's to give back
    assert give_back(second).whole
    assert world.live["a"] == "normal"


def test_an_adopted_hold_is_its_adopters_in_every_way(holder: Holder, world: World, open_journal: MakeJournal) -> None:
    """The lease under which it is given back, and the step whose end gives it back, are the adopter's."""
    take(holder, Take("a"))
    second = holder_of(open_journal("run-2"), world)
    (adopted,) = take(second, Take("a"), step="P7.drain", phase="sunday-pre")
    assert (adopted.phase, adopted.step) == ("sunday-pre", "P7.drain")


def test_what_a_living_run_holds_is_not_adopted(holder: Holder, world: World, open_journal: MakeJournal) -> None:
    take(holder, Take("a"))
    second = holder_of(open_journal("run-2"), world, run_alive={"run-1"}.__contains__)
    with pytest.raises(MaintError, match=r"world/a: a taken: another run is at it \(held by run run-1\)"):
        take(second, Take("b"), Take("a"))
    assert world.writes == ["a=taken"]
    assert [hold.run for hold in second.journal.holds()] == ["run-1"]


def test_what_the_window_holds_is_adopted(holder: Holder, world: World, open_journal: MakeJournal) -> None:
    (held,) = take(holder, Take("a"))
    holder.journal.hand_over(held)
    second = holder_of(open_journal("run-2"), world, run_alive=lambda _: True)
    (adopted,) = take(second, Take("a"))
    assert (adopted.id, adopted.run) == (held.id, "run-2")


def test_an_expired_one_is_applied_again_until_its_new_end(
    holder: Holder, world: World, open_journal: MakeJournal
) -> None:
    first, second = "2025-03-22T22:30:00+00:00", "2025-03-23T02:00:00+00:00"
    take(holder, TakeUntil("a", until=first))
    world.clock.pass_(hours=1)
    later = holder_of(open_journal("run-2"), world)
    (adopted,) = take(later, TakeUntil("a", until=second))
    assert adopted.captured == {"was": "normal"}
    assert world.live["a"] == f"until {second}"
    assert give_back(later).whole
    assert world.live["a"] == "normal"


def test_it_is_read_back_before_it_counts_as_in_force(holder: Holder, world: World, journal: Journal) -> None:
    def not_honoured(_: str) -> None:
        world.live["b"] = "normal"  # accepted, and without effect

    world.after = not_honoured
    with pytest.raises(MaintError, match="b taken: read back, it is not in force: b is as it was"):
        take(holder, TakeTogether("a"), TakeTogether("b"))
    assert {hold.state for hold in journal.holds()} == {"intended"}
    world.after = nothing
    assert give_back(holder).whole
    assert world.live == dict.fromkeys(NAMES, "normal")


@pytest.mark.parametrize("when", ["before", "after"])
def test_half_an_apply_is_given_back(holder: Holder, world: World, journal: Journal, when: str) -> None:
    setattr(world, when, refuse("c=taken"))
    with pytest.raises(MaintError, match="the vendor refused c=taken"):
        take(holder, *map(Take, NAMES))
    assert world.live["b"] == "taken"
    assert len(journal.holds(run="run-1")) == 5
    assert give_back(holder).whole
    assert world.live == dict.fromkeys(NAMES, "normal")
    assert "d=taken" not in world.writes
    assert journal.holds() == []


def test_a_batch_is_one_write_each_way(holder: Holder, world: World) -> None:
    take(holder, *map(TakeTogether, NAMES))
    assert give_back(holder).whole
    assert [sorted(write.split(", ")) for write in world.writes] == [
        ["a=taken", "b=taken", "c=taken", "d=taken", "e=taken"],
        ["a=normal", "b=normal", "c=normal", "d=normal", "e=normal"],
    ]


def test_only_what_we_took_goes_back(holder: Holder, world: World) -> None:
    take(holder, Take("a"))
    world.live["b"] = "somebody else's"
    assert give_back(holder).whole
    assert world.live["b"] == "somebody else's"


def test_last_taken_first_given_back(holder: Holder, world: World) -> None:
    take(holder, Take("a"))
    take(holder, TakeTogether("b"), TakeTogether("c"))
    take(holder, Take("d"))
    assert give_back(holder).whole
    assert [sorted(write.split(", ")) for write in world.writes[2:]] == [
        ["d=taken"], ["d=normal"], ["b=normal", "c=normal"], ["a=normal"],
    ]  # fmt: skip


def test_a_failed_undo_stays_open_and_is_told(holder: Holder, world: World, journal: Journal, told: Told) -> None:
    take(holder, Take("a"), TakeTogether("b"))
    world.before = refuse("b=normal")
    outcome = give_back(holder)
    assert (_names(outcome.reverted), _names(outcome.left), outcome.whole) == ("a", "b", False)
    (held,) = journal.holds()
    assert (held.state, held.why) == ("stuck", "the vendor refused b=normal.")
    assert told.lines[-1] == "given back a, left b"
    assert "hold stuck" in [event.kind for event in journal.events()]
    world.before = nothing
    assert give_back(holder).whole
    assert (world.live["b"], journal.holds()) == ("normal", [])


def test_an_undo_without_effect_stays_open(holder: Holder, world: World, journal: Journal) -> None:
    take(holder, Take("a"))

    def somebody_else(_: str) -> None:
        world.live["a"] = "on fire"

    world.after = somebody_else
    outcome = give_back(holder)
    assert [hold.why for hold in outcome.left] == ["a is on fire"]
    assert [hold.state for hold in journal.holds()] == ["stuck"]


def test_an_undo_whose_answer_is_lost_is_read_back(holder: Holder, world: World, journal: Journal) -> None:
    take(holder, Take("a"))
    world.after = refuse("a=normal")
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
    holder: Holder, world: World, journal: Journal, told: Told
) -> None:
    take(holder, *map(TakeTogether, "abcd"))
    world.readiness = {"b": WAITING, "c": BAD}
    seen: list[tuple[str, ...]] = []

    def meanwhile(line: str) -> None:
        assert line == "not ready to go back: not yet"
        seen.append(tuple(world.live[name] for name in "abcd"))
        assert [hold.state for hold in journal.holds() if hold.action["name"] == "c"] == ["stuck"]
        world.readiness["b"] = READY

    outcome = give_back(holder, soon(tell=meanwhile))
    assert seen == [("normal", "taken", "taken", "normal")]
    assert [set(write.split(", ")) for write in world.writes[1:]] == [{"a=normal", "d=normal"}, {"b=normal"}]
    assert [hold.why for hold in outcome.left] == ["its patching failed"]
    assert told.lines == [
        "intended a b c d",
        "giving back a d, staying: its patching failed, not yet",
        "given back a b d, left c",
    ]


def test_late_ones_are_left_at_the_deadline(holder: Holder, world: World, journal: Journal, told: Told) -> None:
    take(holder, Take("a"))
    take(holder, *map(TakeTogether, "bc"))
    world.readiness = {"b": WAITING}
    outcome = give_back(holder, soon(0.05))
    assert [(hold.state, hold.why) for hold in outcome.left] == [("stuck", "not in time: not yet")]
    assert (world.live["a"], world.live["b"], world.live["c"]) == ("normal", "taken", "normal")
    assert told.lines[-1] == "given back a c, left b"
    assert [hold.resource for hold in journal.holds()] == ["world/b"]


def test_when_the_time_is_over_what_is_ready_goes_back_all_the_same(holder: Holder, world: World) -> None:
    take(holder, *map(Take, NAMES))
    assert give_back(holder, soon(-1)).whole
    assert world.live == dict.fromkeys(NAMES, "normal")


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
    assert (_names(outcome.reverted), _names(outcome.left)) == ("a", "b")
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
    assert (_names(outcome.reverted), _names(outcome.left)) == ("a", "z")
    assert "knows no action" in outcome.left[0].why


@pytest.mark.parametrize("where", ["may_undo", "readiness", "revert", "state"])
def test_who_lost_the_lease_undoes_nothing_more(
    holder: Holder, world: World, journal: Journal, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(holder, Take("a"))
    take(holder, TakeTogether("b"))
    if where == "may_undo":
        holder.may_undo = lost
    else:
        monkeypatch.setattr(TakeTogether, {"revert": "revert_all"}.get(where, where), lambda *_: lost())
    before = dict(world.live)
    with pytest.raises(LeaseLost):
        give_back(holder)
    expected = before | ({"b": "normal"} if where == "state" else {})
    assert world.live == expected
    assert len(journal.holds()) == 2  # all still open, for whoever has the lease now
    assert "hold stuck" not in [event.kind for event in journal.events()]


def test_who_lost_the_lease_takes_nothing_more(holder: Holder, world: World, journal: Journal) -> None:
    world.before = lambda words: lost() if "b" in words else None
    with pytest.raises(LeaseLost):
        take(holder, *map(Take, "abc"))
    assert world.writes == ["a=taken"]
    assert [hold.state for hold in journal.holds()] == ["intended"] * 3


class Broken:
    """An observer of which nothing works."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"{name}: Slack is on fire")


def test_observers_that_raise_are_logged_and_stop_nothing(
    holder: Holder, world: World, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    holder.observers = [Broken(), told]
    with caplog.at_level(logging.WARNING, "maint"):
        take(holder, Take("a"))
        assert give_back(holder).whole
    assert told.lines == ["intended a", "giving back a, staying: ", "given back a, left none"]
    for what in ("intended", "giving_back", "given_back"):
        assert f"Broken could not be told of {what}" in caplog.text
    assert world.live["a"] == "normal"


def test_a_crash_leaves_what_a_successor_needs(holder: Holder, world: World, open_journal: MakeJournal) -> None:
    world.after = once(Crash())
    with pytest.raises(Crash):
        take(holder, *map(Take, NAMES))
    successor = holder_of(open_journal("run-2"), world)
    assert successor.give_back(successor.journal.holds(), soon()).whole
    assert world.live == dict.fromkeys(NAMES, "normal")
    assert successor.give_back([], soon()) == Outcome((), ())


# what a process that is gone may have sent --------------------------------------------------------------------------


def crash_with_a_late_write(holder: Holder, world: World, seconds: float) -> None:
    """Die right after a write was sent, which takes effect so many seconds later."""

    def die(words: str) -> None:
        name, _, value = words.partition("=")
        world.late.append((time.monotonic() + seconds, {name: value}))
        raise Crash

    world.before = die
    with pytest.raises(Crash):
        take(holder, Take("a"))
    world.before = nothing


def test_a_write_that_lands_after_the_crash_is_given_back_too(
    holder: Holder, world: World, open_journal: MakeJournal
) -> None:
    crash_with_a_late_write(holder, world, 0.1)
    successor = holder_of(open_journal("run-2"), world, in_flight=0.3)
    assert world.read("a") == "normal"  # one look would call it untouched
    told: list[str] = []
    assert successor.give_back(successor.journal.holds(), soon(tell=told.append)).whole
    assert world.writes == ["a=normal"]
    assert "what was begun there may still take effect" in told[0]
    world.land(all_of_it=True)
    assert world.live["a"] == "normal"


def test_a_write_that_lands_after_the_crash_of_an_adopter_too(
    holder: Holder, world: World, open_journal: MakeJournal
) -> None:
    take(holder, Take("a"))
    world.reading = refuse("a")
    assert [hold.state for hold in give_back(holder).left] == ["stuck"]  # given back, and nobody could see it
    world.reading = nothing
    crash_with_a_late_write(holder_of(open_journal("run-2"), world), world, 0.1)
    successor = holder_of(open_journal("run-3"), world, in_flight=0.3)
    assert successor.give_back(successor.journal.holds(), soon()).whole
    world.land(all_of_it=True)
    assert world.live["a"] == "normal"


def test_a_write_that_has_landed_is_not_waited_for(holder: Holder, world: World, open_journal: MakeJournal) -> None:
    crash_with_a_late_write(holder, world, -1)
    successor = holder_of(open_journal("run-2"), world, in_flight=60)
    assert successor.give_back(successor.journal.holds(), soon(0)).whole


def test_a_write_that_the_vendor_refused_is_not_waited_for(holder: Holder, world: World) -> None:
    holder.in_flight = 60
    world.before = refuse("a=taken")
    with pytest.raises(MaintError):
        take(holder, Take("a"))
    assert give_back(holder, soon(0)).whole


@pytest.mark.parametrize(
    "error", [VendorError("no answer", status=0), VendorError("unknown", code="OutcomeUnknown", status=500)]
)
def test_a_write_without_an_answer_is_waited_for(holder: Holder, world: World, error: MaintError) -> None:
    holder.in_flight = 0.1
    world.before = once(error)
    with pytest.raises(VendorError):
        take(holder, Take("a"))
    began = time.monotonic()
    assert give_back(holder).whole
    assert time.monotonic() - began >= 0.1


def test_a_server_waits_while_its_patching_may_be_starting(holder: Holder, world: World) -> None:
    take(holder, Take("a"), TakeTogether("b"))
    world.readiness["b"] = Readiness("ready", settled=True)  # begun and over: nothing can still be starting
    holder.starting, holder.in_flight = (lambda _: True), 60
    outcome = give_back(holder, soon(0.05))
    assert (_names(outcome.reverted), _names(outcome.left)) == ("b", "a")
    assert "may still take effect" in outcome.left[0].why
    holder.starting = lambda _: False
    assert give_back(holder).whole


def test_what_a_person_releases_meanwhile_stays_as_it_is(
    holder: Holder, world: World, journal: Journal, told: Told, open_journal: MakeJournal
) -> None:
    one, two = take(holder, Take("a"), Take("b"))
    world.readiness = {"a": WAITING, "b": WAITING}

    def release(_: str) -> None:
        open_journal().set_hold(one, "released", "new disk on Monday")
        world.readiness = {}

    outcome = give_back(holder, soon(tell=once_only(release)))
    assert (outcome.reverted[0].id, outcome.left) == (two.id, ())
    assert (world.live["a"], world.live["b"]) == ("taken", "normal")
    assert (journal.hold(one.id).state, journal.hold(one.id).why) == ("released", "new disk on Monday")
    assert told.lines[-1] == "given back b, left none"


def once_only(call: Callable[[str], None]) -> Callable[[str], None]:
    calls = [call]
    return lambda words: calls.pop()(words) if calls else None


def test_released_at_the_very_moment_of_the_undo_it_is_not_undone(
    holder: Holder, world: World, open_journal: MakeJournal
) -> None:
    (one,) = take(holder, Take("a"))

    def released() -> None:
        open_journal().set_hold(one, "released", "new disk on Monday")

    holder.may_undo = released
    assert give_back(holder) == Outcome((), ())
    assert world.live["a"] == "taken"


def test_what_was_never_taken_is_not_announced_as_going_back(holder: Holder, world: World, told: Told) -> None:
    world.before = refuse("taken")
    with pytest.raises(MaintError):
        take(holder, Take("a"))
    assert give_back(holder).whole
    assert told.lines == ["intended a", "giving back none, staying: ", "given back a, left none"]
