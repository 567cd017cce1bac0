"""SIGINT, SIGTERM and SIGHUP all mean: stop starting, give back, report, exit. A second one means: stop now."""

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """Handles the signals of a run explicitly: pytest itself tears down on SIGINT only, and `&` makes that one ignored.

    on_first: called on a thread of its own, since the main one may be in the middle of anything. on_second: called
    right before the process ends with exit code 3. quiet: while it is set, the first signal raises nothing.
    """

    def __init__(self, on_first: Callable[[], None], on_second: Callable[[], None]) -> None:
        self._on_first, self._on_second = on_first, on_second
        self.quiet = threading.Event()
        self.received: list[str] = []
        self._before: dict[signal.Signals, object] = {}

    def install(self) -> None:
        """Handle the signals from now on."""
        for number in SIGNALS:
            self._before[number] = signal.signal(number, self._handle)

    def restore(self) -> None:
        """Handle them as before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._before.clear()

    def _handle(self, number: int, _: FrameType | None) -> None:
        self.received.append(signal.Signals(number).name)
        if len(self.received) > 1:
            self._on_second()
            os._exit(3)
        threading.Thread(target=self._on_first, name="stop", daemon=True).start()
        if not self.quiet.is_set():
            raise KeyboardInterrupt(signal.Signals(number).name)
