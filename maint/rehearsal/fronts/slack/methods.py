"""The Web API's methods: each takes the call's arguments and returns the answer, or raises No."""

import base64
import json
import mimetypes
import re
import time
from collections.abc import Callable
from typing import Any

from maint.rehearsal.front import History
from maint.rehearsal.fronts.slack.blocks import check
from maint.rehearsal.fronts.slack.workspace import (
    APP,
    BOT,
    BOT_ID,
    TEAM,
    TEAM_NAME,
    USERS,
    Channel,
    File,
    Message,
    No,
    Workspace,
)

Arguments = dict[str, Any]
Method = Callable[[Arguments], dict[str, Any]]

LONGEST_POST, LONGEST_UPDATE = 40_000, 4_000
BURST, PER_SECOND = 20, 1.0
_EMOJI = re.compile(r"[a-z0-9_+'-]+(::skin-tone-\d)?")


class RateLimited(Exception):
    """Too many messages in one channel; seconds until the next may be posted."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"ratelimited for {seconds} s")
        self.seconds = seconds


class Methods:
    """The methods over one workspace. share: shows files in channels, a little later.

    Each call's arguments hold "home" too: the front's address, for links.
    """

    def __init__(
        self, workspace: Workspace, history: History, share: Callable[[list[File], list[Channel], Arguments], None]
    ) -> None:
        self._workspace, self._history, self._share = workspace, history, share
        self._buckets: dict[str, tuple[float, float]] = {}

    def table(self) -> dict[str, Method]:
        """Return every method by its name on the wire."""
        return {
            "auth.test": self._auth_test,
            "chat.postMessage": self._post,
            "chat.update": self._update,
            "chat.getPermalink": self._permalink,
            "conversations.list": self._list,
            "conversations.info": lambda given: {"channel": self._workspace.channel(_need(given, "channel")).shown()},
            "conversations.join": self._join,
            "conversations.history": self._messages,
            "conversations.replies": self._replies,
            "reactions.add": self._react,
            "reactions.get": self._reactions,
            "users.list": lambda _: {"members": [user.shown() for user in USERS.values()]},
            "users.info": self._user,
            "users.lookupByEmail": self._by_mail,
            "files.getUploadURLExternal": self._upload_url,
            "files.completeUploadExternal": self._complete,
            "files.info": lambda given: {"file": self.file(self._find_file(_need(given, "file")), given["home"])},
        }

    def _auth_test(self, given: Arguments) -> dict[str, Any]:
        who = {"user": USERS[BOT].handle, "user_id": BOT, "bot_id": BOT_ID}
        return {"url": f"{given['home']}/", "team": TEAM_NAME, "team_id": TEAM, "is_enterprise_install": False, **who}

    # Messages

    def _post(self, given: Arguments) -> dict[str, Any]:
        channel = self._workspace.to_write_in(_need(given, "channel", "channel_not_found"))
        text, blocks = self._content(given)
        metadata = _parsed(given, "metadata")
        if metadata is not None and not {"event_type", "event_payload"} <= set(metadata):
            raise No("invalid_metadata_format")
        self._slow_down(channel)
        warning = {}
        if len(text) > LONGEST_POST:
            said = "message_truncated"
            warning, text = {"warning": said, "response_metadata": {"warnings": [said]}}, text[:LONGEST_POST]
        message = self._workspace.say(
            channel.id,
            BOT,
            text,
            blocks=blocks,
            metadata=metadata,
            thread=str(given.get("thread_ts") or ""),
            broadcast=_true(given.get("reply_broadcast")),
        )
        self._history(f"Slack #{channel.name}: {_first_line(message)}")
        return {
            "channel": channel.id,
            "ts": message.ts,
            "message": self.message(channel, message, given["home"]),
            **warning,
        }

    def _content(self, given: Arguments) -> tuple[str, list[dict[str, Any]]]:
        text, blocks = str(given.get("text") or ""), _parsed(given, "blocks")
        checked = check(blocks) if blocks else []
        if not text and not checked:
            raise No("no_text")
        return (self._workspace.linked(text) if _true(given.get("link_names")) else text), checked

    def _slow_down(self, channel: Channel) -> None:
        """Let about one message a second through, after a burst; by this machine's clock, as Retry-After is."""
        now = time.monotonic()
        left, then = self._buckets.get(channel.id, (float(BURST), now))
        left = min(BURST, left + (now - then) * PER_SECOND)
        if left < 1:
            raise RateLimited(1)
        self._buckets[channel.id] = (left - 1, now)

    def _update(self, given: Arguments) -> dict[str, Any]:
        channel = self._workspace.to_write_in(_need(given, "channel", "channel_not_found"))
        message = self._find(channel, _need(given, "ts", "message_not_found"))
        if message.user != BOT:
            raise No("cant_update_message")
        if len(str(given.get("text") or "")) > LONGEST_UPDATE:
            raise No("msg_too_long")
        text, blocks = self._content(given)
        # A text without blocks takes the old blocks away; blocks alone leave the old text.
        message.text, message.blocks = text or message.text, blocks
        message.metadata = _parsed(given, "metadata") or message.metadata
        message.edited = self._workspace.ts()
        self._history(f"Slack #{channel.name}, edited: {_first_line(message)}")
        shown = self.message(channel, message, given["home"])
        return {"channel": channel.id, "ts": message.ts, "text": message.text, "message": shown}

    def _find(self, channel: Channel, ts: str) -> Message:
        found = channel.find(ts)
        if found is None:
            raise No("message_not_found")
        return found

    def _permalink(self, given: Arguments) -> dict[str, Any]:
        channel = self._workspace.channel(_need(given, "channel"))
        message = self._find(channel, _need(given, "message_ts", "message_not_found"))
        return {"channel": channel.id, "permalink": f"{given['home']}/#{channel.id}-{message.ts}"}

    def message(self, channel: Channel, message: Message, home: str, *, metadata: bool = True) -> dict[str, Any]:
        """Return a message as Slack shows it; its metadata only where it is asked for."""
        shown: dict[str, Any] = {"type": "message", "user": message.user, "text": message.text, "ts": message.ts}
        if message.user == BOT:
            shown |= {"bot_id": BOT_ID, "app_id": APP, "team": TEAM}
        if message.blocks:
            shown["blocks"] = message.blocks
        if message.edited:
            shown["edited"] = {"user": message.user, "ts": message.edited}
        if message.metadata and metadata:
            shown["metadata"] = message.metadata
        if message.reactions:
            shown["reactions"] = _reactions(message)
        if message.files:
            shown |= {"files": [self.file(one, home) for one in message.files], "upload": True}
        replies = channel.replies(message.ts)
        if message.thread or replies:
            shown["thread_ts"] = message.thread or message.ts
        if replies:
            users = list(dict.fromkeys(reply.user for reply in replies))
            shown |= {"reply_count": len(replies), "reply_users": users, "latest_reply": replies[-1].ts}
        return shown

    # Channels

    def _list(self, given: Arguments) -> dict[str, Any]:
        kinds = str(given.get("types") or "public_channel").split(",")
        found = [
            channel.shown()
            for channel in self._workspace.channels.values()
            if "public_channel" in kinds and not (channel.archived and _true(given.get("exclude_archived")))
        ]
        page, more = _page(found, given)
        return {"channels": page, **more}

    def _join(self, given: Arguments) -> dict[str, Any]:
        channel = self._workspace.channel(_need(given, "channel"))
        if channel.archived:
            raise No("is_archived")
        said = {"warning": "already_in_channel"} if channel.member else {}
        channel.member = True
        return {"channel": channel.shown(), **said}

    def _messages(self, given: Arguments) -> dict[str, Any]:
        channel = self._readable(given)
        oldest, latest = str(given.get("oldest") or "0"), str(given.get("latest") or "9" * 12)
        inside, whole = _true(given.get("inclusive")), _true(given.get("include_all_metadata"))
        found = [
            self.message(channel, message, given["home"], metadata=whole)
            for message in self._workspace.history(channel)
            if float(oldest) < float(message.ts) < float(latest) or (inside and message.ts in (oldest, latest))
        ]
        page, more = _page(found, given)
        return {"messages": page, "has_more": bool(more["response_metadata"]["next_cursor"]), **more}

    def _replies(self, given: Arguments) -> dict[str, Any]:
        channel = self._readable(given)
        parent = channel.find(_need(given, "ts", "thread_not_found"))
        if parent is None:
            raise No("thread_not_found")
        whole, thread = _true(given.get("include_all_metadata")), [parent, *channel.replies(parent.ts)]
        shown = [self.message(channel, message, given["home"], metadata=whole) for message in thread]
        page, more = _page(shown, given)
        return {"messages": page, "has_more": bool(more["response_metadata"]["next_cursor"]), **more}

    def _readable(self, given: Arguments) -> Channel:
        channel = self._workspace.channel(_need(given, "channel", "channel_not_found"))
        if not channel.member:
            raise No("not_in_channel")
        return channel

    # Reactions and people

    def _react(self, given: Arguments) -> dict[str, Any]:
        channel = self._workspace.to_write_in(_need(given, "channel", "channel_not_found"))
        message = self._find(channel, _need(given, "timestamp", "message_not_found"))
        name = str(given.get("name") or "").strip(":")
        if not _EMOJI.fullmatch(name):
            raise No("invalid_name")
        if BOT in message.reactions.setdefault(name, []):
            raise No("already_reacted")
        message.reactions[name].append(BOT)
        return {}

    def _reactions(self, given: Arguments) -> dict[str, Any]:
        channel = self._workspace.channel(_need(given, "channel", "channel_not_found"))
        message = self._find(channel, _need(given, "timestamp", "message_not_found"))
        shown = self.message(channel, message, given["home"])
        return {"type": "message", "channel": channel.id, "message": shown}

    def _user(self, given: Arguments) -> dict[str, Any]:
        found = USERS.get(_need(given, "user", "user_not_found"))
        if found is None:
            raise No("user_not_found")
        return {"user": found.shown()}

    def _by_mail(self, given: Arguments) -> dict[str, Any]:
        mail = _need(given, "email", "users_not_found")
        found = [user for user in USERS.values() if user.shown()["profile"].get("email") == mail]
        if not found:
            raise No("users_not_found")
        return {"user": found[0].shown()}

    # Files

    def _upload_url(self, given: Arguments) -> dict[str, Any]:
        name, length = _need(given, "filename"), _need(given, "length")
        if not length.isdigit() or not int(length):
            raise No("invalid_arguments", response_metadata={"messages": ["[ERROR] length must be more than 0"]})
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        made = self._workspace.new_file(name, int(length), kind)
        return {"file_id": made.id, "upload_url": f"{given['home']}/upload/v1/{made.id}"}

    def _complete(self, given: Arguments) -> dict[str, Any]:
        wanted = _parsed(given, "files")
        if not isinstance(wanted, list) or not wanted:
            raise No("invalid_arguments")
        files = [self._find_file(str(one.get("id"))) for one in wanted]
        if any(one.content is None for one in files):
            raise No("file_not_found")
        if any(one.complete for one in files):
            raise No("file_update_failed")
        named = [str(given["channel_id"])] if given.get("channel_id") else []
        named += [one for one in str(given.get("channels") or "").split(",") if one]
        if any(one not in self._workspace.channels for one in named):
            raise No("channel_not_found")
        channels = [self._workspace.to_write_in(one) for one in named]
        for one, asked in zip(files, wanted, strict=True):
            one.title, one.complete = str(asked.get("title") or one.name), True
        shown = [self.file(one, given["home"]) for one in files]
        self._share(files, channels, given)
        return {"files": shown}

    def _find_file(self, number: str) -> File:
        if number not in self._workspace.files:
            raise No("file_not_found")
        return self._workspace.files[number]

    def file(self, one: File, home: str) -> dict[str, Any]:
        """Return a file as Slack shows one."""
        shares: dict[str, list[dict[str, Any]]] = {}
        for channel, ts in one.shares:
            shares.setdefault(channel, []).append({"ts": ts})
        address = f"{home}/files/{one.id}/{one.name}"
        return {
            "id": one.id,
            "created": one.created,
            "name": one.name,
            "title": one.title,
            "mimetype": one.kind,
            "filetype": one.name.rpartition(".")[2],
            "user": BOT,
            "size": one.length,
            "url_private": address,
            "url_private_download": address,
            "permalink": address,
            "channels": list(shares),
            "shares": {"public": shares} if shares else {},
        }


