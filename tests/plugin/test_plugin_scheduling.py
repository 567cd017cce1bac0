"""Under pytest-xdist: steps once, in order, on one worker; browser tests on all of them, and only afterwards."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

CONFTEST = """
import os, time
from pathlib import Path
import pytest
from maint.plugin.scheduling import StepsFirst

HERE = Path(__file__).parent

@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return StepsFirst(config, log)

def note(what, request):
    with (HERE / "told").open("a") as told:  # one short write each, so that lines stay whole
        told.write(f"{what} {os.environ['PYTEST_XDIST_WORKER']} {request.node.name}\\n")

@pytest.fixture(autouse=True)
def noted(request):
    note("begins", request)
    yield
    note("ends", request)

@pytest.fixture(scope="module")
def taken():
    with (HERE / "told").open("a") as told:
        told.write(f"takes {os.environ['PYTEST_XDIST_WORKER']} -\\n")
    yield
    with (HERE / "told").open("a") as told:
        told.write(f"gives {os.environ['PYTEST_XDIST_WORKER']} -\\n")

@pytest.fixture
def together():
    "Wait until a browser test runs on every worker: only where they are shared out does that happen."
    (HERE / f"here-{os.environ['PYTEST_XDIST_WORKER']}").touch()
    until = time.monotonic() + 20
    while len(list(HERE.glob("here-*"))) < int(os.environ["PYTEST_XDIST_WORKER_COUNT"]):
        assert time.monotonic() < until, "the other workers have nothing to do"
        time.sleep(0.01)
"""

STEPS = """
import os, signal
import pytest

@pytest.mark.parametrize("n", range({steps}))
def test_step(n, taken):
    if n == {dies}:
        os.kill(os.getpid(), signal.SIGKILL)
"""

BROWSER = """
import pytest

@pytest.mark.parametrize("n", range({tests}))
def test_page(n, {fixture}): ...
"""

BARE = ["-p", "no:maint", "-p", "no:playwright", "-p", "no:html", "-p", "no:metadata", "-p", "no:hypothesispytest"]


@dataclass(frozen=True)
class Told:
    """What the tests of a run have told of themselves: (what, worker, test), in order."""

    code: int
    text: str
    lines: list[tuple[str, str, str]]

    def of(self, what: str, test: str = "test_") -> list[tuple[str, str]]:
        """Return (worker, test) of everything told of a kind of test."""
        return [(worker, name) for told, worker, name in self.lines if told == what and name.startswith(test)]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Told]:
    """A function that runs a small project of so many steps and browser tests on so many workers."""

    def go(steps: int, tests: int | str, workers: int, *, dies: int = -1, fixture: str = "noted") -> Told:
        (tmp_path / "pytest.ini").write_text("[pytest]\n")
        (tmp_path / "conftest.py").write_text(CONFTEST)
        for folder, text in (("checks", STEPS), ("smoke", BROWSER)):
            (tmp_path / folder).mkdir()
            source = text.format(steps=steps, tests=tests, dies=dies, fixture=fixture)
            (tmp_path / folder / f"test_{folder}.py").write_text(source)
        command = [sys.executable, "-m", "pytest", *BARE, "-n", str(workers), "--max-worker-restart=0"]
        done = subprocess.run(
            [*command, "checks", "smoke"], cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False, timeout=60,
        )  # fmt: skip
        told = tmp_path / "told"
        lines = told.read_text().splitlines() if told.exists() else []
        return Told(done.returncode, done.stdout + done.stderr, [(a, b, c) for a, b, c in map(str.split, lines)])

    return go


def test_steps_in_order_on_the_lead_and_then_browser_tests_on_all(run: Callable[..., Told]) -> None:
    told = run(5, 9, 2, fixture="together")
    assert told.code == 0, told.text
    assert told.of("begins", "test_step") == [("gw0", f"test_step[{n}]") for n in range(5)]
    assert Counter(told.of("begins")) == Counter(told.of("ends")), "each test runs once, to its end"
    assert len(told.of("begins")) == 14
    pages = told.of("begins", "test_page")
    assert {name for _, name in pages} == {f"test_page[{n}]" for n in range(9)}
    assert {worker for worker, _ in pages} == {"gw0", "gw1"}
    assert told.of("takes", "-") == told.of("gives", "-") == [("gw0", "-")], "taken once, given back once"
    first = next(place for place, line in enumerate(told.lines) if "test_page" in line[2])
    assert told.lines.index(("ends", "gw0", "test_step[4]")) < told.lines.index(("gives", "gw0", "-")) < first


def test_a_lead_that_dies_ends_the_phase(run: Callable[..., Told]) -> None:
    told = run(5, 9, 2, dies=2)
    assert told.code == 1, told.text
    assert told.of("begins") == [("gw0", f"test_step[{n}]") for n in range(3)], "nothing else runs, nor anything twice"
    assert "worker 'gw0' crashed while running 'checks/test_checks.py::test_step[2]'" in told.text


def test_no_steps_selected(run: Callable[..., Told]) -> None:
    told = run(0, 9, 2, fixture="together")
    assert told.code == 0, told.text
    assert sorted(name for _, name in told.of("ends")) == [f"test_page[{n}]" for n in range(9)]
    assert {worker for worker, _ in told.of("begins")} == {"gw0", "gw1"}


def test_fewer_tests_than_workers(run: Callable[..., Told]) -> None:
    told = run(1, 1, 3)
    assert told.code == 0, told.text
    assert [name for _, name in told.of("ends")] == ["test_step[0]", "test_page[0]"]


def test_steps_and_nothing_else_on_one_worker(run: Callable[..., Told]) -> None:
    told = run(2, 0, 1)
    assert told.code == 0, told.text
    assert told.of("ends") == [("gw0", "test_step[0]"), ("gw0", "test_step[1]")]


def test_workers_that_see_different_tests_run_nothing(run: Callable[..., Told]) -> None:
    told = run(1, "2 + int(__import__('os').environ['PYTEST_XDIST_WORKER'] == 'gw1')", 2)
    assert told.code == 1, told.text
    assert told.lines == []
    assert "Different tests were collected between" in told.text
    assert "1 error in" in told.text, "said once"
