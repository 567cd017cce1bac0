"""What is held, how the steps stand and who runs what: read from the journal, shown to a person or a program."""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from maint.context import Context
from maint.errors import MaintError
from maint.journal import HoldRecord, RunRecord, StepRecord
from maint.lease import LeaseRecord, running_leases
from maint.window import load_window
from maint.window_steps import AnyStep, Pipeline

_COLOURS = {"done": "green", "green": "green", "failed": "red", "red": "red", "stuck": "red", "doing": "yellow"}


@dataclass(frozen=True)
class Status:
    """Everything that `maint status` tells. jobs_waiting: steps after which people must start jobs again."""

    environment: str
    window: str | None
    holds: tuple[HoldRecord, ...]
    steps: dict[str, StepRecord]
    runs: tuple[RunRecord, ...]
    running: tuple[LeaseRecord, ...]
    jobs_waiting: tuple[str, ...] = ()


def read_status(context: Context) -> Status:
    """Read the journal; nothing live is asked."""
    journal = context.journal
    runs = journal.runs()
    window = runs[0].window if runs else None
    steps = journal.steps(window) if window else {}
    running = running_leases(journal)
    return Status(
        journal.scope,
        window,
        tuple(journal.holds()),
        steps,
        tuple(runs),
        tuple(running),
        _jobs_waiting(context.root, window, steps),
    )


def _jobs_waiting(root: Path, window: str | None, steps: dict[str, StepRecord]) -> tuple[str, ...]:
    """Return the done steps whose way back is by people and not done yet: nothing automatic ever starts jobs."""
    if window is None:
        return ()
    try:
        page = load_window(root / "windows" / f"{window}.yaml")
    except MaintError:
        return ()

    done = {name for name, record in steps.items() if record.status == "done"}

    def waits(step: AnyStep) -> bool:
        back = {other.id for other in page.steps} & set(re.findall(r"[\w.]+", step.undo))
        return step.id in done and "by people" in step.undo and not (back and back <= done)

    return tuple(
        f"{step.id} {step.title} (way back: {step.undo})"
        for step in page.steps
        if isinstance(step, Pipeline) and waits(step)
    )


def show_status(status: Status, console: Console, root: Path) -> None:
    """Print it for a person: what is held first."""
    console.print(f"[bold]{escape(status.environment)}[/bold]", status.window or "no run yet")
    for record in status.running:
        console.print(
            f"[yellow]running[/yellow]  {record.phase} by {record.who} since {_when(record.since)}, run {record.run}"
        )
    if status.holds:
        table = _table("hold", "what", "state", "since", "run", "why", title="Held", title_style="bold red")
        for hold in status.holds:
            table.add_row(hold.id, hold.title, tag(hold.state), _when(hold.opened), hold.run, escape(hold.why))
        console.print(table)
        console.print(
            'To give back: [bold]maint restore[/bold]. To leave one as it is: maint release HOLD --reason "..."'
        )
    else:
        console.print("[green]Nothing is held.[/green]")
    for line in status.jobs_waiting:
        console.print(f"[yellow]Jobs are still waiting for people:[/yellow] {escape(line)}")
    if status.steps:
        table = _table("step", "status", "when", "who", "evidence", title="Steps")
        for step in status.steps.values():
            table.add_row(step.step, tag(step.status), _when(step.changed), step.who, escape(step.evidence))
        console.print(table)
    if status.runs:
        table = _table(
            "run",
            "phase",
            "began",
            "ended",
            "verdict",
            "report",
            title="Last runs",
        )
        for run in status.runs:
            verdict = (run.verdict or "did not end") + (" (PARTIAL)" if run.partial else "")
            table.add_row(
                run.id, run.phase, _when(run.started), _when(run.ended), tag(verdict), _near(run.report, root)
            )
        console.print(table)


def _table(*columns: str, title: str, title_style: str = "bold") -> Table:
    return Table(*columns, title=title, title_justify="left", title_style=title_style, box=SIMPLE_HEAD, pad_edge=False)


def tag(word: str) -> str:
    """Return a status as rich shows it, in its colour."""
    colour = _COLOURS.get(word.split(" ", maxsplit=1)[0], "")
    return f"[{colour}]{word}[/{colour}]" if colour else word


def _when(stamp: str | None) -> str:
    return datetime.fromisoformat(stamp).astimezone().strftime("%a %H:%M:%S") if stamp else ""


def _near(path: str | None, root: Path) -> str:
    found = Path(path or "")
    return str(found.relative_to(root)) if found.is_relative_to(root) else str(found)
