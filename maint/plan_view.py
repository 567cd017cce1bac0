"""A plan as a person reads it, made from live reads."""

from datetime import timedelta

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from maint.context import Context
from maint.plan import Plan, look_live, make_plan
from maint.systems import Systems
from maint.window import Phase, Window


def plan_phase(context: Context, window: Window, phase: Phase) -> Plan:
    """Return the plan of a phase from now on; reads only."""
    environment = context.environment
    systems = Systems(environment, context.clock)  # without a lease it cannot write
    look = look_live(
        window,
        systems,
        lambda server: environment.server(server).vm or server,
        lambda server: environment.server(server).address,
    )
    return make_plan(window, phase, context.journal, context.clock.now(), look)


def show_plan(plan: Plan, console: Console) -> None:
    """Print a plan: the steps with their times, what does not fit, and the point of no return."""
    phase = plan.phase
    hours = f"{phase.opens:%a %H:%M} to {phase.closes:%H:%M %Z}"
    table = Table("begins", "ends", "takes", "id", "step", "what it would change", box=SIMPLE_HEAD, pad_edge=False)
    for planned in plan.steps:
        style = "" if planned.fits else "red"
        takes = f"{_minutes(planned.takes)}{'' if planned.measured else '?'}"
        turning = planned is plan.no_return
        title = escape(planned.step.title) + ("  [yellow](point of no return)[/yellow]" if turning else "")
        table.add_row(
            f"{planned.begins.astimezone(phase.opens.tzinfo):%H:%M}",
            f"{planned.ends.astimezone(phase.opens.tzinfo):%H:%M}",
            takes,
            planned.step.id,
            title,
            escape(planned.change),
            style=style,
        )
    console.print(f"[bold]{phase.name}[/bold] ({hours})")
    if plan.steps:
        console.print(table)
    for step, why in plan.left_out:
        console.print(f"  not: {step.id} {escape(step.title)}: {escape(why)}", style="dim")
    late = [planned.step.id for planned in plan.steps if not planned.fits]
    verdict = f"[red]does not fit: {', '.join(late)} would end after {phase.closes:%H:%M}[/red]" if late else "fits"
    if plan.steps:
        ends = plan.ends.astimezone(phase.opens.tzinfo)
        console.print(f"  ends at {ends:%H:%M} at the earliest: {verdict}. A ? marks a figure of the window's.")


def _minutes(span: timedelta) -> str:
    return f"{span.total_seconds() / 60:.0f} min"
