"""The order of steps: waits, shared resources, how many at once, and what a failure stops."""

import heapq
import random
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maint.order import Board


@dataclass(frozen=True)
class Step:
    id: str
    after: tuple[str, ...] = ()
    touches: tuple[str, ...] = ()
    seconds: float = 1.0


@dataclass(frozen=True)
class Span:
    begun: float
    ended: float


def play(steps: list[Step], *, max_parallel: int = 0, failing: frozenset[str] = frozenset()) -> dict[str, Span]:
    """Run the board on a clock that jumps from end to end; returns when each step ran."""
    board, now = Board(steps, max_parallel), 0.0
    ends: list[tuple[float, str]] = []
    spans: dict[str, Span] = {}
    while not board.over:
        for step in board.begin():
            spans[step.id] = Span(now, now + step.seconds)
            heapq.heappush(ends, (now + step.seconds, step.id))
        assert ends, "nothing runs and nothing may begin"
        now, ended = heapq.heappop(ends)
        board.end(ended, ok=ended not in failing)
    return spans


@st.composite
def plans(draw: st.DrawFn) -> list[Step]:
    count = draw(st.integers(1, 30))
    steps = []
    for n in range(count):
        earlier = [f"s{m}" for m in range(n)]
        after = draw(st.lists(st.sampled_from(earlier), max_size=3, unique=True)) if earlier else []
        touches = draw(st.lists(st.sampled_from("abc"), max_size=2, unique=True))
        steps.append(Step(f"s{n}", tuple(after), tuple(touches), draw(st.floats(0.1, 9))))
    return steps


@given(plans(), st.integers(0, 4))
def test_waits_resources_and_numbers_are_kept(steps: list[Step], max_parallel: int) -> None:
    spans = play(steps, max_parallel=max_parallel)
    assert set(spans) == {step.id for step in steps}
    for step in steps:
        assert all(spans[other].ended <= spans[step.id].begun for other in step.after)
        for other in steps:
            if other.id != step.id and set(other.touches) & set(step.touches):
                one, two = spans[step.id], spans[other.id]
                assert one.ended <= two.begun or two.ended <= one.begun
    for span in spans.values():
        at_once = sum(1 for other in spans.values() if other.begun <= span.begun < other.ended)
        assert not max_parallel or at_once <= max_parallel


@given(plans(), st.data())
def test_a_failure_stops_what_waits_for_it_and_nothing_else(steps: list[Step], data: st.DataObject) -> None:
    failing = frozenset(data.draw(st.lists(st.sampled_from([s.id for s in steps]), max_size=3)))
    spans = play(steps, failing=failing)
    doomed: set[str] = set()
    for step in steps:
        if doomed & set(step.after) or failing & set(step.after):
            doomed.add(step.id)
    assert set(spans) == {step.id for step in steps} - doomed


def test_two_hundred_changes_take_as_long_as_their_critical_path() -> None:
    dice = random.Random(2025)  # noqa: S311 - a plan, not a secret
    steps: list[Step] = []
    for n in range(200):
        earlier = [step.id for step in steps[-40:]]
        after = dice.sample(earlier, min(len(earlier), dice.choice([0, 1, 1, 2, 3])))
        touches = [f"r{dice.randrange(60)}"] if dice.random() < 0.4 else []
        steps.append(Step(f"s{n}", tuple(after), tuple(touches), dice.uniform(1, 10)))
    path: dict[str, float] = {}
    for step in steps:
        path[step.id] = step.seconds + max((path[other] for other in step.after), default=0.0)
    took = max(span.ended for span in play(steps).values())
    assert took <= max(path.values()) * 1.1 + 2


def test_what_is_stopped_is_named_with_its_cause() -> None:
    board = Board([Step("C2"), Step("C7", after=("C2",)), Step("C8", after=("C7",)), Step("C3")])
    assert [step.id for step in board.begin()] == ["C2", "C3"]
    assert board.end("C2", ok=False) == {"C7": "C2", "C8": "C7"}
    assert not board.over
    board.end("C3", ok=True)
    assert board.over


@pytest.mark.parametrize("outside", ["C0", "P6"])
def test_what_is_not_on_the_board_is_not_waited_for(outside: str) -> None:
    assert [step.id for step in Board([Step("C1", after=(outside,))]).begin()] == ["C1"]
