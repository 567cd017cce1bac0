"""The runbook of one maintenance weekend as typed, frozen data."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from types import MappingProxyType
from zoneinfo import ZoneInfo

from maint.errors import WindowError
from maint.window_read import Approvers, Batch, Draft, Head, Hours, Where, read, read_steps
from maint.window_rules import check, check_file_name, check_hours
from maint.window_steps import PHASES, AnyStep, Covered, Group, Mute, PhaseName, Pingdom, Suite
from maint.window_time import Calendar, later
from maint.window_waits import Names, resolve
from maint.window_yaml import Document, choices, read_document, shown

__all__ = ["PHASES", "Batch", "Phase", "PhaseName", "Window", "choose_window", "find_windows", "load_window"]

_NOTES = {"note", "reading"}


@dataclass(frozen=True)
class Phase:
    """A part of the window that one command runs.

    opens, closes: aware, in the window's zone. steps: every line and part, in the page's order.
    smoke, regression: whether that suite runs after it. unattended: whether it may run by itself.
    """

    name: PhaseName
    opens: datetime
    closes: datetime
    steps: tuple[AnyStep, ...]
    smoke: bool
    regression: bool
    unattended: bool
    reading: str | None = None

    @property
    def actions(self) -> tuple[AnyStep, ...]:
        """The steps without those that only stand for others (groups, covered lines)."""
        return tuple(step for step in self.steps if not isinstance(step, Group | Covered))

    def contains(self, moment: datetime) -> bool:
        """Return whether `moment` (aware) lies in the phase's hours."""
        return self.opens.timestamp() <= moment.timestamp() < self.closes.timestamp()


@dataclass(frozen=True, eq=False)
class Window:
    """One maintenance weekend.

    name: the file's stem. date: its Sunday. digest: sha256 (hex) of everything that a rehearsal
    proves, that is without approvers, notes and readings. tests: the scheduled suites.
    """

    path: Path
    name: str
    title: str
    date: date
    zone: ZoneInfo
    page: str | None
    approvers: Approvers
    change_teams: tuple[str, ...]
    channels: tuple[str, ...]
    gateway: str
    pool: str
    servers: tuple[str, ...]
    min_healthy: int
    max_out: int
    batches: Mapping[str, Batch]
    phases: Mapping[str, Phase]
    steps: tuple[AnyStep, ...]
    readings: tuple[tuple[str, str], ...]
    digest: str

    @property
    def tests(self) -> tuple[Suite, ...]:
        """The suites that run at a time of their own, T1 to T4."""
        return tuple(step for step in self.steps if isinstance(step, Suite))

    @property
    def opens(self) -> datetime:
        """When its first phase opens."""
        return min((phase.opens for phase in self.phases.values()), key=datetime.timestamp)

    @property
    def closes(self) -> datetime:
        """When its last phase closes."""
        return max((phase.closes for phase in self.phases.values()), key=datetime.timestamp)

    def phase(self, name: str) -> Phase:
        """Return the phase called `name`; raises WindowError with the nearest name."""
        if name not in self.phases:
            what = f"there is no phase '{name}'{choices(name, self.phases)}"
            raise WindowError(what, where=shown(self.path))
        return self.phases[name]

    def step(self, name: str) -> AnyStep:
        """Return the step with that id, or with that title if only one has it.

        Raises WindowError with the nearest name.
        """
        names = Names(self.steps)
        found = names.find(name)
        if len(found) != 1:
            what = f"there is no step '{name}'{names.suggest(name)}"
            if found:
                what = f"'{name}' may mean {' or '.join(found)}; write which"
            raise WindowError(what, where=shown(self.path))
        return names.by_id[found[0]]

    def phase_of(self, moment: datetime) -> Phase | None:
        """Return the phase whose hours contain `moment` (aware), the latest if several do, else None."""
        found = [phase for phase in self.phases.values() if phase.contains(moment)]
        return max(found, key=lambda phase: phase.opens.timestamp(), default=None)

    def ends(self, step: Mute | Pingdom) -> datetime:
        """Return when the mute must end by itself at the latest: its `until` phase's end plus the grace."""
        until = step.until or step.phase
        if until is None:
            raise WindowError(f"step {step.id} belongs to no phase and names no until", where=shown(self.path))
        return later(self.phases[until].closes, step.grace)


def load_window(path: Path) -> Window:
    """Return the window in the file `path`.

    Raises WindowError with file, line, what is wrong and what is allowed; nothing is touched.
    """
    if not path.is_file():
        raise _no_such_file(path)
    document = read_document(path)
    head = read(Head, document.data, document, Where("the window", ()))
    if error := check_file_name(path, head, document):
        raise error
    calendar = Calendar(head.date, ZoneInfo(head.zone))
    hours = _read_phases(document, head, calendar)
    check_hours(hours, document)
    calendars = {"": calendar, **{name: _day_of(each, calendar) for name, each in hours.items()}}
    draft = Draft(
        document,
        head,
        hours,
        _read_batches(document, head),
        resolve(read_steps(document, head.steps, calendars), document),
    )
    root = path.resolve().parent
    check(draft, root.parent if root.name == "windows" else root)
    return _window(path, draft)


