"""Where a process keeps its run for fixtures and hooks to find."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    # Every pytest process loads this plugin; only a run needs the journal and what lies behind it.
    from maint.context import Context
    from maint.run import Run

CONTEXT: pytest.StashKey[Context] = pytest.StashKey()
RUN: pytest.StashKey[Run] = pytest.StashKey()


def run_of(config: pytest.Config) -> Run | None:
    """Return this process's run, or None where no phase is running."""
    return config.stash.get(RUN, None)
