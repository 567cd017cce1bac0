"""What a command line asks for, which tests that selects, in which order, and which of them production may run."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from maint.errors import UsageProblem
from maint.plugin import selection
from maint.plugin.selection import Asked, asked_for
from maint.window import PHASES

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
SERVERS = ["IC-Web1", "IC-Web2", "IC-Web3", "IC-Web4", "IC-Web5"]
NO_TESTS = 5

# The steps come last by name and by place: nothing but the plugin puts them first.
TINY = {
    "pyproject.toml": """
        [tool.pytest.ini_options]
        testpaths = ["regression", "smoke", "checks"]
        addopts = ["--strict-markers", "--import-mode=importlib"]
        """,
    "checks/test_saturday_pre.py": """
        import pytest
        pytestmark = getattr(pytest.mark, "saturday-pre")
        class TestOut:
            @pytest.mark.step("P1")
            def test_P1_out(self): ...
            @pytest.mark.step("P3")
            def test_P3_installed(self, server): ...
        def test_P1_back(): ...
        """,
    "checks/test_sunday_pre.py": """
        import pytest
        pytestmark = getattr(pytest.mark, "sunday-pre")
        def test_P7_out(server): ...
        """,
    "checks/test_preflight.py": """
        import pytest
        @pytest.mark.preflight
        def test_access(): ...
        """,
    "smoke/test_smoke.py": """
        import pytest
        @pytest.mark.production_safe
        def test_s1_reads(): ...
        @pytest.mark.needs_consent
        def test_s2_sends(): ...
        """,
    "regression/test_pay.py": """
        import pytest
        @pytest.mark.production_safe
        def test_r1_looks(): ...
        def test_r2_pays(): ...
        """,
}

STEPS = ["test_P1_out", *(f"test_P3_installed[{server}]" for server in SERVERS), "test_P1_back"]
SMOKE, REGRESSION = ["test_s1_reads", "test_s2_sends"], ["test_r1_looks", "test_r2_pays"]


@pytest.fixture
def tiny(pytester: pytest.Pytester) -> pytest.Pytester:
    """A small project with the real windows."""
    for name, text in TINY.items():
        path = pytester.path / name
        path.parent.mkdir(exist_ok=True)
        lines = text.strip("\n").splitlines()
        path.write_text("\n".join(line.removeprefix("        ") for line in lines) + "\n")
    shutil.copytree(ROOT / "windows", pytester.path / "windows")
    return pytester


@pytest.fixture
def ask(tiny: pytest.Pytester) -> Callable[..., Asked]:
    """A function that reads a command line."""
    return lambda *arguments: asked_for(tiny.parseconfig(*arguments))


@pytest.fixture
def items(tiny: pytest.Pytester) -> Callable[..., list[pytest.Item]]:
    """A function that returns what a command line selects, in order; nothing of it runs."""

    def collect(*arguments: str) -> list[pytest.Item]:
        (call,) = tiny.inline_run("--collect-only", *arguments).getcalls("pytest_collection_finish")
        return list(call.session.items)

    return collect


def names(items: list[pytest.Item]) -> list[str]:
    return [item.name for item in items]


# what is asked for -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", ["preflight", "saturday-pre", "sunday-pre"])
def test_a_phase_is_asked_for_by_its_name(ask: Callable[..., Asked], phase: str) -> None:
    asked = ask("-m", phase)
    assert (asked.name, asked.suites, asked.partial, asked.nothing) == (phase, (), False, False)
    assert asked.window
    assert asked.window.name == "2025-03-23-monthly"


@pytest.mark.parametrize(
    "arguments",
    [
        ["-m", "saturday-pre", "-k", "P3"],
        ["-m", "saturday-pre", "--lf"],
        ["-m", "saturday-pre", "--stepwise"],
        ["-m", "saturday-pre", "--deselect", "smoke"],
        ["-m", "saturday-pre", "--ignore", "regression"],
        ["-m", "saturday-pre", "--ignore-glob", "*smoke*"],
        ["-m", "saturday-pre", "checks"],
        ["-m", "saturday-pre", "checks/test_saturday_pre.py::test_P1_back"],
        ["-m", "saturday-pre", "smoke"],
        ["-m", "saturday-pre and production_safe"],
        ["-m", "saturday-pre and not needs_consent"],
        ["-m", "saturday-pre or production_safe"],
    ],
    ids=lambda arguments: " ".join(arguments[1:]),
)
def test_a_part_of_a_phase_is_partial(ask: Callable[..., Asked], arguments: list[str]) -> None:
    asked = ask(*arguments)
    assert asked.partial
    assert asked.name == "saturday-pre"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["checks"],
        ["."],
        ["-m", "production_safe"],
        ["-m", "not saturday-pre"],
        ["-m", "not (saturday-pre or sunday-pre)"],
        ["checks/test_saturday_pre.py::test_P1_back"],
    ],
    ids=" ".join,
)
def test_nothing_is_asked_for(ask: Callable[..., Asked], arguments: list[str]) -> None:
    assert ask(*arguments).nothing


@pytest.mark.parametrize(
    ("arguments", "suites"),
    [
        (["smoke"], ("smoke",)),
        (["regression", "smoke"], ("smoke", "regression")),
        (["smoke/test_smoke.py::test_s1_reads"], ("smoke",)),
        (["./smoke/", "-k", "reads"], ("smoke",)),
    ],
    ids=str,
)
def test_a_suite_is_asked_for_by_its_folder(
    ask: Callable[..., Asked], arguments: list[str], suites: tuple[str, ...]
) -> None:
    asked = ask(*arguments)
    assert (asked.phase, asked.suites, asked.name) == (None, suites, " and ".join(suites))


@pytest.mark.parametrize("typed", ["saturday_pre", "saturday", "sturday-pre", "Saturday-Pre", "saturdaypre"])
def test_a_near_miss_names_the_phase_that_was_meant(ask: Callable[..., Asked], typed: str) -> None:
    with pytest.raises(UsageProblem) as refused:
        ask("-m", typed)
    said = str(refused.value)
    assert f"{typed!r}; did you mean saturday-pre?" in said
    assert ", ".join(PHASES) in said
    assert said.endswith("Next: pytest -m saturday-pre")


def test_a_name_that_is_near_to_nothing_is_refused_too(ask: Callable[..., Asked]) -> None:
    with pytest.raises(UsageProblem, match=r"no phase or marker 'xyzzy'\. The phases are"):
        ask("-m", "saturday-pre and xyzzy")


@pytest.mark.parametrize("expression", ["saturday-pre or sunday-pre", "saturday-pre and sunday-pre"])
def test_one_phase_per_run(ask: Callable[..., Asked], expression: str) -> None:
    with pytest.raises(UsageProblem, match="one phase per run; -m names saturday-pre and sunday-pre"):
        ask("-m", expression)


def test_a_phase_without_steps_is_refused(ask: Callable[..., Asked]) -> None:
    with pytest.raises(UsageProblem, match=r"no steps for sunday-post yet: checks/test_sunday_post\.py is missing"):
        ask("-m", "sunday-post")


@pytest.mark.parametrize("option", ["--ff", "--nf"])
def test_another_order_is_refused(ask: Callable[..., Asked], option: str) -> None:
    with pytest.raises(UsageProblem, match=f"{option}: a phase has an order of its own. Next: leave {option} out"):
        ask("-m", "saturday-pre", option)
    assert ask("smoke", option).suites == ("smoke",)


# what that selects -------------------------------------------------------------------------------------------------


def test_steps_then_smoke_then_regression(items: Callable[..., list[pytest.Item]]) -> None:
    assert names(items("-m", "saturday-pre")) == [*STEPS, *SMOKE, *REGRESSION]


def test_the_command_lines_order_does_not_matter(items: Callable[..., list[pytest.Item]]) -> None:
    assert names(items("-m", "saturday-pre", "regression", "checks")) == [*STEPS, *REGRESSION]


def test_each_phase_has_its_own_batch_and_suites(items: Callable[..., list[pytest.Item]]) -> None:
    servers = [f"test_P7_out[IC-Web{n}]" for n in range(6, 11)]
    assert names(items("-m", "sunday-pre")) == [*servers, *SMOKE, *REGRESSION]
    assert names(items("-m", "preflight")) == ["test_access"]


def test_a_part_of_a_phase(items: Callable[..., list[pytest.Item]]) -> None:
    assert names(items("-m", "saturday-pre", "-k", "P3")) == STEPS[1:6]
    assert names(items("-m", "saturday-pre and production_safe")) == ["test_s1_reads", "test_r1_looks"]


@pytest.mark.parametrize("arguments", [[], ["checks"], ["-m", "not saturday-pre"], ["-m", "production_safe"]], ids=str)
def test_nothing_is_selected(items: Callable[..., list[pytest.Item]], arguments: list[str]) -> None:
    assert items(*arguments) == []


def test_a_suite_alone(items: Callable[..., list[pytest.Item]]) -> None:
    assert names(items("smoke")) == SMOKE
    assert names(items("regression", "smoke", "checks")) == [*SMOKE, *REGRESSION]
    assert names(items("smoke", "-m", "production_safe")) == ["test_s1_reads"]


# markers and safety ------------------------------------------------------------------------------------------------


def skips(items: list[pytest.Item]) -> dict[str, str]:
    """Return why each test that may not run is skipped."""
    marks = {item.name: item.get_closest_marker("skip") for item in items}
    return {name: mark.kwargs["reason"] for name, mark in marks.items() if mark}


def test_an_unmarked_browser_test_needs_a_test_biller(items: Callable[..., list[pytest.Item]]) -> None:
    found = items("smoke", "regression")
    safety = {item.name: next(name for name in selection.SAFETY if item.get_closest_marker(name)) for item in found}
    assert safety == {
        "test_s1_reads": "production_safe",
        "test_s2_sends": "needs_consent",
        "test_r1_looks": "production_safe",
        "test_r2_pays": "test_biller",
    }
    assert skips(found) == {}


def test_production_skips_what_it_may_not_run_and_says_so(
    items: Callable[..., list[pytest.Item]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAINT_ENV", "production")
    found = items("-m", "saturday-pre", "--window", "2025-03-23-monthly")
    assert names(found) == [*STEPS, *SMOKE, *REGRESSION]
    assert skips(found) == {
        "test_s2_sends": "needs_consent: not on the real site",
        "test_r2_pays": "test_biller: not on the real site",
    }


def test_markers_are_strict_and_known(tiny: pytest.Pytester) -> None:
    shown = tiny.runpytest_inprocess("--markers")
    for name in (*PHASES, *selection.SAFETY, "step(id)"):
        shown.stdout.fnmatch_lines([f"@pytest.mark.{name}: *"])


# with the project as it is: nothing of this touches a twin ----------------------------------------------------------


@pytest.fixture
def command(project: Path, bare_environment: dict[str, str]) -> Callable[..., tuple[int, str]]:
    """A function that runs pytest in a copy of the project where there is no twin; none may appear."""

    def run(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
            cwd=project, env=bare_environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        left = [path.name for path in project.iterdir() if path.name in {".maint", "reports"}]
        assert left == [], "a twin was started, or a run begun"
        return done.returncode, done.stdout + done.stderr

    return run


def test_pytest_alone_runs_nothing_and_says_what_there_is(command: Callable[..., tuple[int, str]]) -> None:
    code, text = command()
    assert code == NO_TESTS, text
    assert "Nothing was asked for. To run something: pytest -m saturday-pre, or pytest smoke." in text
    assert f"The phases are {', '.join(PHASES)}; the suites smoke, regression." in text


def test_collecting_only_shows_the_phase_in_order(command: Callable[..., tuple[int, str]]) -> None:
    code, text = command("-m", "saturday-pre", "--collect-only", "-q")
    assert code == 0, text
    folders = [line.split("/")[0] for line in text.splitlines() if "::" in line]
    assert list(dict.fromkeys(folders)) == ["checks", "smoke", "regression"]
    assert folders == sorted(folders, key=["checks", "smoke", "regression"].index)
    assert sum("updates_are_installed[IC-Web" in line for line in text.splitlines()) == len(SERVERS)


def test_help_is_shown_for_a_phase_too(command: Callable[..., tuple[int, str]]) -> None:
    code, text = command("-m", "saturday-pre", "--help")
    assert code == 0, text
    assert "--no-guardian" in text
