"""Slack: say something once, correct it, add a file."""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maint.errors import VendorError
from maint.redact import redact

if TYPE_CHECKING:
    from slack_sdk import WebClient

    from maint.environment import SlackSettings

Blocks = Sequence[dict[str, Any]]

_EVENT = "maintenance_message"
_ATTEMPTS = 3
_LOOK_BACK = 30  # messages
_LONGEST_POST, _LONGEST_UPDATE = (
    39_000,
    3_900,
)  # characters; Slack cuts the one and refuses the other at 40,000 and 4,000
_NEXT = {
    "not_in_channel": "invite the bot to the channel",
    "channel_not_found": "correct the channel's id in the environment file, or invite the bot",
    "invalid_auth": "replace the secret: it was refused",
    "token_revoked": "replace the secret: it was refused",
    "missing_scope": "give the bot the scope that the answer names",
}


@dataclass(frozen=True)
class Message:
    """A message that was posted: channel is its id, ts both the message's id and its thread's."""

    channel: str
    ts: str


def escape(text: str) -> str:
    """Return text that Slack shows as it is, instead of reading links and mentions out of it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class Slack:
    """The channels that the environment names. secret: returns a secret by its name. before_write: the fence."""

    def __init__(
        self,
        settings: "SlackSettings",
        *,
        secret: Callable[[str], str],
        ca: str | None,
        before_write: Callable[[], None],
        timeout: int = 30,
    ) -> None:
        self._settings, self._secret, self._ca, self._timeout = settings, secret, ca, timeout
        self._before_write = before_write

    @cached_property
    def _reader(self) -> "WebClient":
        from slack_sdk.http_retry.builtin_handlers import (  # noqa: PLC0415 - the SDK loads when first used
            ConnectionErrorRetryHandler,
            RateLimitErrorRetryHandler,
            ServerErrorRetryHandler,
        )

        return self._client(
            [
                ConnectionErrorRetryHandler(),
                RateLimitErrorRetryHandler(max_retry_count=3),
                ServerErrorRetryHandler(),
            ]
        )

    @cached_property
    def _writer(self) -> "WebClient":
        """A client that waits for its turn, but never repeats what may have been said already."""
        from slack_sdk.http_retry.builtin_handlers import (  # noqa: PLC0415 - the SDK loads when first used
            RateLimitErrorRetryHandler,
        )

        return self._client([RateLimitErrorRetryHandler(max_retry_count=3)])

    def _client(self, handlers: list[Any]) -> "WebClient":
        import ssl  # noqa: PLC0415 - loads when first used

        from slack_sdk import WebClient  # noqa: PLC0415 - the SDK loads when first used

        client = WebClient(
            self._secret(self._settings.token),
            base_url=self._settings.url,
            timeout=self._timeout,
            ssl=ssl.create_default_context(cafile=self._ca),
            retry_handlers=handlers,
        )
        if self._ca:
            client.proxy = None  # the other side is on this machine, whatever the environment says
        return client

    def channel(self, name: str) -> str:
        """Return the id of a channel that the environment names. Raises VendorError for another."""
        if name not in self._settings.channels:
            raise VendorError(
                f"there is no channel {name!r}; allowed: {', '.join(self._settings.channels)}",
                where="Slack",
                next="correct the name, or add the channel's id to the environment file",
            )
        return self._settings.channels[name]

    def post(
        self,
        channel: str,
        text: str,
        *,
        blocks: Blocks | None = None,
        thread: str | None = None,
        key: str | None = None,
    ) -> Message:
        """Post once and return the message.

        text: as Slack reads it (see `escape`). thread: the ts to answer to. key: names this message for
        `find`; when the answer is lost the channel is searched for it before it is posted again.
        Raises VendorError.
        """
        where, key = self.channel(channel), key or uuid.uuid4().hex
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                answer = self._say(
                    f"posting to {channel}",
                    lambda: self._writer.chat_postMessage(
                        channel=where,
                        text=_short(text, _LONGEST_POST),
                        blocks=_clean(blocks),
                        thread_ts=thread,
                        metadata={"event_type": _EVENT, "event_payload": {"key": key}},
                        unfurl_links=False,
                    ),
                )
                return Message(where, str(answer["ts"]))
            except VendorError as problem:
                unknown = problem.status == 0 or problem.status >= 500
                if not unknown or attempt == _ATTEMPTS:
                    raise
            time.sleep(0.25 * 2**attempt)
            if said := self.find(channel, key, thread=thread):
                return said
        raise AssertionError  # pragma: no cover - the last attempt returns or raises

    def find(self, channel: str, key: str, *, thread: str | None = None) -> Message | None:
        """Return the message that was posted with this key lately, None when there is none.

        Raises VendorError.
        """
        where = self.channel(channel)
        what = f"searching {channel} for a message of ours"
        if thread:
            answer = self._ask(
                what,
                lambda: self._reader.conversations_replies(
                    channel=where, ts=thread, limit=_LOOK_BACK, include_all_metadata=True
                ),
            )
        else:
            answer = self._ask(
                what,
                lambda: self._reader.conversations_history(channel=where, limit=_LOOK_BACK, include_all_metadata=True),
            )
        for message in answer.get("messages") or []:
            payload = (message.get("metadata") or {}).get("event_payload") or {}
            if payload.get("key") == key:
                return Message(where, str(message["ts"]))
        return None

    def update(self, message: Message, text: str, blocks: Blocks | None = None) -> None:
        """Replace what a message says. Safe to repeat. Raises VendorError."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._say(
                    "editing a message",
                    lambda: self._writer.chat_update(
                        channel=message.channel,
                        ts=message.ts,
                        text=_short(text, _LONGEST_UPDATE),
                        blocks=_clean(blocks),
                    ),
                )
            except VendorError as problem:
                if not (problem.status == 0 or problem.status >= 500) or attempt == _ATTEMPTS:
                    raise
                time.sleep(0.25 * 2**attempt)
            else:
                return

    def upload(
        self,
        channel: str,
        path: Path,
        *,
        title: str | None = None,
        comment: str | None = None,
        thread: str | None = None,
    ) -> None:
        """Add a file to the channel, or to a thread in it. Slack shows it a little later.

        Raises VendorError; the file may be there all the same when there was no answer.
        """
        where = self.channel(channel)
        self._say(
            f"uploading {path.name} to {channel}",
            lambda: self._writer.files_upload_v2(
                channel=where,
                file=str(path),
                filename=path.name,
                title=title or path.name,
                initial_comment=redact(comment) if comment else None,
                thread_ts=thread,
            ),
        )

    def _say(self, what: str, call: Callable[[], Any]) -> Any:
        self._before_write()
        return self._ask(what, call)

    def _ask(self, what: str, call: Callable[[], Any]) -> Any:
        """Make a call and turn what goes wrong into one sentence of ours."""
        from http.client import HTTPException  # noqa: PLC0415 - loads when first used

        from slack_sdk.errors import SlackApiError, SlackClientError  # noqa: PLC0415 - the SDK loads late

        try:
            return call()
        except SlackApiError as error:
            raise _problem(what, error.response) from error
        except (SlackClientError, OSError, HTTPException) as error:
            raise VendorError(
                f"{what}: no answer ({redact(str(error) or type(error).__name__)})",
                where="Slack",
                next="look whether Slack is reachable, then run again",
            ) from error


