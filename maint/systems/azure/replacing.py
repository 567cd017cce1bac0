"""Changing a part of a resource that can only be written whole: a gateway, a network interface.

Every write starts from a fresh read, is conditional on it, and is compared with what is read afterwards: somebody
else's change is never overwritten in silence.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from maint.errors import LostUpdate, MaintError
from maint.systems.azure.documents import differences, plain
from maint.waiting import Patience

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError

    from maint.systems.azure.session import AzureSession

_MOVING = frozenset({"Updating", "Creating", "Deleting"})
_BUSY = frozenset({409, 412, 429})
_WATCH = 0.5  # seconds between two looks while a write is on its way


class _Outcome(Enum):
    DONE = "done"
    AGAIN = "again"
    UNKNOWN = "unknown"


class _Moved(Exception):
    """The resource is no longer as it was read; nothing was sent."""


@dataclass
class _Attempt:
    """What was sent last and on top of what, and which states of others were seen while it was on its way."""

    base: Any
    sent: Any
    seen: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Edit:
    """A change of one part: made returns a changed copy of the SDK's document, done says whether it is there."""

    made: Callable[[Any], Any]
    done: Callable[[Any], bool]


class Replacing:
    """One resource that is written whole.

    name: such as "gateway agw-1". get: the SDK's read. put: the SDK's begin_create_or_update, given the document
    and options.
    """

    def __init__(self, session: "AzureSession", name: str, get: Callable[[], Any], put: Callable[..., Any]) -> None:
        self._session, self.name, self._get, self._begin = session, name, get, put
        self.where = f"Azure {name}"

    def read(self, patience: Patience | None = None) -> Any:
        """Read the resource now, as the SDK's document. Raises VendorError."""
        return self._session.repeat(f"reading the {self.name}", self._get, patience)

    def settled(self, patience: Patience) -> Any:
        """Read until no operation is in progress, whoever started it."""
        while (state := state_of(document := self.read(patience))) in _MOVING:
            patience.tell(f"{self.where}: {state}, waiting until that is over")
            patience.pause(f"{self.where} to settle")
        return document

    def change(self, edit: Edit, *, patience: Patience, check: Callable[[Any], None] | None = None) -> int:
        """Make a change on top of whatever is there, wait until it is in effect, and return how often it was sent.

        check is called with a fresh document before each write and refuses by raising. One deadline, the
        patience's, covers all attempts. Raises LostUpdate when a change was overwritten (ours or another's),
        VendorError when Azure refuses or the operation fails (the resource is then as it says), Stopped and
        DeadlinePassed (a write may still be in progress: call again to go on from there).
        """
        attempt: _Attempt | None = None
        sent = 0
        while True:
            document = self.settled(patience)
            if edit.done(document) and state_of(document) != "Failed":
                if attempt:
                    self._compare(attempt, document, ours_lost=False)
                return sent
            if state_of(document) == "Failed":
                patience.tell(f"{self.where} is in state Failed: an earlier write did not succeed; writing again")
            if check:
                check(document)
            attempt, outcome = self._put(document, edit.made(document), patience)
            sent += outcome is not _Outcome.AGAIN
            if outcome is _Outcome.DONE:
                after = self.settled(patience)
                self._compare(attempt, after, ours_lost=not edit.done(after))
                return sent
            if outcome is _Outcome.AGAIN:
                attempt = None

    def _put(self, before: Any, document: Any, patience: Patience) -> tuple[_Attempt, _Outcome]:
        """Write once, never silently twice, and wait until the operation is over."""
        from azure.core.exceptions import AzureError  # noqa: PLC0415 - the SDK loads when first used

        session, what = self._session, f"writing the {self.name}"
        attempt = _Attempt(plain(before), plain(document))
        accepted = False
        try:
            with self._watching(_etag(before), attempt):
                poller = self._begin(
                    document,
                    headers={"If-Match": _etag(before)},
                    retry_total=0,
                    last_look=lambda: self._unmoved(_etag(before), patience),
                    polling=session.polling(what, patience),
                )
            accepted = True
            session.result(poller)
        except _Moved:
            patience.pause(what, 0)  # nothing to wait for, but stop and deadline hold
            return attempt, _Outcome.AGAIN
        except AzureError as error:
            return attempt, self._judge(error, what, patience, accepted=accepted)
        return attempt, _Outcome.DONE

    def _unmoved(self, etag: str, patience: Patience) -> None:
        """Stop a write whose ground has moved while guards, fence and sign-in took their time."""
        if _etag(self.read(patience)) != etag:
            raise _Moved

    def _judge(self, error: "AzureError", what: str, patience: Patience, *, accepted: bool) -> _Outcome:
        """Decide what a failed write means: start again, look what became of it, or give up (raises)."""
        from maint.systems.azure.pipeline import passing  # noqa: PLC0415 - imports the SDK

        problem = self._session.problem(error, what)
        if problem.status in _BUSY and not accepted:
            patience.tell(f"{problem.what}; reading again")
            patience.pause(what, problem.retry_after)
            return _Outcome.AGAIN
        superseded = 0 < problem.status < 400 and problem.code.lower().startswith("cancel")
        unfollowed = accepted and problem.status >= 400  # it goes on, but we may not (or no longer) ask about it
        if passing(error) or superseded or unfollowed:
            patience.tell(f"{problem.what}; looking whether it took effect")
            patience.pause(what, problem.retry_after or min(1.0, patience.poll))
            return _Outcome.UNKNOWN
        raise problem from error

    @contextlib.contextmanager
    def _watching(self, etag: str, attempt: _Attempt) -> Iterator[None]:
        """Look at the resource while the write is on its way: another's write may slip in before ours.

        Azure does not promise that If-Match is honoured everywhere, and afterwards nothing would show it.
        """
        over = threading.Event()

        def look() -> None:
            while not over.wait(_WATCH):
                with contextlib.suppress(MaintError):
                    found = self.read(Patience(time.monotonic() + 5.0, poll=1.0, stop=over))
                    if _etag(found) != etag:
                        attempt.seen[_etag(found)] = plain(found)

        watcher = threading.Thread(target=look, name=f"watch {self.name}", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join(5.0)

    def _compare(self, attempt: _Attempt, document: Any, *, ours_lost: bool) -> None:
        """Raise LostUpdate when our change is gone again, or when ours overwrote another's."""
        now = plain(document)
        if ours_lost:
            changed = "; ".join(differences(attempt.sent, now)) or "nothing else"
            raise LostUpdate(
                f"our change was overwritten by another writer right after it: {changed}",
                where=self.where,
                next=f"find out who else changes this {self.name.split()[0]} now, then run again",
            )
        for other in list(attempt.seen.values()):  # a late look may still add one
            if not list(differences(attempt.sent, other)):
                continue  # our own write, seen before it was answered
            theirs = set(differences(attempt.base, other))
            if lost := sorted(theirs - set(differences(attempt.base, now))):
                raise LostUpdate(
                    f"our write overwrote another writer's change: {'; '.join(lost)}",
                    where=self.where,
                    next="tell whoever made it, and make it again; ours is in effect",
                )


def state_of(document: Any) -> str:
    """Return the provisioning state of a document: Succeeded where it names none."""
    return str((document.get("properties") or {}).get("provisioningState") or "Succeeded")


def _etag(document: Any) -> str:
    return str(document.get("etag") or "")
