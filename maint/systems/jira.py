"""Jira: what a ticket's status is, and telling it what was done."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from maint.errors import VendorError
from maint.redact import redact, register
from maint.systems.http import JsonHttp

if TYPE_CHECKING:
    from maint.environment import JiraSettings

_LONGEST_ID = 255  # characters of a link's global id
_LONGEST_COMMENT = 30_000  # characters; Jira refuses more than 32,767
_LOOK_BACK = 20  # comments


@dataclass(frozen=True)
class Issue:
    """A ticket: its key, the name of its status, and its title."""

    key: str
    status: str
    summary: str


class Jira:
    """The tickets of one Jira site. secret: returns a secret by its name. before_write: the fence."""

    def __init__(
        self,
        settings: "JiraSettings",
        *,
        secret: Callable[[str], str],
        ca: str | None,
        before_write: Callable[[], None],
        timeout: float = 30.0,
    ) -> None:
        def login() -> dict[str, str]:
            sent = base64.b64encode(f"{settings.user}:{secret(settings.token)}".encode()).decode()
            register(sent)
            return {"Authorization": f"Basic {sent}", "Accept": "application/json"}

        url = f"{settings.url.rstrip('/')}/rest/api/3/issue/"
        self._http = JsonHttp("Jira", url, login, ca=ca, before_write=before_write, timeout=timeout)

    def issue(self, key: str) -> Issue | None:
        """Return the ticket; None when there is none, or when this login may not see it. Raises VendorError."""
        what = f"reading {key}"
        try:
            raw = self._http.send(what, "GET", quote(key, safe=""), params={"fields": "status,summary"})
        except VendorError as error:
            if error.status == 404:
                return None
            raise
        fields = _within(what, raw, "fields")
        return Issue(
            key=str(_within(what, raw, "key")),
            status=str(_within(what, fields, "status", "name")),
            summary=str(fields.get("summary") or ""),
        )

    def transition(self, key: str, name: str) -> None:
        """Move the ticket by the transition of this name, or to the status of this name; read back that it is there.

        One that is there already is left alone, so that this is safe to repeat. Raises VendorError.
        """
        self._http.repeat(lambda: self._transition(key, name))

    def _transition(self, key: str, name: str) -> None:
        what, path = f"moving {key} by {name!r}", f"{quote(key, safe='')}/transitions"
        issue = self._existing(what, key)
        if issue.status.lower() == name.lower():
            return
        ways = _within(what, self._http.send(what, "GET", path), "transitions")
        found = _way(ways, name)
        if found is None:
            allowed = ", ".join(str(way["name"]) for way in ways)
            raise VendorError(
                f"{what}: from {issue.status!r} there is no such transition; allowed: {allowed or 'none'}",
                where="Jira",
                next="correct the name, or move the ticket by hand",
                status=404,
            )
        body = {"transition": {"id": str(found["id"])}}
        # 204: there is nothing to read.
        self._http.send(what, "POST", path, json=body, writes=True, judge=lambda _: None)
        wanted, now = str(_within(what, found, "to", "name")), self._existing(what, key).status
        if now != wanted:
            raise VendorError(
                f"{what}: it was accepted, but the ticket is {now!r}, not {wanted!r}",
                where="Jira",
                next=f"look at {key} in Jira",
                status=200,
            )

    def _existing(self, what: str, key: str) -> Issue:
        found = self.issue(key)
        if found is None:
            raise VendorError(
                f"{what}: the ticket is not there, or this login may not see it",
                where="Jira",
                next="correct the key in the window file, or give the login the right to see it",
                status=404,
            )
        return found

    def comment(self, key: str, text: str) -> str:
        """Add a comment, a paragraph for each line, and return its id.

        When the answer is lost the latest comments are searched for the same words before it is written again.
        Raises VendorError.
        """
        what, path, tried = f"commenting on {key}", f"{quote(key, safe='')}/comment", False
        lines = [line for line in _short(redact(text)).splitlines() if line.strip()]
        if not lines:
            raise VendorError(f"{what}: there is nothing to say", where="Jira")

        def write() -> str:
            nonlocal tried
            if tried and (said := self._said(what, path, lines)):
                return said
            tried = True
            answer = self._http.send(what, "POST", path, json={"body": _document(lines)}, writes=True)
            return str(_within(what, answer, "id"))

        return str(self._http.repeat(write))

    def _said(self, what: str, path: str, lines: list[str]) -> str | None:
        query = {"orderBy": "-created", "maxResults": str(_LOOK_BACK)}
        for comment in _within(what, self._http.send(what, "GET", path, params=query), "comments"):
            if _paragraphs(comment.get("body")) == lines:
                return str(comment["id"])
        return None

    def remotelink(self, key: str, global_id: str, url: str, title: str) -> None:
        """Link the ticket to a page; the same global id replaces its link, so that this is safe to repeat.

        global_id: at most 255 characters. Raises VendorError.
        """
        what = f"linking {key} to {title!r}"
        if len(global_id) > _LONGEST_ID:
            raise VendorError(f"{what}: its id is longer than {_LONGEST_ID} characters", where="Jira")
        body = {"globalId": global_id, "object": {"url": redact(url), "title": redact(title)}}

        def link() -> None:
            path = f"{quote(key, safe='')}/remotelink"
            _within(what, self._http.send(what, "POST", path, json=body, writes=True), "id")

        self._http.repeat(link)


def _within(what: str, data: Any, *keys: str) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
        if data is None:
            raise VendorError(
                f"{what}: answered without {key!r}", where="Jira", next="compare what this login may see", status=200
            )
    return data


def _way(ways: list[dict[str, Any]], name: str) -> dict[str, Any] | None:
    """Return the transition of this name, else the one that leads to the status of this name."""
    wanted = name.lower()
    named = (way for way in ways if str(way.get("name", "")).lower() == wanted)
    leading = (way for way in ways if str((way.get("to") or {}).get("name", "")).lower() == wanted)
    return next(named, None) or next(leading, None)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_COMMENT else f"{text[:_LONGEST_COMMENT]} ..."


def _document(lines: list[str]) -> dict[str, Any]:
    """Return lines as Atlassian's document format: a paragraph each."""
    paragraphs = [{"type": "paragraph", "content": [{"type": "text", "text": line}]} for line in lines]
    return {"type": "doc", "version": 1, "content": paragraphs}


def _paragraphs(document: Any) -> list[str]:
    """Return the words of a document's paragraphs, whatever else Jira added to it."""
    parts = document.get("content") if isinstance(document, dict) else None
    return ["".join(str(t.get("text", "")) for t in part.get("content") or ()) for part in parts or ()]