def _problem(what: str, answer: Any) -> VendorError:
    status = int(getattr(answer, "status_code", 200) or 200)
    data = answer.data if isinstance(getattr(answer, "data", None), dict) else {}
    code = str(data.get("error") or "")
    needed = f", needs {data['needed']}" if data.get("needed") else ""
    headers = {str(name).lower(): value for name, value in (getattr(answer, "headers", None) or {}).items()}
    wait = headers.get("retry-after")
    return VendorError(
        f"{what}: answered {code or status}{needed}",
        where="Slack",
        next="wait a minute, then run again" if status == 429 else _NEXT.get(code, ""),
        status=status,
        code=code,
        retry_after=float(wait[0] if isinstance(wait, list) else wait) if wait else None,
    )


def _short(text: str, longest: int) -> str:
    text = redact(text)
    return text if len(text) <= longest else f"{text[:longest]} ..."


def _clean(blocks: Blocks | None) -> list[dict[str, Any]] | None:
    """Return the blocks with every text redacted."""
    return [_cleaned(block) for block in blocks] if blocks is not None else None


def _cleaned(part: Any) -> Any:
    if isinstance(part, dict):
        return {key: _cleaned(value) for key, value in part.items()}
    if isinstance(part, list):
        return [_cleaned(value) for value in part]
    return redact(part) if isinstance(part, str) else part
