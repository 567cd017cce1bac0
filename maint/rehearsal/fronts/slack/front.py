"""Slack over HTTP: one address per method, errors with status 200, and a page for people to look at."""

import asyncio
import json
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from maint.rehearsal.clock import WorldClock
from maint.rehearsal.front import History, told_to_fail
from maint.rehearsal.fronts.slack.methods import Arguments, Methods, RateLimited
from maint.rehearsal.fronts.slack.page import render
from maint.rehearsal.fronts.slack.workspace import BOT, USERS, Channel, File, No, Workspace

SHARE_SECONDS = 2.0
_WRITING = frozenset({"chat.postMessage", "chat.update", "reactions.add", "files.completeUploadExternal"})


class SlackFront:
    """One workspace with the channels that maintenance speaks in.

    Any token is good that is not empty and does not begin with "wrong". clock dates the messages.
    """

    name = "slack"
    prefix = "/slack"

    def __init__(self, clock: WorldClock, history: History) -> None:
        self._clock, self._history = clock, history
        self._workspace = Workspace(clock)
        self._methods = Methods(self._workspace, history, self._share)
        self._table = self._methods.table()
        self._sharing: set[asyncio.Task[None]] = set()

    def routes(self) -> Sequence[BaseRoute]:
        """Return the API, the place for uploads, the files, and the page that shows what was said."""
        return [
            Route("/api/{method}", self._call, methods=["GET", "POST"]),
            Route("/upload/v1/{file}", self._upload, methods=["POST"]),
            Route("/files/{file}/{name:path}", self._download),
            Route("/", self._page),
            Route("/{path:path}", _nothing_here, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
        ]

    def reversible(self) -> dict[str, Any]:
        """Return nothing: what was said was said."""
        return {}

    def one_way(self) -> dict[str, Any]:
        """Return nothing: messages are for people, and the history has them."""
        return {}

    def busy(self) -> bool:
        """Say whether a file is still to be shown in its channel."""
        return bool(self._sharing)

    async def edit(self, resource: str, change: dict[str, Any]) -> Response:
        """Say something (`{"text", "thread_ts"?}`) or react (`{"reaction", "ts"?}`) as a person.

        resource is a channel; "user" is the person's name; a reaction without ts is to the last message.
        """
        person = next((user for user in USERS.values() if user.name == change.get("user")), USERS["U0DANA"])
        try:
            channel = self._workspace.channel(resource)
            if "reaction" in change:
                found = channel.find(str(change.get("ts") or channel.messages[-1].ts if channel.messages else ""))
                if found is None:
                    raise No("message_not_found")  # noqa: TRY301 - answered like any other refusal
                found.reactions.setdefault(str(change["reaction"]), []).append(person.id)
                return JSONResponse({"ok": True, "channel": channel.id, "ts": found.ts})
            thread, text = str(change.get("thread_ts") or ""), str(change.get("text") or "")
            said = self._workspace.say(channel.id, person.id, text, thread=thread)
        except No as no:
            return JSONResponse(no.answer)
        self._history(f"Slack #{channel.name}, {person.name}: {text}")
        return JSONResponse({"ok": True, "channel": channel.id, "ts": said.ts})

    async def _call(self, request: Request) -> Response:
        name = request.path_params["method"]
        try:
            given = await _arguments(request)
            _check_token(request, given)
            if name not in self._table:
                raise No("unknown_method", req_method=name)  # noqa: TRY301 - answered like any other refusal
            if name in _WRITING and told_to_fail(request):
                raise No("fatal_error")  # noqa: TRY301 - answered like any other refusal
            answer = self._table[name](given)
        except No as no:
            return JSONResponse(no.answer)
        except RateLimited as limited:
            refusal = {"ok": False, "error": "ratelimited"}
            return JSONResponse(refusal, status_code=429, headers={"Retry-After": str(limited.seconds)})
        return JSONResponse({"ok": True, **answer})

    def _share(self, files: list[File], channels: list[Channel], given: Arguments) -> None:
        """Show files in channels a little later, as Slack does."""

        async def later() -> None:
            await self._clock.sleep(SHARE_SECONDS)
            for channel in channels:
                thread = str(given.get("thread_ts") or "")
                thread = thread if channel.find(thread) else ""
                comment = str(given.get("initial_comment") or "")
                message = self._workspace.say(channel.id, BOT, comment, thread=thread, files=list(files))
                names = ", ".join(one.title for one in files)
                self._history(f"Slack #{channel.name}: {names}")
                for one in files:
                    one.shares.append((channel.id, message.ts))

        task = asyncio.create_task(later())
        self._sharing.add(task)
        task.add_done_callback(self._sharing.discard)

    async def _upload(self, request: Request) -> Response:
        found, content = self._workspace.files.get(request.path_params["file"]), await request.body()
        if found is None or found.content is not None:
            return PlainTextResponse("This address is not for an upload.", status_code=404)
        if len(content) != found.length:
            words = f"{found.length} bytes were announced, {len(content)} came."
            return PlainTextResponse(words, status_code=400)
        found.content = content
        return PlainTextResponse(f"OK - {len(content)}")

    async def _download(self, request: Request) -> Response:
        found = self._workspace.files.get(request.path_params["file"])
        if found is None or found.content is None:
            return PlainTextResponse("There is no such file.", status_code=404)
        # A report may run its own scripts, but it is no page of the twin's.
        guard = {"Content-Security-Policy": "sandbox allow-scripts", "X-Content-Type-Options": "nosniff"}
        return Response(found.content, media_type=found.kind, headers=guard)

    async def _page(self, request: Request) -> Response:
        return HTMLResponse(render(self._workspace, _home(request)))


def _home(request: Request) -> str:
    """Return this front's address, without a slash at its end."""
    return f"{request.url.scheme}://{request.url.netloc}{request.scope['root_path']}"


async def _arguments(request: Request) -> Arguments:
    """Return a call's arguments from address, form or JSON; raises No."""
    given: Arguments = dict(request.query_params)
    body = await request.body()
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            read = json.loads(body or b"{}")
        except ValueError as error:
            raise No("invalid_json") from error
        if not isinstance(read, dict):
            raise No("json_not_object")
        given |= read
    else:
        given |= parse_qsl(body.decode(), keep_blank_values=True)
    return {**given, "home": _home(request)}


def _check_token(request: Request, given: Arguments) -> None:
    sent = re.sub(r"^Bearer\s+", "", request.headers.get("authorization", "")) or str(given.get("token") or "")
    if not sent:
        raise No("not_authed")
    if sent.startswith("wrong"):
        raise No("invalid_auth")


async def _nothing_here(request: Request) -> Response:
    return PlainTextResponse("There is nothing here.", status_code=404)
