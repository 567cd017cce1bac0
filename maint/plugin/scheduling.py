"""Under pytest-xdist: every step on one worker, in order, and the browser tests over all of them afterwards."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from xdist.scheduler import LoadScheduling
from xdist.workermanage import WorkerController

from maint.plugin.selection import STEPS

if TYPE_CHECKING:
    from collections.abc import Sequence


class StepsFirst(LoadScheduling):  # type: ignore[misc]  # xdist ships no types
    """Sends all steps, plus one browser test, to the lead worker; the rest goes out when the last step is complete.

    The one extra is needed because a worker starts an item only when it knows the next one. A lead that dies ends the
    phase: nothing that was left goes to anybody else. refused: says, when all is collected, whether nothing may run.
    """

    def __init__(self, config: pytest.Config, log: Any = None, refused: Callable[[], bool] = lambda: False) -> None:
        super().__init__(config, log)
        self._refused = refused
        self.lead: WorkerController | None = None
        self.collection: list[str] | None = self.collection
        self.maxschedchunk: int | None = self.maxschedchunk
        self.steps: set[int] = set()

    def schedule(self) -> None:
        """Give the lead its steps, or share out what is there where no step was selected."""
        if self.collection is not None:
            super().schedule()
            return
        if not self._check_nodes_have_same_collection() or self._refused():
            return  # which is reported as an error by now; nothing runs
        collection: Sequence[str] = next(iter(self.node2collection.values()))
        self.steps = {place for place, item in enumerate(collection) if item.startswith(f"{STEPS}/")}
        if not self.steps:
            super().schedule()
            return
        self.collection = list(collection)
        self.maxschedchunk = self.maxschedchunk or len(collection)
        self.pending[:] = [*sorted(self.steps), *(n for n in range(len(collection)) if n not in self.steps)]
        self.lead = min(self.nodes, key=lambda node: str(node.gateway.id))
        self._send_tests(self.lead, len(self.steps) + 1)
        if not self.pending:
            self._share_out()

    def check_schedule(self, node: WorkerController, duration: float = 0) -> None:
        """Give a worker more to do, once the steps are complete."""
        if not self.steps:
            super().check_schedule(node, duration)

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        """Let the others begin when the last step is complete."""
        waiting = bool(self.steps)
        self.steps.discard(item_index)
        super().mark_test_complete(node, item_index, duration)
        if waiting and not self.steps:
            self._share_out()

    def _share_out(self) -> None:
        for node in self.nodes:
            super().check_schedule(node)
        if not self.pending:
            for node in self.nodes:
                node.shutdown()

    def remove_node(self, node: WorkerController) -> str | None:
        """Forget a worker; with the lead goes everything that was not begun."""
        if node is self.lead and self.steps and self.collection is not None:
            left = self.node2pending.pop(node)
            self.pending.clear()
            self.steps.clear()
            for other in self.nodes:
                other.shutdown()
            return self.collection[left[0]] if left else None
        crashed: str | None = super().remove_node(node)
        return crashed
