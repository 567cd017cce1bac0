"""A plain page of what was said, for people: channels, messages, threads, reactions, files."""

import html
import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader
from markupsafe import Markup, escape

from maint.rehearsal.fronts.slack.workspace import USERS, Workspace

_ZONE = ZoneInfo("America/New_York")
# Signs that any machine's fonts have; an emoji without one is shown by its name.
_EMOJI = {
    "white_check_mark": "✔",
    "heavy_check_mark": "✔",
    "x": "✘",
    "warning": "⚠",
    "rotating_light": "⚠",
    "red_circle": "●",
    "large_green_circle": "●",
    "large_yellow_circle": "●",
}
_ANGLED = re.compile(r"<([^<>\n]+)>")
_STYLES = (
    (re.compile(r"```\n?(.+?)```", re.DOTALL), r"<pre>\1</pre>"),
    (re.compile(r"`([^`\n]+)`"), r"<code>\1</code>"),
    (re.compile(r"(?<![\w*])\*([^*\n]+)\*(?![\w*])"), r"<strong>\1</strong>"),
    (re.compile(r"(?<![\w_])_([^_\n]+)_(?![\w_])"), r"<em>\1</em>"),
    (re.compile(r"(?<![\w~])~([^~\n]+)~(?![\w~])"), r"<s>\1</s>"),
)


def emoji(name: str) -> str:
    """Return the sign for an emoji's name, or the name between colons."""
    return _EMOJI.get(name, f":{name}:")


def mrkdwn(text: str) -> Markup:
    """Return Slack's way of marking text up as HTML; everything else in it is escaped."""
    parts = _ANGLED.split(text)
    done = [_angled(part) if place % 2 else _plain(part) for place, part in enumerate(parts)]
    marked = str(Markup("").join(done))
    for pattern, replacement in _STYLES:
        marked = pattern.sub(replacement, marked)
    return Markup(marked)  # noqa: S704 - every part was escaped above, the styles add only their own tags


def _plain(text: str) -> Markup:
    shown = re.sub(r":([a-z0-9_+]+):", lambda hit: emoji(hit[1]), html.unescape(text))
    return escape(shown)


def _angled(inside: str) -> Markup:
    target, _, label = inside.partition("|")
    if target.startswith(("http://", "https://", "mailto:")):
        return Markup('<a href="{}">{}</a>').format(html.unescape(target), html.unescape(label or target))
    if target.startswith("@"):
        user = USERS.get(target[1:])
        return Markup('<span class="mention">@{}</span>').format(label or (user.name if user else target[1:]))
    if target.startswith("#"):
        return Markup('<span class="mention">#{}</span>').format(label or target[1:])
    if target.startswith("!"):
        name = label or target[1:].partition("^")[0]
        return Markup('<span class="mention">@{}</span>').format(name.removeprefix("@"))
    return escape(f"<{inside}>")


def _when(ts: str) -> str:
    return f"{datetime.fromtimestamp(float(ts), UTC).astimezone(_ZONE):%a %d %b, %H:%M}"


def _size(length: int) -> str:
    return f"{length} bytes" if length < 2048 else f"{length / 1024:,.0f} kB"


_TEMPLATES = Environment(
    loader=PackageLoader("maint.rehearsal.fronts.slack", "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters |= {"mrkdwn": mrkdwn, "when": _when, "size": _size, "emoji": emoji}


def render(workspace: Workspace, home: str) -> str:
    """Return the page; home is the front's address, for its links to files."""
    channels = [channel for channel in workspace.channels.values() if channel.member and not channel.archived]
    return _TEMPLATES.get_template("page.html").render(channels=channels, users=USERS, home=home)
