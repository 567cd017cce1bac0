"""Waiting: always with a deadline, stoppable, never silent."""

import threading
import time

import pytest

from maint.errors import DeadlinePassed, Stopped
from maint.waiting import Patience


def patience(seconds: float, poll: float = 0.01, stop: threading.Event | None = None) -> Patience:
    return Patience(time.monotonic() + seconds, poll, stop or threading.Event())


def test_it_looks_until_there_is_something_to_see() -> None:
    seen = iter([None, None, 0])
    assert patience(5).until("the answer", lambda: next(seen)) == 0


def test_it_looks_before_it_waits() -> None:
    assert patience(-1).until("the answer", lambda: "at once") == "at once"


def test_the_deadline_is_kept_whatever_the_pause() -> None:
    soon = patience(0.05, poll=60)
    began = time.monotonic()
    soon.pause("the gateway")  # not for a minute: only as long as there is
    assert soon.left == 0.0
    with pytest.raises(DeadlinePassed, match="the gateway did not happen in time"):
        soon.pause("the gateway")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("after", [0.0, 0.05])
def test_a_stop_ends_it_at_once(after: float) -> None:
    stop = threading.Event()
    began = time.monotonic()
    timer = threading.Timer(after, stop.set)
    timer.start()
    if not after:
        timer.join()
    with pytest.raises(Stopped, match="stopped while waiting for the gateway"):
        patience(60, stop=stop).pause("the gateway", 60)
    assert time.monotonic() - began < 5


def test_within_only_ever_shortens() -> None:
    long = patience(60)
    assert long.within(1).left <= 1 < long.left
    assert long.within(3600).deadline == long.deadline
    assert (long.within(1).stop, long.within(1).tell) == (long.stop, long.tell)
