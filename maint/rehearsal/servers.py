"""One web server's own port: its health page, its share of the site, and silence while it reboots."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from maint.rehearsal.fleet import Server
from maint.rehearsal.wire import hang_up

FAILS_EVERY = 4
"""While patches install, IIS recycles its application pools: every fourth request finds them stopped."""


class ServerApp:
    """What answers on a server's port."""

    def __init__(self, server: Server, site: ASGIApp, connections: Callable[[Server], int]) -> None:
        self._server, self._site, self._connections = server, site, connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, unless the server is down."""
        server = self._server
        if not server.up:
            await hang_up(scope, receive)
            return
        if scope["path"].lower() == "/healthz":
            await self._health(Request(scope, receive))(scope, receive, send)
            return
        server.served += 1
        if server.installing and server.served % FAILS_EVERY == 0:
            page = "<html><body><h2>Service Unavailable</h2><p>HTTP Error 503.</p></body></html>"
            await Response(page, 503, media_type="text/html")(scope, receive, send)
            return
        await server.warm_up()
        await self._site(scope, receive, send)

    def _health(self, request: Request) -> Response:
        server = self._server
        if "full" not in request.query_params:
            return PlainTextResponse(f"ok {server.name}")
        return JSONResponse(
            {
                "server": server.name,
                "connections": self._connections(server),
                "reboot_pending": server.reboot_pending,
                "installing": server.installing,
            }
        )