def _need(given: Arguments, name: str, error: str = "invalid_arguments") -> str:
    value = given.get(name)
    if value in (None, ""):
        raise No(error)
    return str(value)


def _true(value: Any) -> bool:
    return str(value).lower() in ("1", "true")


def _parsed(given: Arguments, name: str) -> Any:
    """Return an argument that is JSON, whether it came as JSON or as text inside a form."""
    value = given.get(name)
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value else None
    except ValueError as error:
        raise No(f"invalid_{name}_format" if name != "files" else "invalid_arguments") from error


def _page(found: list[dict[str, Any]], given: Arguments) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    limit = min(int(given.get("limit") or 100), 1000)
    try:
        start = int(base64.b64decode(str(given.get("cursor") or "")).decode().removeprefix("next:") or 0)
    except ValueError as error:
        raise No("invalid_cursor") from error
    end = start + limit
    cursor = base64.b64encode(f"next:{end}".encode()).decode() if end < len(found) else ""
    return found[start:end], {"response_metadata": {"next_cursor": cursor}}


def _reactions(message: Message) -> list[dict[str, Any]]:
    return [{"name": name, "users": users, "count": len(users)} for name, users in message.reactions.items()]


def _first_line(message: Message) -> str:
    line = (message.text or "(blocks)").splitlines()[0]
    return line if len(line) <= 120 else line[:117] + "..."
