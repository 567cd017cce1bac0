"""Rehearses a window on the twin, phase by phase, and shows that everything came back."""

import difflib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from maint.context import Context, open_context
from maint.environment import environment_name
from maint.errors import UsageProblem
from maint.lease import running_leases
from maint.status import tag
from maint.window import PHASES, Window, choose_window

SETTLE_SECONDS = 30


@dataclass(frozen=True)
class Rehearsal:
    """One rehearsal of a window, in a world of its own unless MAINT_TWIN names one."""

    context: Context
    window: Window
    console: Console

    def run(self) -> int:
        """Run every phase that has steps here; returns the worst exit code, and 1 where the world is not as before."""
        before = self._world()["reversible"]
        codes = {phase: self._phase(phase) for phase in self.phases()}
        after = self._world()
        self._show_steps()
        for phase, code in codes.items():
            self.console.print(
                f"{phase:16} {tag('green' if code == 0 else 'red')}" + (f" (exit {code})" if code else "")
            )
        equal = self._show_world(before, after)
        return max(max(codes.values(), default=0), 0 if equal else 1)

    def close(self) -> None:
        """End the twin where this rehearsal started it and nothing is held on it."""
        if self.context.twin and not self.context.journal.holds():
            self.context.twin.stop()

    def phases(self) -> list[str]:
        """Return the phases that have a file of steps in checks/, in the window's order."""
        checks = self.context.root / "checks"
        return [phase for phase in PHASES if (checks / f"test_{phase.replace('-', '_')}.py").exists()]

    def _phase(self, phase: str) -> int:
        command = [sys.executable, "-m", "pytest", "-m", phase, "--window", str(self.window.path)]
        twin = {"MAINT_TWIN": str(self.context.twin.path)} if self.context.twin else {}
        # Named, so that no phase ends the twin that the rehearsal still looks at.
        child = subprocess.run(command, cwd=self.context.root, env={**os.environ, **twin}, check=False)  # noqa: S603
        return child.returncode

    def _world(self) -> dict[str, Any]:
        if self.context.twin is None:
            raise UsageProblem("only the twin can be rehearsed on")
        return self.context.twin.ask("/state", wait=SETTLE_SECONDS)

    def _show_steps(self) -> None:
        records = self.context.journal.steps(self.window.name)
        table = Table("id", "step", "status", "evidence", "undo", box=None, header_style="dim", pad_edge=False)
        ran = self.phases()
        for step in self.window.steps:
            if step.phase not in ran:
                continue
            record = records.get(step.id)
            evidence = record.evidence if record else step.reason or ""
            table.add_row(
                step.id,
                escape(step.title),
                tag(record.status if record else step.status),
                escape(evidence),
                escape(step.undo),
            )
        self.console.print(table)
        left = [phase for phase in PHASES if phase not in ran]
        if left:
            self.console.print(
                f"[yellow]Not run: {', '.join(left)}: there are no steps for them in checks/ yet.[/yellow]"
            )

    def _show_world(self, before: Any, after: dict[str, Any]) -> bool:
        equal = bool(before == after["reversible"])
        if equal:
            self.console.print(
                "[green]The world is as before:[/green] pools, mutes, records and maintenance windows are equal."
            )
        else:
            self.console.print("[red]The world is not as before:[/red]")
            texts = [json.dumps(world, indent=1).splitlines() for world in (before, after["reversible"])]
            for line in difflib.unified_diff(texts[0], texts[1], "before", "after", n=1, lineterm=""):
                self.console.print(escape(line))
        return equal


def open_rehearsal(root: Path, named: str | None, console: Console) -> Rehearsal:
    """Prepare a rehearsal: MAINT_TWIN's world as it is, else this checkout's, made new.

    Raises UsageProblem in production, and where something is held on this checkout's twin or a run is at work there.
    """
    if environment_name() == "production":
        raise UsageProblem("a rehearsal touches nothing real", where="MAINT_ENV", next="unset MAINT_ENV")
    window = choose_window(root / "windows", named, datetime.now(UTC), production=False)
    context = open_context(root)
    if context.twin and not os.environ.get("MAINT_TWIN"):
        if context.journal.holds():
            raise UsageProblem("the last rehearsal still holds something", where=str(root), next="maint restore")
        if running_leases(context.journal):
            raise UsageProblem("a run is at work on this checkout's twin", where=str(root), next="maint status")
        context.twin.tell("/reset", {})
        context = open_context(root)
    return Rehearsal(context, window, console)
