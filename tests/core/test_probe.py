"""What the site's visitors see while a phase runs."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from maint.errors import MaintError
from maint.probe import Failure, Probe, Tally

from .conftest import Live
from .fakes import NOW, Clock

ZONE = datetime(2025, 3, 22, 18, 0, tzinfo=ZoneInfo("America/New_York"))


@pytest.fixture
def start(live: Live) -> Iterator[Callable[..., Probe]]:
    probes: list[Probe] = []

    def begin(clock: Clock | None = None) -> Probe:
        environment = live.context.environment
        quick = environment.model_copy(update={"probe": environment.probe.model_copy(update={"per_second": 100.0})})
        probes.append(Probe(quick, clock or live.context.clock, ZONE))
        probes[-1].start()
        return probes[-1]

    yield begin
    for probe in probes:
        probe.stop()


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_site_that_is_well(start: Callable[..., Probe], live: Live) -> None:
    probe = start()
    until(lambda: probe.tally.asked >= 4)
    tally = probe.stop()
    asked = tally.asked
    assert str(tally) == f"0 of {asked} requests to the site failed"
    assert len(live.requests("GET", "/")) >= asked
    time.sleep(0.05)
    assert probe.tally.asked == asked  # it has stopped


@pytest.mark.parametrize(
    ("fault", "words"),
    [({"do": "status", "status": 503}, "HTTP 503"), ({"do": "reset"}, "RemoteProtocolError|ReadError|ConnectError")],
)
def test_a_site_that_fails_for_a_while(
    start: Callable[..., Probe], live: Live, fault: dict[str, object], words: str
) -> None:
    probe = start()
    until(lambda: probe.tally.asked >= 2)
    live.post("/faults", match={"system": "www"}, times=4, **fault)
    until(lambda: len(probe.tally.failures) >= 4)
    asked = probe.tally.asked
    until(lambda: probe.tally.asked >= asked + 4)
    tally = probe.stop()
    assert len(tally.failures) == 4
    assert {failure.visitor for failure in tally.failures} == {"fresh visitor", "visitor with a cookie"}
    first = tally.failures[0]
    assert first.moment is not None
    assert first.moment.year == 2025  # by the window's clock
    assert first.moment.tzinfo == ZONE.tzinfo
    assert first.what.split(" for a ")[0] in words.split("|")
    assert 0 < tally.down_seconds < 10
    assert str(tally).startswith(f"4 of {tally.asked} requests to the site failed, for ")


def test_down_to_the_end_counts_to_the_end(start: Callable[..., Probe], live: Live) -> None:
    live.fault("www", "status", status=502)
    probe = start()
    until(lambda: len(probe.tally.failures) >= 2)
    time.sleep(0.1)
    assert probe.stop().down_seconds >= 0.1


def test_a_refusal_of_one_page_is_no_outage(start: Callable[..., Probe], live: Live) -> None:
    live.fault("www", "status", status=404)
    probe = start()
    until(lambda: probe.tally.asked >= 3)
    assert probe.stop().failures == []


def test_it_goes_on_when_nobody_knows_the_time(start: Callable[..., Probe], live: Live) -> None:
    class Gone(Clock):
        def now(self) -> datetime:
            raise MaintError("the twin did not answer GET /clock")

    live.fault("www", "status", status=503)
    probe = start(Gone())
    until(lambda: len(probe.tally.failures) >= 2)
    assert probe.stop().failures[0].moment is None


def test_one_that_never_started_saw_nothing(live: Live) -> None:
    assert Probe(live.context.environment, live.context.clock, ZONE).stop() == Tally()


def test_the_first_failure_is_told_with_its_time() -> None:
    failures = [Failure(NOW.astimezone(UTC), "fresh visitor", "HTTP 503 for a fresh visitor")]
    assert str(Tally(9, failures, 1.25)) == (
        "1 of 9 requests to the site failed, for 1.2 s in all; the first at 22:00:00: HTTP 503 for a fresh visitor"
    )
