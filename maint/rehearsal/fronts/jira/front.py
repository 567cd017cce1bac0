"""Jira Cloud's REST API, version 3, over HTTP: basic auth, and errors in its own envelope."""

import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from maint.rehearsal.clock import WorldClock
from maint.rehearsal.front import History
from maint.rehearsal.fronts.jira.tickets import (
    Comment,
    Issue,
    Link,
    Transition,
    beginning,
    known_status,
    status_answer,
)

OPERATOR = "Maintenance Operator"
ZONE = ZoneInfo("America/New_York")
NO_ISSUE = "Issue does not exist or you do not have permission to see it."
Handler = Callable[[Request, Issue, Any], Response]


class Refused(Exception):
    """What Jira will not do: HTTP status, general sentences, and sentences by field."""

    def __init__(self, status: int, *sentences: str, **fields: str) -> None:
        super().__init__(*sentences)
        self.answer = JSONResponse({"errorMessages": list(sentences), "errors": fields}, status_code=status)


class JiraFront:
    """The tickets that the window names.

    Any user with any token is good, unless the token is empty or begins with "wrong". clock dates what happens.
    """

    name = "jira"
    prefix = "/jira"

    def __init__(self, clock: WorldClock, history: History) -> None:
        self._clock, self._history = clock, history
        self._issues = {issue.key: issue for issue in beginning(datetime(2025, 3, 14, 16, 0, tzinfo=ZONE))}
        self._number = 70_000

    def routes(self) -> Sequence[BaseRoute]:
        """Return what was taught, and Jira's answer to anything else."""
        issue = "/rest/api/3/issue/{key}"
        table: tuple[tuple[str, str, Handler], ...] = (
            (issue, "GET", _get),
            (f"{issue}/transitions", "GET", _transitions),
            (f"{issue}/transitions", "POST", self._go),
            (f"{issue}/comment", "GET", _comments),
            (f"{issue}/comment", "POST", self._comment),
            (f"{issue}/remotelink", "GET", _links),
            (f"{issue}/remotelink", "POST", self._link),
            (f"{issue}/remotelink", "DELETE", self._unlink),
        )
        return [
            Route("/rest/api/3/myself", _guarded(_myself), methods=["GET"]),
            *(Route(path, _guarded(self._about(handle)), methods=[method]) for path, method, handle in table),
            Route("/{path:path}", _guarded(_nothing_here), methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
        ]

    def reversible(self) -> dict[str, Any]:
        """Return nothing: a ticket's status, comments and links are for people, and the history has them."""
        return {}

    def one_way(self) -> dict[str, Any]:
        """Return nothing, for the same reason."""
        return {}

    def busy(self) -> bool:
        """Return False: Jira answers when it is done."""
        return False

    async def edit(self, resource: str, change: dict[str, Any]) -> Response:
        """Create a ticket by its key, or change its "status" or "summary", or (`{"deleted": true}`) delete it.

        "by" is the person's name.
        """
        by, now = str(change.get("by", "Priya Nair")), self._clock.now()
        try:
            if change.get("deleted"):
                if self._issues.pop(resource, None) is None:
                    raise Refused(404, NO_ISSUE)  # noqa: TRY301 - answered like any other refusal
                self._history(f"Jira: {by} deleted {resource}")
                return Response(status_code=204)
            known = self._issues.get(resource)
            status = known_status(str(change.get("status", known.status.name if known else "To Do")))
            if status is None:
                raise Refused(400, "There is no such status.")  # noqa: TRY301 - answered like any other refusal
        except Refused as refused:
            return refused.answer
        found = known or Issue(self._next(), resource, resource, status, now)
        found.status, found.summary, found.updated = status, str(change.get("summary", found.summary)), now
        self._issues[resource] = found
        self._history(f"Jira: {by} edited {resource}, now {found.status.name}")
        return Response(status_code=204)

    def _about(self, handle: Handler) -> Callable[[Request, Any], Response]:
        def about(request: Request, body: Any) -> Response:
            wanted = request.path_params["key"]
            found = next((i for i in self._issues.values() if wanted.upper() == i.key or wanted == str(i.id)), None)
            if found is None:
                raise Refused(404, NO_ISSUE)
            return handle(request, found, body)

        return about

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _go(self, request: Request, issue: Issue, body: Any) -> Response:
        wanted = body.get("transition")
        if not isinstance(wanted, dict) or "id" not in wanted:
            raise Refused(400, "Missing 'transition' identifier")
        way = next((one for one in issue.transitions if one.id == str(wanted["id"])), None)
        if way is None:
            raise Refused(
                400, f"It seems that you have tried to perform an illegal workflow operation: {wanted['id']}."
            )
        issue.status, issue.updated = way.to, self._clock.now()
        self._history(f"Jira: {OPERATOR} moved {issue.key} to {issue.status.name}")
        return Response(status_code=204)

    def _comment(self, request: Request, issue: Issue, body: Any) -> Response:
        document = body.get("body")
        if not _is_document(document):
            raise Refused(400, comment="Comment body is not valid!")
        said = Comment(self._next(), OPERATOR, document, self._clock.now())
        issue.comments.append(said)
        self._history(f"Jira: {OPERATOR} commented on {issue.key}: {' '.join(_texts(document))}")
        return JSONResponse(_comment_answer(said, issue, _home(request)), status_code=201)

    def _link(self, request: Request, issue: Issue, body: Any) -> Response:
        thing, identity = body.get("object"), body.get("globalId")
        if not isinstance(thing, dict) or not thing.get("url") or not thing.get("title"):
            raise Refused(400, object="'url' and 'title' are required")
        if identity is not None and len(str(identity)) > 255:
            raise Refused(400, globalId="The maximum length is 255 characters")
        known = next((one for one in issue.links if identity and one.said.get("globalId") == identity), None)
        link = known or Link(self._next(), {})
        link.said = {key: body[key] for key in ("globalId", "application", "relationship", "object") if key in body}
        if known is None:
            issue.links.append(link)
        self._history(f"Jira: {OPERATOR} linked {issue.key} to {thing['title']} ({thing['url']})")
        address = f"{_home(request)}/rest/api/3/issue/{issue.key}/remotelink/{link.id}"
        return JSONResponse({"id": link.id, "self": address}, status_code=200 if known else 201)

    def _unlink(self, request: Request, issue: Issue, body: Any) -> Response:
        identity = request.query_params.get("globalId")
        found = next((one for one in issue.links if one.said.get("globalId") == identity), None)
        if found is None:
            raise Refused(404, "There is no link with that global id.")
        issue.links.remove(found)
        self._history(f"Jira: {OPERATOR} removed a link from {issue.key}")
        return Response(status_code=204)


def _guarded(handle: Callable[[Request, Any], Response]) -> Callable[[Request], Awaitable[Response]]:
    async def guarded(request: Request) -> Response:
        try:
            _check_login(request)
            body = await _body(request)
            return handle(request, body)
        except Refused as refused:
            return refused.answer

    return guarded


def _check_login(request: Request) -> None:
    kind, _, sent = request.headers.get("authorization", "").partition(" ")
    try:
        user, _, token = base64.b64decode(sent, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        user = token = ""
    if kind != "Basic" or not user or not token or token.startswith("wrong"):
        raise Refused(401, "Client must be authenticated to access this resource.")


async def _body(request: Request) -> dict[str, Any]:
    body = await request.body()
    if not body:
        return {}
    try:
        read = json.loads(body)
    except ValueError as error:
        raise Refused(400, "There was an error parsing JSON. Check that your request body is valid.") from error
    if not isinstance(read, dict):
        raise Refused(400, "Invalid request payload. Refer to the REST API documentation and try again.")
    return read


def _home(request: Request) -> str:
    """Return this front's address, without a slash at its end."""
    return f"{request.url.scheme}://{request.url.netloc}{request.scope['root_path']}"


def _get(request: Request, issue: Issue, body: Any) -> Response:
    home = _home(request)
    fields = {
        "summary": issue.summary,
        "status": status_answer(issue.status, home),
        "updated": _stamp(issue.updated),
        "project": {"key": issue.key.partition("-")[0]},
    }
    wanted = [name for part in request.query_params.getlist("fields") for name in part.split(",")]
    kept = {k: v for k, v in fields.items() if not wanted or k in wanted or "*all" in wanted}
    address = f"{home}/rest/api/3/issue/{issue.id}"
    return JSONResponse({"id": str(issue.id), "key": issue.key, "self": address, "fields": kept})


def _transitions(request: Request, issue: Issue, body: Any) -> Response:
    home = _home(request)
    return JSONResponse(
        {"expand": "transitions", "transitions": [_transition_answer(way, home) for way in issue.transitions]}
    )


def _transition_answer(way: Transition, home: str) -> dict[str, Any]:
    flags = {"isGlobal": True, "isInitial": False, "isAvailable": True, "isConditional": False, "isLooped": False}
    return {"id": way.id, "name": way.name, "to": status_answer(way.to, home), "hasScreen": False, **flags}


def _comments(request: Request, issue: Issue, body: Any) -> Response:
    try:
        first = int(request.query_params.get("startAt", 0))
        most = int(request.query_params.get("maxResults", 5000))
    except ValueError as error:
        raise Refused(400, "startAt and maxResults must be numbers") from error
    order = request.query_params.get("orderBy", "created")
    found = [_comment_answer(one, issue, _home(request)) for one in issue.comments]
    found = found[::-1] if order.startswith("-") else found
    part = found[first : first + most]
    return JSONResponse({"startAt": first, "maxResults": most, "total": len(found), "comments": part})


def _comment_answer(said: Comment, issue: Issue, home: str) -> dict[str, Any]:
    address, written = f"{home}/rest/api/3/issue/{issue.id}/comment/{said.id}", _stamp(said.written)
    author = _user(said.author, home)
    return {
        "self": address,
        "id": str(said.id),
        "author": author,
        "updateAuthor": author,
        "body": said.body,
        "created": written,
        "updated": written,
        "jsdPublic": True,
    }


def _links(request: Request, issue: Issue, body: Any) -> Response:
    home, wanted = f"{_home(request)}/rest/api/3/issue/{issue.key}/remotelink", request.query_params.get("globalId")
    answers = [{"id": one.id, "self": f"{home}/{one.id}", **one.said} for one in issue.links]
    if wanted is None:
        return JSONResponse(answers)
    found = next((one for one in answers if one.get("globalId") == wanted), None)
    if found is None:
        raise Refused(404, "There is no link with that global id.")
    return JSONResponse(found)


def _myself(request: Request, body: Any) -> Response:
    return JSONResponse({**_user(OPERATOR, _home(request)), "timeZone": "America/New_York"})


def _user(name: str, home: str) -> dict[str, Any]:
    account = f"712020:{name.lower().replace(' ', '-')}"
    return {
        "self": f"{home}/rest/api/3/user?accountId={account}",
        "accountId": account,
        "accountType": "atlassian",
        "displayName": name,
        "active": True,
    }


def _is_document(found: Any) -> bool:
    return (
        isinstance(found, dict)
        and (found.get("type"), found.get("version")) == ("doc", 1)
        and isinstance(found.get("content"), list)
        and all(isinstance(part, dict) and part.get("type") for part in found["content"])
        and any(_texts(found))
    )


def _texts(part: Any) -> list[str]:
    """Return the words of a document, in order."""
    if isinstance(part, dict):
        own = [str(part["text"])] if part.get("type") == "text" and part.get("text") else []
        return own + _texts(part.get("content", []))
    return [text for one in part for text in _texts(one)] if isinstance(part, list) else []


def _stamp(moment: datetime) -> str:
    local = moment.astimezone(ZONE)
    return f"{local:%Y-%m-%dT%H:%M:%S}.{local.microsecond // 1000:03d}{local:%z}"


def _nothing_here(request: Request, body: Any) -> Response:
    raise Refused(404, "dead link")
