"""`maint`: what happens outside a run. `pytest -m PHASE` is the way to run one."""

import json
import logging
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from maint.context import Context, find_context, open_context, project_root
from maint.environment import environment_name
from maint.errors import MaintError, UsageProblem
from maint.journal import HoldRecord
from maint.lease import running_leases
from maint.new_window import new_window
from maint.plan_view import plan_phase, show_plan
from maint.rehearse import open_rehearsal
from maint.restore import Restore
from maint.runlog import log
from maint.status import Status, read_status, show_status
from maint.window import choose_window, find_windows

HELD = 3
SAY_EVERY_SECONDS = 15.0

app = typer.Typer(
    help="A maintenance window's holds, steps and rehearsals. A phase itself is run with: pytest -m PHASE",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)


def _context() -> Context | None:
    return find_context(project_root(Path.cwd()))


@app.command()
def status(*, as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False) -> None:
    """Show what is held, how the steps stand, and the last runs. Exit code 0: nothing is held; 3: something is."""
    context = _context()
    found = read_status(context) if context else Status("rehearsal", None, (), {}, (), ())
    if as_json:
        print(json.dumps(asdict(found), indent=2, default=str))
    else:
        show_status(found, console, context.root if context else Path.cwd())
    raise typer.Exit(HELD if found.holds else 0)


@app.command()
def restore(
    holds: Annotated[list[str] | None, typer.Argument(help="hold ids; all that is held where none is named")] = None,
    *,
    run: Annotated[str | None, typer.Option(help="only what this run took and still owns")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Give back what is held. Waits for servers that are not ready. Exit code 0: all is back; 3: something is not."""
    context = _context()
    chosen = _chosen(context, holds or [], run) if context else []
    if context is None or not chosen:
        console.print("Nothing is held.")
        return
    for hold in chosen:
        console.print(f"  {hold.id}  {hold.title}, since {hold.opened} (run {hold.run}, {hold.state})")
    if not yes and not _confirmed(len(chosen)):
        raise typer.Exit(2)
    _show_log()
    outcome = Restore(context, _teller()).give_back(chosen, run)
    for hold in outcome.left:
        console.print(f"STILL HELD  {hold.title} · hold {hold.id} · {hold.why}", style="bold red")
    console.print(f"{len(outcome.reverted)} given back, {len(outcome.left)} still held.")
    raise typer.Exit(HELD if outcome.left else 0)


def _chosen(context: Context, ids: list[str], run: str | None) -> list[HoldRecord]:
    if ids:
        return [hold for hold in map(context.journal.hold, ids) if hold.open]
    return context.journal.holds(run=run)


def _confirmed(count: int) -> bool:
    if not sys.stdin.isatty():
        raise UsageProblem("nobody can be asked here", where="maint restore", next="maint restore --yes")
    return typer.confirm(f"Give {'this' if count == 1 else f'these {count}'} back now?")


@app.command()
def release(
    hold: Annotated[str, typer.Argument(help="the hold's id, as maint status shows it")],
    reason: Annotated[str, typer.Option(help="why it stays as it is")],
) -> None:
    """Close a hold without giving anything back: the server stays out, and no run waits for it any more."""
    context = _context()
    if context is None:
        raise UsageProblem("no rehearsal is running, so nothing is held", where="maint release")
    record = context.journal.hold(hold)
    if not record.open:
        raise UsageProblem(f"{record.title} is {record.state} already", where=f"hold {record.id}")
    context.journal.set_hold(record, "released", f"{reason} ({context.journal.who})")
    console.print(f"Released: {record.title}. It stays as it is; nothing will give it back. Reason: {reason}")


@app.command()
def rehearse(
    window: Annotated[str | None, typer.Option(help="which window: a name in windows/, or a file")] = None,
) -> None:
    """Run the window's phases on the twin: nothing real is touched. Exit code: the worst of the phases'."""
    rehearsal = open_rehearsal(project_root(Path.cwd()), window, console)
    try:
        code = rehearsal.run()
    finally:
        rehearsal.close()
    raise typer.Exit(code)


@app.command()
def plan(
    phase: Annotated[str | None, typer.Argument(help="the phase; every phase where none is named")] = None,
    window: Annotated[str | None, typer.Option(help="which window: a name in windows/, or a file")] = None,
) -> None:
    """Show what would happen, in order, from live reads, and whether it fits the hours. Writes nothing."""
    root = project_root(Path.cwd())
    production = environment_name() == "production"
    chosen = choose_window(root / "windows", window, datetime.now(UTC), production)
    names = [chosen.phase(phase).name] if phase else list(chosen.phases)
    context = open_context(root)
    try:
        for name in names:
            show_plan(plan_phase(context, chosen, chosen.phase(name)), console)
    finally:
        if context.twin and not context.journal.holds() and not running_leases(context.journal):
            context.twin.stop()


@app.command()
def new(
    date: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="the Sunday of the new window")],
    window: Annotated[str | None, typer.Option(help="the older window; the latest where none is named")] = None,
) -> None:
    """Write the next window from an older one: versions, tickets and changes emptied, phases and servers kept."""
    folder = project_root(Path.cwd()) / "windows"
    old = (
        choose_window(folder, window, datetime.now(UTC), production=False).path if window else find_windows(folder)[-1]
    )
    path = new_window(old, date.date())
    console.print(f"{path.relative_to(folder.parent)} is there, from {old.name}. Edit it, then rehearse it:")
    console.print(f"  maint rehearse --window {path.stem}")


def _show_log() -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("  %(asctime)s  %(message)s", "%H:%M:%S"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


def _teller() -> Callable[[str], None]:
    """Return what tells of a wait: its first line at once, and then one every so often."""
    said = float("-inf")

    def tell(words: str) -> None:
        nonlocal said
        if time.monotonic() - said >= SAY_EVERY_SECONDS:
            said = time.monotonic()
            log.info("%s", words)

    return tell


def main() -> None:
    """Run a command; what goes wrong is one sentence and an exit code."""
    try:
        app()
    except MaintError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(str(error), style="bold red", markup=False)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(2)


if __name__ == "__main__":
    main()
