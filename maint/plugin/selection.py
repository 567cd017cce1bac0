"""What a command line asks for: a phase, a suite, or nothing of ours; and which tests that selects."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from _pytest.mark.expression import Expression

from maint.environment import environment_name
from maint.errors import UsageProblem
from maint.window import PHASES, Phase, Window, choose_window
from maint.window_steps import Drain

SAFETY = {
    "production_safe": "a browser test that only reads; it may run on the real site",
    "needs_consent": "a browser test that sends a form or needs the owner's consent on the real site",
    "test_biller": "a browser test that needs a test biller or the twin; the default of an unmarked one",
}
STEPS, SUITES = "checks", ("smoke", "regression")
_WORDS = {"and", "or", "not", "True", "False", "None"}


@dataclass(frozen=True)
class Asked:
    """What the command line asks for; `window` is loaded where a phase is. partial: not the whole phase."""

    phase: Phase | None = None
    window: Window | None = None
    suites: tuple[str, ...] = ()
    partial: bool = False

    @property
    def nothing(self) -> bool:
        """Say whether this is no business of ours."""
        return self.phase is None and not self.suites

    @property
    def name(self) -> str:
        """Return what it is called: the phase, else the suites."""
        return self.phase.name if self.phase else " and ".join(self.suites)


ASKED = pytest.StashKey[Asked]()


def asked_for(config: pytest.Config) -> Asked:
    """Read the command line; raises UsageProblem for a phase that does not exist, and WindowError for a bad window."""
    expression = config.option.markexpr or ""
    named = [name for name in re.findall(r"[A-Za-z_][\w-]*", expression) if name not in _WORDS]
    _refuse_unknown(config, named)
    phases = [name for name in named if name in PHASES and _wanted(expression, name)]
    if len(set(phases)) > 1:
        raise UsageProblem(f"one phase per run; -m names {' and '.join(phases)}", where="-m")
    suites = tuple(suite for suite in SUITES if suite in _folders(config))
    if not phases:
        return Asked(suites=suites)
    _refuse_without_steps(config, phases[0])
    _refuse_another_order(config)
    production = environment_name() == "production"
    window = choose_window(config.rootpath / "windows", config.option.window, datetime.now(UTC), production)
    whole = expression.strip() == phases[0] and not _narrowed(config)
    return Asked(window.phase(phases[0]), window, suites, partial=not whole)


def _refuse_unknown(config: pytest.Config, named: Sequence[str]) -> None:
    known = {re.split(r"[:(]", line)[0].strip() for line in config.getini("markers")} | set(PHASES) | set(SAFETY)
    for name in named:
        if name in known:
            continue
        near = difflib.get_close_matches(name, PHASES, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near else "."
        raise UsageProblem(
            f"there is no phase or marker {name!r}{hint} The phases are: {', '.join(PHASES)}",
            where="-m",
            next=f"pytest -m {near[0] if near else PHASES[1]}",
        )


def _refuse_without_steps(config: pytest.Config, phase: str) -> None:
    """A phase that did nothing but its suites would be green."""
    file = config.rootpath / STEPS / f"test_{phase.replace('-', '_')}.py"
    if not file.exists():
        raise UsageProblem(
            f"there are no steps for {phase} yet: {STEPS}/{file.name} is missing",
            where="-m",
            next="follow the page by hand for this phase",
        )


def _refuse_another_order(config: pytest.Config) -> None:
    """These reorder the tests after everybody else has: browser tests would come before steps."""
    for option, dest in (("--ff", "failedfirst"), ("--nf", "newfirst")):
        if getattr(config.option, dest, False):
            raise UsageProblem("a phase has an order of its own", where=option, next=f"leave {option} out")


def _wanted(expression: str, phase: str) -> bool:
    """Say whether the expression can select the phase, rather than only leave it out."""
    compiled = Expression.compile(expression)

    def only_it(name: str, /, **_: object) -> bool:
        return name == phase

    def everything(_: str, /, **__: object) -> bool:
        return True

    return compiled.evaluate(only_it) or compiled.evaluate(everything)


def _folders(config: pytest.Config) -> set[str]:
    """Return the top folders that were named on the command line."""
    if config.args_source != pytest.Config.ArgsSource.ARGS:
        return set()
    here = config.invocation_params.dir
    folders = set()
    for argument in config.args:
        path = (here / argument.split("::")[0]).resolve()
        if path.is_relative_to(config.rootpath) and path != config.rootpath:
            folders.add(path.relative_to(config.rootpath).parts[0])
    return folders


def _narrowed(config: pytest.Config) -> bool:
    o = config.option
    by_path = config.args_source == pytest.Config.ArgsSource.ARGS
    from_cache = any(getattr(o, name, False) for name in ("lf", "stepwise", "stepwise_skip"))
    return by_path or from_cache or bool(o.keyword or o.deselect or o.ignore or o.ignore_glob)


def only_looking(config: pytest.Config) -> bool:
    """Say whether pytest was asked to show something and to run nothing."""
    o = config.option
    names = ["collectonly", "help", "version", "markers", "cacheshow", "setupplan"]
    names += ["showfixtures", "show_fixtures_per_test"]
    return any(getattr(o, name, False) for name in names)


def top_folder(config: pytest.Config, path: Path) -> str:
    """Return the folder of the project that a file is in, "" for a file of another project."""
    return path.relative_to(config.rootpath).parts[0] if path.is_relative_to(config.rootpath) else ""


def select(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the items as steps, smoke, regression; mark what follows the phase; leave out what was not asked for."""
    asked = config.stash.get(ASKED, Asked())
    keep: list[pytest.Item] = []
    leave: list[pytest.Item] = []
    for item in items:
        folder = top_folder(config, item.path)
        if folder in SUITES:
            _mark_suite(item, folder, asked)
        ours = folder in (STEPS, *SUITES)
        wanted = not ours or asked.phase is not None or folder in asked.suites
        (keep if wanted else leave).append(item)
    order = {folder: place for place, folder in enumerate((STEPS, *SUITES))}
    keep.sort(key=lambda item: order.get(top_folder(config, item.path), len(order)))
    items[:] = keep
    if leave:
        config.hook.pytest_deselected(items=leave)


def _mark_suite(item: pytest.Item, suite: str, asked: Asked) -> None:
    if asked.phase and getattr(asked.phase, suite):
        item.add_marker(getattr(pytest.mark, asked.phase.name))
    if not any(item.get_closest_marker(safety) for safety in SAFETY):
        item.add_marker(pytest.mark.test_biller)
    safety = next(name for name in SAFETY if item.get_closest_marker(name))
    if environment_name() == "production" and safety != "production_safe":
        item.add_marker(pytest.mark.skip(reason=f"{safety}: not on the real site"))


def servers_of(metafunc: pytest.Metafunc) -> Sequence[str]:
    """Return the servers of the batch that the test's phase drains; a placeholder where no phase is asked for."""
    asked = metafunc.config.stash.get(ASKED, Asked())
    if asked.phase is None or asked.window is None:
        return ["server"]
    drains = [step for step in asked.phase.steps if isinstance(step, Drain)]
    return asked.window.batches[drains[0].batch].servers if drains else []
