"""The site's addresses, and what is the same on every page: security headers and today's faults."""

import asyncio
from pathlib import Path
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from maint.rehearsal.site.marketing import MARKETING, marketing_page
from maint.rehearsal.site.page import PageRequest, pressed_and_entered, render
from maint.rehearsal.site.portal import PAGES, not_found
from maint.rehearsal.site.state import SiteState

STATIC = Path(__file__).parent / "static"
CONTENT = "/content/"
SECURITY = {
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "same-origin",
    # ASP.NET's __doPostBack lives in javascript: links, hence unsafe-inline.
    "content-security-policy": "default-src 'self'; script-src 'self' 'unsafe-inline'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'self'",
}


def site_app(server: str, state: SiteState) -> ASGIApp:
    """Return the portal's site as one server answers it; sessions are in `state`, so that any server will do."""

    async def root(request: Request) -> Response:
        return render(state, "root.html", billers=state.billers.values())

    async def status(request: Request) -> Response:
        # Nobody has a key here, so every key is a wrong one.
        body = {"code": 401, "message": "An API key is needed."}
        return JSONResponse(body, 401, {"www-authenticate": 'Basic realm="API"'})

    async def landing(request: Request) -> Response:
        biller = state.billers.get(request.path_params["slug"].lower())
        if biller is None:
            raise HTTPException(404)
        session = state.open_session()
        session.biller = biller
        return RedirectResponse(f"/portal/(S({session.id}))/2/Site2.aspx?G={biller.guid}", 302)

    async def no_session(request: Request) -> Response:
        return _with_new_session(state, request, request.path_params.get("page", ""))

    async def page(request: Request) -> Response:
        return await _page(state, request)

    routes: list[BaseRoute] = [
        Route("/", root),
        Route("/robots.txt", _robots),
        Route("/favicon.ico", _favicon),
        Mount(CONTENT, StaticFiles(directory=STATIC)),
        Route("/api/v1/biller/status", status),
        Route("/portal/(S({session}))/2/{page}", page, methods=["GET", "POST"]),
        Route("/portal/(S({session}))/{page}", page, methods=["GET", "POST"]),
        Route("/portal/2/{page}", no_session, methods=["GET", "POST"]),
        Route("/portal/", no_session),
        Route("/{slug}", landing),
    ]
    return _app(server, state, routes)


def marketing_app(state: SiteState, server: str = "marketing") -> ASGIApp:
    """Return the company's own site: home, support for payers, and the legal pages."""

    async def page(request: Request) -> Response:
        return marketing_page(state, request.url.path)

    routes: list[BaseRoute] = [
        Route("/robots.txt", _robots),
        Route("/favicon.ico", _favicon),
        Mount(CONTENT, StaticFiles(directory=STATIC)),
        *(Route(path, page) for path in MARKETING),
    ]
    return _app(server, state, routes)


def _app(server: str, state: SiteState, routes: list[BaseRoute]) -> ASGIApp:
    async def unknown(request: Request, problem: Exception) -> Response:
        status = problem.status_code if isinstance(problem, HTTPException) else 500
        return render(state, "not_found.html", status=status)

    app = Starlette(routes=routes, exception_handlers={404: unknown})
    app.router.redirect_slashes = False
    return _Dressed(app, server, state)


async def _page(state: SiteState, request: Request) -> Response:
    session = state.sessions.get(request.path_params["session"])
    name = request.path_params["page"]
    if session is None:
        return _with_new_session(state, request, name)
    stem, _dot, ending = name.rpartition(".")
    handler = PAGES.get(stem.lower()) if ending.lower() == "aspx" else None
    form = parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)
    pressed, entered = pressed_and_entered(dict(form))
    ticked = tuple(value for name, value in form if name == "ticked")
    ask = PageRequest(state, session, stem, dict(request.query_params), entered, ticked, pressed)
    if handler is None or ask.biller is None:
        return not_found(ask)
    return handler(ask)


def _with_new_session(state: SiteState, request: Request, page: str) -> Response:
    """Send the payer to the same page in a new session, as ASP.NET does without cookies."""
    if not page:
        return RedirectResponse("/", 302)
    session, query = state.open_session(), request.url.query
    return RedirectResponse(f"/portal/(S({session.id}))/2/{page}" + (f"?{query}" if query else ""), 302)


async def _robots(request: Request) -> Response:
    return PlainTextResponse("User-agent: *\nDisallow: /portal/\n")


async def _favicon(request: Request) -> Response:
    return FileResponse(STATIC / "favicon.svg")


class _Dressed:
    """Adds the security headers and the server's name, and does what the site's flags say."""

    def __init__(self, app: ASGIApp, server: str, state: SiteState) -> None:
        self._app, self._server, self._state = app, server, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        flags, is_page = self._state.flags, not scope["path"].startswith(CONTENT)
        missing = str(flags.get("missing_header", "")).lower()

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY.items():
                    if name != missing:
                        headers[name] = value
                headers["cache-control"] = "no-store" if is_page else "public, max-age=86400"
                headers["x-twin-server"] = self._server
            await send(message)

        answer: ASGIApp = self._app
        if is_page:
            await asyncio.sleep(float(flags.get("slow", 0)))
            if flags.get("maintenance_page"):
                answer = render(self._state, "maintenance.html", status=503)
            elif flags.get("error_page"):
                answer = render(self._state, "error.html", status=500)
        elif flags.get("broken_logo") and "/logo-" in scope["path"]:
            answer = PlainTextResponse("no such file", 404)
        await answer(scope, receive, dressed)