def _read_batches(document: Document, head: Head) -> dict[str, Batch]:
    batches = {}
    for name, raw in head.batches.items():
        fields = {**raw, "name": name} if isinstance(raw, dict) else raw
        batches[name] = read(Batch, fields, document, Where(f"batch {name}", ("batches", name)))
    return batches


def _read_phases(document: Document, head: Head, calendar: Calendar) -> dict[str, Hours]:
    for name in head.phases:
        if name not in PHASES:
            raise document.problem(f"unknown phase '{name}'{choices(name, PHASES)}", "phases", name)
    for name in PHASES:
        if name not in head.phases:
            raise document.problem(f"the phase '{name}' is missing from 'phases'", "phases")
    return {
        name: read(Hours, head.phases[name], document, Where(f"phase {name}", ("phases", name)), calendar)
        for name in PHASES
    }


def _day_of(hours: Hours, calendar: Calendar) -> Calendar:
    """A time without a day means the phase's own day, if it has just one."""
    first, last = hours.opens.date(), hours.closes.date()
    return Calendar(calendar.sunday, calendar.zone, first if first == last else None)


def _window(path: Path, draft: Draft) -> Window:
    head, steps = draft.head, tuple(draft.steps)
    phases = {
        name: Phase(
            name=name,
            steps=tuple(step for step in steps if step.phase == name),
            **draft.hours[name].model_dump(exclude={"note"}),
        )
        for name in PHASES
    }
    plain = head.model_dump(exclude={"zone", "batches", "phases", "steps", "approvers", "readings", "note"})
    return Window(
        path=path,
        name=path.stem,
        zone=ZoneInfo(head.zone),
        approvers=head.approvers,
        batches=MappingProxyType(draft.batches),
        phases=MappingProxyType({str(name): phase for name, phase in phases.items()}),
        steps=steps,
        readings=_readings(draft),
        digest=_digest(draft),
        **plain,
    )


def _readings(draft: Draft) -> tuple[tuple[str, str], ...]:
    """What we read into the page, as (about what, in words)."""
    found: list[tuple[str, str | None]] = [("the window", text) for text in draft.head.readings]
    found += [(f"batch {name}", each.reading) for name, each in draft.batches.items()]
    found += [(f"phase {name}", each.reading) for name, each in draft.hours.items()]
    found += [(f"step {step.id}", step.reading) for step in draft.steps]
    return tuple((about, text) for about, text in found if text)


def _digest(draft: Draft) -> str:
    """Hash what a rehearsal proves; who approves and what is noted beside it changes nothing of that."""
    elsewhere = {"batches", "phases", "steps", "approvers", "readings", "note"}
    content = {
        "head": draft.head.model_dump(mode="json", exclude=elsewhere),
        "phases": [[name, each.model_dump(mode="json", exclude=_NOTES)] for name, each in draft.hours.items()],
        "batches": [each.model_dump(mode="json", exclude=_NOTES) for each in draft.batches.values()],
        "steps": [step.model_dump(mode="json", exclude=_NOTES) for step in draft.steps],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def find_windows(folder: Path) -> list[Path]:
    """Return the window files in `folder`, in the order of their names."""
    return sorted(path for path in folder.glob("*.y*ml") if path.suffix in (".yaml", ".yml") and path.is_file())


def _no_such_file(path: Path) -> WindowError:
    folder = path if path.is_dir() else path.parent
    names = [each.stem for each in find_windows(folder)]
    held = choices(path.stem, names) if names else f"; there are no windows in {shown(folder)}"
    return WindowError(f"there is no window file '{shown(path)}'{held}")


def choose_window(folder: Path, named: str | None, now: datetime, production: bool) -> Window:
    """Return the window that a run is about.

    named: a path or a name in `folder`; without it, in production the one whose hours contain `now`
    (aware), else the only one, else in rehearsal the earliest. Raises WindowError otherwise.
    """
    if named is not None:
        return load_window(_named(folder, named))
    paths = find_windows(folder)
    if not paths:
        what = f"there are no windows in {shown(folder)}; allowed: a file such as 2025-03-23-monthly.yaml"
        raise WindowError(what)
    good, bad = [], []
    for path in paths:
        try:
            good.append(load_window(path))
        except WindowError as error:
            bad.append(error)
    if production:
        current = [window for window in good if window.opens <= now < window.closes]
        if len(current) == 1:
            return current[0]
    if bad:
        raise bad[0]
    if len(good) == 1 or not production:
        return min(good, key=lambda window: window.opens)
    listed = ", ".join(f"{each.name} ({each.opens:%Y-%m-%d %H:%M} to {each.closes:%Y-%m-%d %H:%M %Z})" for each in good)
    what = f"{'several windows are' if current else 'no window is'} open at {now:%Y-%m-%d %H:%M %Z}: {listed}"
    raise WindowError(what, where=shown(folder), next="say which with --window NAME")


def _named(folder: Path, named: str) -> Path:
    if "/" in named:
        return Path(named)
    if named.endswith((".yaml", ".yml")):
        return Path(named) if Path(named).is_file() else folder / named
    found = [path for path in find_windows(folder) if path.stem == named]
    return found[0] if found else folder / f"{named}.yaml"
