"""What a process that is gone may have sent, and what a person releases meanwhile."""

import math
import time
from collections.abc import Callable

import pytest

from maint.errors import MaintError, VendorError
from maint.holding import Holder, Outcome, Readiness
from maint.journal import Journal

from .conftest import MakeJournal
from .fakes import Crash, Take, TakeTogether, World, nothing, once, refuse
from .holders import WAITING, Told, give_back, holder_of, names_of, soon, take


def crash_with_a_late_write(holder: Holder, things: World) -> None:
    """Die right after a write was sent, which takes effect when it is let land."""

    def die(words: str) -> None:
        name, _, value = words.partition("=")
        things.late.append((math.inf, {name: value}))
        raise Crash

    things.before = die
    with pytest.raises(Crash):
        take(holder, Take("a"))
    things.before = nothing


def give_back_while_it_lands(successor: Holder, things: World) -> None:
    """Give everything back; what is still on its way lands while that is waited for."""
    told: list[str] = []

    def lands(line: str) -> None:
        told.append(line)
        things.land(all_of_it=True)

    assert things.read("a") == "normal"  # one look would call it untouched
    assert successor.give_back(successor.journal.holds(), soon(tell=lands)).whole
    assert "what was begun there may still take effect" in told[0]
    assert things.live["a"] == "normal"
    assert things.writes[-1] == "a=normal"


def test_a_write_that_lands_after_the_crash_is_given_back_too(
    holder: Holder, things: World, open_journal: MakeJournal
) -> None:
    crash_with_a_late_write(holder, things)
    give_back_while_it_lands(holder_of(open_journal("run-2"), things, in_flight=60), things)


def test_a_write_that_lands_after_the_crash_of_an_adopter_too(
    holder: Holder, things: World, open_journal: MakeJournal
) -> None:
    take(holder, Take("a"))
    things.reading = refuse("a")
    assert [hold.state for hold in give_back(holder).left] == ["stuck"]  # given back, and nobody could see it
    things.reading = nothing
    crash_with_a_late_write(holder_of(open_journal("run-2"), things), things)
    give_back_while_it_lands(holder_of(open_journal("run-3"), things, in_flight=60), things)


def test_a_write_that_has_landed_is_not_waited_for(holder: Holder, things: World, open_journal: MakeJournal) -> None:
    crash_with_a_late_write(holder, things)
    things.land(all_of_it=True)
    successor = holder_of(open_journal("run-2"), things, in_flight=60)
    assert successor.give_back(successor.journal.holds(), soon(0)).whole


def test_a_write_that_the_vendor_refused_is_not_waited_for(holder: Holder, things: World) -> None:
    holder.in_flight = 60
    things.before = refuse("a=taken")
    with pytest.raises(MaintError):
        take(holder, Take("a"))
    assert give_back(holder, soon(0)).whole


@pytest.mark.parametrize(
    "error", [VendorError("no answer", status=0), VendorError("unknown", code="OutcomeUnknown", status=500)]
)
def test_a_write_without_an_answer_is_waited_for(holder: Holder, things: World, error: MaintError) -> None:
    holder.in_flight = 0.1
    things.before = once(error)
    with pytest.raises(VendorError):
        take(holder, Take("a"))
    began = time.monotonic()
    assert give_back(holder).whole
    assert time.monotonic() - began >= 0.1


def test_a_server_waits_while_its_patching_may_be_starting(holder: Holder, things: World) -> None:
    take(holder, Take("a"), TakeTogether("b"))
    things.readiness["b"] = Readiness("ready", settled=True)  # begun and over: nothing can still be starting
    holder.starting, holder.in_flight = (lambda _: True), 60
    outcome = give_back(holder, soon(0.05))
    assert (names_of(outcome.reverted), names_of(outcome.left)) == ("b", "a")
    assert "may still take effect" in outcome.left[0].why
    holder.starting = lambda _: False
    assert give_back(holder).whole


def test_what_a_person_releases_meanwhile_stays_as_it_is(
    holder: Holder, things: World, journal: Journal, told: Told, open_journal: MakeJournal
) -> None:
    one, two = take(holder, Take("a"), Take("b"))
    things.readiness = {"a": WAITING, "b": WAITING}

    def release(_: str) -> None:
        open_journal().set_hold(one, "released", "new disk on Monday")
        things.readiness = {}

    outcome = give_back(holder, soon(tell=once_only(release)))
    assert (outcome.reverted[0].id, outcome.left) == (two.id, ())
    assert (things.live["a"], things.live["b"]) == ("taken", "normal")
    assert (journal.hold(one.id).state, journal.hold(one.id).why) == ("released", "new disk on Monday")
    assert told.lines[-1] == "given back b, left none"


def once_only(call: Callable[[str], None]) -> Callable[[str], None]:
    calls = [call]
    return lambda words: calls.pop()(words) if calls else None


def test_released_at_the_very_moment_of_the_undo_it_is_not_undone(
    holder: Holder, things: World, open_journal: MakeJournal
) -> None:
    (one,) = take(holder, Take("a"))

    def released() -> None:
        open_journal().set_hold(one, "released", "new disk on Monday")

    holder.may_undo = released
    assert give_back(holder) == Outcome((), ())
    assert things.live["a"] == "taken"


def test_what_was_never_taken_is_not_announced_as_going_back(holder: Holder, things: World, told: Told) -> None:
    things.before = refuse("taken")
    with pytest.raises(MaintError):
        take(holder, Take("a"))
    assert give_back(holder).whole
    assert told.lines == ["intended a", "giving back none, staying: ", "given back a, left none"]
