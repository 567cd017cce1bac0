"""Where a process keeps its run for fixtures and hooks to find."""

import pytest

from maint.context import Context
from maint.run import Run

CONTEXT = pytest.StashKey[Context]()
RUN = pytest.StashKey[Run]()


def run_of(config: pytest.Config) -> Run | None:
    """Return this process's run, or None where no phase is running."""
    return config.stash.get(RUN, None)
