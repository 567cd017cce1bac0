"""Next month's window from an older one: versions, tickets and changes emptied; phases, servers and comments kept."""

import re
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from maint.errors import UsageProblem
from maint.window import load_window

CHANGES = "sunday-changes"
SUNDAY = 6


def new_window(old: Path, day: date) -> Path:
    """Write the window of the Sunday `day` beside `old` and return its path.

    It is read back before it is left there. Raises UsageProblem, with nothing written, for a day that is no Sunday, a
    file that exists, or an older window that cannot be read.
    """
    window = load_window(old)
    if day.weekday() != SUNDAY:
        raise UsageProblem(f"{day} is a {day:%A}; a window is named after its Sunday", where="maint new")
    path = old.with_name(f"{day}-{_suffix(old)}.yaml")
    if path.exists():
        raise UsageProblem("this window is there already", where=str(path), next=f"edit {path}")
    emptied = {step.id for step in window.steps if step.phase == CHANGES and step.parent is None}
    path.write_text(_rewritten(old.read_text(encoding="utf-8"), window.date, day, emptied), encoding="utf-8")
    try:
        load_window(path)
    except UsageProblem:
        path.unlink()
        raise
    return path


def _suffix(path: Path) -> str:
    """Return what follows the date in a window's name, such as "monthly"."""
    return path.stem.split("-", 3)[-1]


def _rewritten(text: str, old: date, new: date, emptied: set[str]) -> str:
    lines = text.splitlines(keepends=True)
    gone: set[int] = set()
    for begin, end in _blocks(text, emptied):
        gone.update(range(begin, end))
    kept = [line for number, line in enumerate(lines) if number not in gone]
    moved = "".join(kept).replace(old.isoformat(), new.isoformat()).replace(f"{old:%B %Y}", f"{new:%B %Y}")
    return re.sub(r"(?m)^page:.*$", "page: # the new page's address", moved)


def _blocks(text: str, emptied: set[str]) -> list[tuple[int, int]]:
    """Return the lines, from and to, of the steps that go, and of the tickets and versions of those that stay."""
    root: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    steps = next(value for key, value in root.value if key.value == "steps")
    blocks = []
    for key, step in steps.value:
        if key.value in emptied:
            blocks.append((key.start_mark.line, _end(text, step)))
            continue
        parts = [part for name, block in step.value if name.value == "parts" for _, part in block.value]
        for mapping in [step, *parts]:
            for name, value in mapping.value:
                if name.value in {"tickets", "version"}:
                    blocks.append((name.start_mark.line, _end(text, value)))
    return blocks


def _end(text: str, node: yaml.Node) -> int:
    """Return the line after a node's last one, without the blank and comment lines that lead to what follows it."""
    rows = text.splitlines()
    block = isinstance(node, yaml.CollectionNode) and not node.flow_style  # it ends where the next thing begins
    end = node.end_mark.line + (0 if block else 1)
    while end > node.start_mark.line + 1 and (not rows[end - 1].strip() or rows[end - 1].lstrip().startswith("#")):
        end -= 1
    return end
