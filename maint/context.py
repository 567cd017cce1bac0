"""What every command begins with: the environment in force, its clock and its journal."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from maint.clock import RealClock, TwinClock, WindowClock
from maint.environment import Environment, environment_name, load_environment
from maint.errors import UsageProblem
from maint.journal import Journal, journal_url
from maint.twin import Twin, find_twin


@dataclass(frozen=True)
class Context:
    """One environment, opened; `twin` is None in production."""

    root: Path
    environment: Environment
    clock: WindowClock
    journal: Journal
    twin: Twin | None

    @property
    def rehearsal(self) -> bool:
        """Say whether nothing real is touched."""
        return not self.environment.production


def project_root(start: Path) -> Path:
    """Return the nearest folder at or above `start` that holds windows/ and environments/.

    Raises UsageProblem when there is none.
    """
    for folder in (start, *start.parents):
        if (folder / "windows").is_dir() and (folder / "environments").is_dir():
            return folder
    raise UsageProblem(
        "no windows/ and environments/ here or above", where=str(start), next="run this inside the checkout"
    )


def find_context(root: Path, *, start_twin: bool = False) -> Context | None:
    """Open the environment that MAINT_ENV names, with its clock and journal; in rehearsal a twin runs afterwards.

    start_twin: whether to start one where there is none; without, None is returned then.
    Raises UsageProblem, with nothing live touched.
    """
    if environment_name() == "production":
        environment = load_environment(root / "environments", None)
        return Context(root, environment, RealClock(), Journal(journal_url("production"), "production"), None)
    twin = find_twin(root, start=start_twin)
    if twin is None:
        return None
    environment = load_environment(root / "environments", twin.handover)
    clock = TwinClock(twin)
    scope = f"rehearsal:{twin.world}"
    return Context(root, environment, clock, Journal(journal_url(scope), scope, moment=clock.now), twin)


def open_context(root: Path) -> Context:
    """Open the environment that MAINT_ENV names, starting a twin for a rehearsal where there is none."""
    context = find_context(root, start_twin=True)
    if context is None:
        raise UsageProblem("no twin could be started", next="cat .maint/twin.log")
    return context


def local(moment: datetime, like: datetime) -> str:
    """Return a moment as a person reads it, in the zone of `like`."""
    return moment.astimezone(like.tzinfo).strftime("%a %H:%M")
