"""What a workspace holds: people, channels, messages, files."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from maint.rehearsal.clock import WorldClock

TEAM, TEAM_NAME = "T0PAYMENTS", "Payments"
BOT, BOT_ID, APP = "U0MAINTBOT", "B0MAINTBOT", "A0MAINTBOT"


class No(Exception):
    """An error of Slack's: its name, and what else the answer says."""

    def __init__(self, error: str, **more: Any) -> None:
        super().__init__(error)
        self.answer = {"ok": False, "error": error, **more}


@dataclass(frozen=True)
class User:
    """A person, or the maintenance bot."""

    id: str
    handle: str
    name: str

    def shown(self) -> dict[str, Any]:
        """Return the user as Slack shows one."""
        mail = {} if self.id == BOT else {"email": f"{self.handle}@example.com"}
        profile = {"real_name": self.name, "display_name": self.name, **mail}
        return {
            "id": self.id,
            "team_id": TEAM,
            "name": self.handle,
            "real_name": self.name,
            "deleted": False,
            "is_bot": self.id == BOT,
            "profile": profile,
        }


@dataclass
class File:
    """A file; shares are (channel id, message ts), empty until Slack has got round to it."""

    id: str
    name: str
    length: int
    title: str
    kind: str
    created: int
    content: bytes | None = None
    complete: bool = False
    shares: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Message:
    """One message; ts is its id. thread is the ts of the message that it answers, empty for none."""

    ts: str
    user: str
    text: str
    blocks: list[dict[str, Any]] = field(default_factory=list)
    metadata: dict[str, Any] | None = None
    thread: str = ""
    broadcast: bool = False
    edited: str = ""
    reactions: dict[str, list[str]] = field(default_factory=dict)
    files: list[File] = field(default_factory=list)


@dataclass
class Channel:
    """A channel; member: the bot is in it."""

    id: str
    name: str
    topic: str
    member: bool = True
    archived: bool = False
    messages: list[Message] = field(default_factory=list)

    def find(self, ts: str) -> Message | None:
        """Return the message with this ts."""
        return next((message for message in self.messages if message.ts == ts), None)

    def replies(self, ts: str) -> list[Message]:
        """Return the answers to a message, oldest first."""
        return [message for message in self.messages if message.thread == ts]

    def shown(self) -> dict[str, Any]:
        """Return the channel as Slack shows one."""
        return {
            "id": self.id,
            "name": self.name,
            "name_normalized": self.name,
            "is_channel": True,
            "is_private": False,
            "is_archived": self.archived,
            "is_member": self.member,
            "topic": {"value": self.topic, "creator": "", "last_set": 0},
            "purpose": {"value": "", "creator": "", "last_set": 0},
            "num_members": 12,
        }


USERS = {
    user.id: user
    for user in (
        User(BOT, "maintenance", "Maintenance"),
        User("U0DANA", "dana.reyes", "Dana Reyes"),
        User("U0SAM", "sam.okafor", "Sam Okafor"),
        User("U0PRIYA", "priya.nair", "Priya Nair"),
        User("U0LEE", "lee.novak", "Lee Novak"),
    )
}


class Workspace:
    """The channels and files of one world."""

    def __init__(self, clock: WorldClock) -> None:
        self._clock, self._last_ts, self._last_file = clock, 0, 0
        self.files: dict[str, File] = {}
        self.channels = {
            channel.id: channel
            for channel in (
                Channel("C0PLATINT", "platform-int", "Platform, among ourselves"),
                Channel("C0ENGMAINT", "engineering-maintenance", "Who tests what during maintenance"),
                Channel("C0MAINT", "maintenance", "Maintenance windows: begun, done"),
                Channel("C0DAILYOPS", "dailyops", "What operations should know today"),
                Channel("C0GENERAL", "general", "Everybody", member=False),
                Channel("C0OLDMAINT", "maintenance-2023", "Kept for the record", archived=True),
            )
        }
        self.say(
            "C0ENGMAINT", "U0DANA", "Monthly maintenance is this weekend, testers please keep Saturday evening free."
        )
        self.say("C0DAILYOPS", "U0SAM", "Nothing unusual overnight.")

    def ts(self) -> str:
        """Return a new message id: world time in microseconds, never the same twice."""
        self._last_ts = max(self._last_ts + 1, int(self._clock.now().timestamp() * 1_000_000))
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def channel(self, given: str) -> Channel:
        """Return a channel by id, or by name with or without "#"; raises No."""
        name = given.removeprefix("#")
        found = self.channels.get(given) or next((c for c in self.channels.values() if c.name == name), None)
        if found is None:
            raise No("channel_not_found")
        return found

    def to_write_in(self, given: str) -> Channel:
        """Return a channel that the bot may write in; raises No."""
        channel = self.channel(given)
        if channel.archived:
            raise No("is_archived")
        if not channel.member:
            raise No("not_in_channel")
        return channel

    def say(self, channel: str, user: str, text: str, **more: Any) -> Message:
        """Add a message; an answer to an answer joins the thread; raises No for a thread that is not there."""
        place = self.channel(channel)
        if thread := more.get("thread"):
            parent = place.find(thread)
            if parent is None:
                raise No("thread_not_found")
            more["thread"] = parent.thread or parent.ts
        message = Message(self.ts(), user, text, **more)
        place.messages.append(message)
        return message

    def new_file(self, name: str, length: int, kind: str) -> File:
        """Make room for a file that is to be uploaded."""
        self._last_file += 1
        created = int(self._clock.now().timestamp())
        made = File(f"F0{self._last_file:07d}", name, length, name, kind, created)
        self.files[made.id] = made
        return made

    def linked(self, text: str) -> str:
        """Return text with the names of people and channels made into mentions, as link_names does."""
        names = {f"@{user.handle}": f"<@{user.id}>" for user in USERS.values()}
        names |= {f"#{channel.name}": f"<#{channel.id}|{channel.name}>" for channel in self.channels.values()}
        found = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
        return re.sub(rf"(?<![\w<])({found})(?![\w|-])", lambda hit: names[hit[1]], text)

    def history(self, channel: Channel) -> Iterator[Message]:
        """Yield what a channel itself shows, newest first: answers only when they were broadcast."""
        return (message for message in reversed(channel.messages) if not message.thread or message.broadcast)
