"""What is said in Slack, and that silence there never stops the work."""

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from maint.actions.drain import Drain
from maint.errors import MaintError, VendorError
from maint.holding import Outcome
from maint.journal import HoldRecord, Journal
from maint.redact import redact
from maint.window import Phase, Window
from maint.window_steps import Notify

if TYPE_CHECKING:
    from maint.systems.slack import Message, Slack

log = logging.getLogger(__name__)

T = TypeVar("T")

DOWN_SECONDS = 60.0
"""How long Slack is left alone after it did not answer."""


@dataclass
class Announcer:
    """Says what a run does, and records what was said as the evidence of the steps that are messages.

    slack: made when it is first needed. home: the channel for what no step of the page speaks of. label: goes before
    every message, such as REHEARSAL.
    """

    slack: "Callable[[], Slack]"
    journal: Journal
    window: Window
    phase: Phase | None
    home: str
    label: str = ""
    _down_until: float = 0.0

    # the steps of the page that are messages -----------------------------------------------------------------------

    def step(self, about: str) -> Notify | None:
        """Return the phase's message for a moment ("give-back", "tests" ...), or None where the page has none."""
        steps = self.phase.steps if self.phase else ()
        return next((step for step in steps if isinstance(step, Notify) and step.about == about), None)

    def say(self, step: Notify, more: str = "", *, each_run: bool = False) -> bool:
        """Post a step's message to its channels once, or once for each run; returns whether it stands there.

        The step is done, or failed with the reason; nothing is raised.
        """
        known = self.journal.step(self.window.name, step.id)
        if known and known.status == "done" and not (each_run and known.run != self.journal.run):
            log.info("%s was said before (%s)", step.id, known.changed)
            return True
        if known and each_run and known.run != self.journal.run:
            known = None
        mentions = " ".join(f"@{name}" for name in step.mentions)
        text = " ".join(part for part in (mentions, step.text, more) if part)
        key = f"{self.window.name}/{step.id}" + (f"/{self.journal.run}" if each_run else "")
        if known is None or known.status != "doing":
            self.journal.set_step(self.window.name, step.id, "doing", before={"text": text}, handle=None)
        said = [self._post(channel, text, key=key, again=known is not None) for channel in step.channels]
        messages = [message for message in said if message]
        if len(messages) < len(step.channels):
            self.journal.set_step(self.window.name, step.id, "failed", evidence="Slack did not take the message")
            return False
        handle = json.dumps([[message.channel, message.ts] for message in messages])
        where = ", ".join(f"#{channel}" for channel in step.channels)
        self.journal.set_step(self.window.name, step.id, "done", handle=handle, evidence=f"said in {where}: {text}")
        return True

    def messages(self, step: Notify) -> "list[Message]":
        """Return where a step's message stands, empty when it was not said."""
        from maint.systems.slack import Message  # noqa: PLC0415 - the client loads late

        known = self.journal.step(self.window.name, step.id)
        return [Message(channel, ts) for channel, ts in json.loads(known.handle)] if known and known.handle else []

    # what an observer of holds is told -----------------------------------------------------------------------------

    def intended(self, holds: Sequence[HoldRecord]) -> None:
        """Post what was captured, before anything live is written: the last resort if journal and machine are lost."""
        if holds:
            lines = "\n".join(f"- {hold.title} (hold {hold.id}): {json.dumps(hold.captured)}" for hold in holds)
            ends = datetime.fromisoformat(holds[0].until_time)
            self._post(self.home, f"about to take, to be given back by {ends:%a %H:%M}:\n{lines}")

    def giving_back(self, holds: Sequence[HoldRecord], *, staying: Mapping[str, str]) -> None:
        """Say, as the give-back of servers starts, which go back, what was installed and who stays out."""
        servers = [hold.action["server"] for hold in holds if hold.kind == Drain.kind]
        step = self.step("give-back")
        if step is None or not (servers or staying) or any(hold.kind != Drain.kind for hold in holds):
            return
        self.say(step, self._details(servers, staying), each_run=True)

    def _details(self, servers: Sequence[str], staying: Mapping[str, str]) -> str:
        steps = self.journal.steps(self.window.name).values()
        patched = [record.evidence for record in steps if "/" in record.step and record.evidence]
        lines = [f"Going back: {', '.join(servers)}."] if servers else []
        lines += [f"- {line}" for line in patched if any(line.startswith(f"{name}:") for name in servers)]
        lines += [f"Not yet, or staying out: {why}" for why in staying.values()]
        return "\n".join(["", *lines])

    def given_back(self, outcome: Outcome) -> None:
        """Edit the give-back message when the servers are healthy, and say loudly what is still held."""
        servers = [hold.action["server"] for hold in outcome.reverted if hold.kind == Drain.kind]
        step = self.step("give-back")
        if servers and step:
            left = [hold for hold in outcome.left if hold.kind == Drain.kind]
            healthy = f"Healthy in the pool again: {', '.join(servers)}."
            out = f" Still out: {'; '.join(hold.why for hold in left)}." if left else ""
            known = self.journal.step(self.window.name, step.id)
            said = known.before.get("text", step.text) if known else step.text
            text = self._labelled(f"{said}\n{healthy}{out}")
            for message in self.messages(step):
                self._quietly("edit", partial(self.slack().update, message, text))
        if outcome.left:
            lines = "\n".join(f"- {hold.title} (hold {hold.id}): {hold.why}" for hold in outcome.left)
            self._post(self.home, f":warning: STILL HELD, and not given back:\n{lines}\nTo try again: maint restore")

    # a run's beginning and end -------------------------------------------------------------------------------------

    def report(self, summary: str, path: Path | None) -> bool:
        """Post verdict and report, below the request for tests where there was one; returns whether it went."""
        self._down_until = 0.0  # the last thing to be said is worth another try
        step = self.step("tests")
        asked = self.messages(step) if step else []
        channel = step.channels[0] if asked and step else self.home
        said = self._post(channel, summary, thread=asked[0] if asked else None)
        if said is None:
            return False
        if path is None:
            return True
        thread = asked[0] if asked else said
        title = f"{self.window.name} {self.phase.name if self.phase else ''} report"

        def upload() -> bool:
            self.slack().upload(channel, path, title=title, comment="", thread=thread.ts)
            return True

        return bool(self._quietly("upload", upload))

    def _post(
        self,
        channel: str,
        text: str,
        *,
        key: str | None = None,
        thread: "Message | None" = None,
        again: bool = False,
    ) -> "Message | None":
        """Post, unless (`again`) a try before this one is found to have been posted under the same key."""

        def post() -> "Message":
            found = None
            if again and key:
                with suppress(MaintError):  # said twice is better than not said
                    found = self.slack().find(channel, key)
            ts = thread.ts if thread else None
            return found or self.slack().post(channel, self._labelled(text), key=key, thread=ts)

        return self._quietly("post", post)

    def _labelled(self, text: str) -> str:
        return redact(f"{self.label} {text}".strip())

    def _quietly(self, what: str, call: Callable[[], T]) -> T | None:
        if time.monotonic() < self._down_until:
            return None
        try:
            return call()
        except MaintError as error:
            log.warning("Slack: could not %s: %s", what, error)
            if isinstance(error, VendorError) and (not error.status or error.status >= 500):
                self._down_until = time.monotonic() + DOWN_SECONDS  # every try would hold up the window again
            return None
