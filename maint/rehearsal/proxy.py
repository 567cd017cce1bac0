"""The gateway's public side: www requests go on to a server of the pool, over HTTPS."""

import ssl

import httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from maint.rehearsal.balancer import Balancer, Route, affinity
from maint.rehearsal.fleet import Server

MARKETING = ("invoicecloud.net", "www.invoicecloud.net")
HOP = {b"connection", b"keep-alive", b"transfer-encoding", b"date", b"server", b"content-length"}
FROM_CLIENT = {"connection", "keep-alive", "transfer-encoding", "content-length", "x-forwarded-for"}


def backend_transport(tls: ssl.SSLContext) -> httpx.AsyncHTTPTransport:
    """Return the pool of connections to the servers; no cookies, redirects or proxies of its own."""
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=50, keepalive_expiry=30)
    return httpx.AsyncHTTPTransport(verify=tls, limits=limits, trust_env=False)


class Proxy:
    """What answers on the www port: the gateway, and beside it the marketing hosts, which are not behind it."""

    def __init__(
        self,
        balancer: Balancer,
        addresses: dict[str, str],
        transport: httpx.AsyncHTTPTransport,
        marketing: ASGIApp,
    ) -> None:
        self._balancer, self._addresses = balancer, addresses
        self._transport, self._marketing = transport, marketing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        host = request.headers.get("host", "").rsplit(":", 1)[0]
        if host.lower() in MARKETING:
            await self._marketing(scope, receive, send)
            return
        response = await self._forward(request, host)
        await response(scope, receive, send)

    async def _forward(self, request: Request, host: str) -> Response:
        route = self._balancer.route(host)
        if route is None:
            return _problem(404, "Not Found")
        mine = request.cookies.get(route.cookie)
        server = self._balancer.choose(route, mine)
        if server is None:
            if self._balancer.elsewhere(route):
                return Response(b'{"status": "ok"}', media_type="application/json")
            return _problem(502, "Bad Gateway")
        self._balancer.in_flight[server.name] += 1
        try:
            response = await self._ask(request, server, route)
        except httpx.TimeoutException:
            return _problem(504, "Gateway Time-out")
        except httpx.TransportError:
            return _problem(502, "Bad Gateway")
        finally:
            self._balancer.in_flight[server.name] -= 1
        if route.affinity and mine != affinity(server.name):
            response.raw_headers.append(
                (b"set-cookie", f"{route.cookie}={affinity(server.name)}; Path=/; HttpOnly".encode())
            )
        return response

    async def _ask(self, request: Request, server: Server, route: Route) -> Response:
        path = request.scope["raw_path"].decode("latin-1")
        query = request.scope["query_string"].decode("latin-1")
        headers = [(k, v) for k, v in request.headers.items() if k not in FROM_CLIENT]
        headers += [("x-forwarded-proto", "https"), ("x-forwarded-for", "203.0.113.10")]
        asked = httpx.Request(
            request.method,
            f"https://{self._addresses[server.name]}{path}{'?' + query if query else ''}",
            headers=headers,
            content=await request.body(),
            extensions={"timeout": httpx.Timeout(route.timeout).as_dict()},
        )
        answer = await self._transport.handle_async_request(asked)
        try:
            body = b"".join([part async for part in answer.aiter_raw()])
        finally:
            await answer.aclose()
        response = Response(body, status_code=answer.status_code)
        kept = [(k.lower(), v) for k, v in answer.headers.raw if k.lower() not in HOP]
        length = [(b"content-length", str(len(body)).encode())]
        if request.method == "HEAD" and "content-length" in answer.headers:
            length = [(b"content-length", answer.headers["content-length"].encode())]
        response.raw_headers = kept + length
        return response


async def redirect(scope: Scope, receive: Receive, send: Send, www: str) -> None:
    """Send a plain http request on to https, under the name that it asked for."""
    request = Request(scope, receive)
    host = request.headers.get("host", "").rsplit(":", 1)[0]
    host = host if "." in host and not host.startswith("127.") else www
    query = f"?{request.url.query}" if request.url.query else ""
    where = f"https://{host}{scope['raw_path'].decode('latin-1')}{query}"
    await Response(status_code=301, headers={"location": where})(scope, receive, send)


def _problem(status: int, words: str) -> Response:
    text = f"{status} {words}"
    page = f"<html><head><title>{text}</title></head><body><h1>{text}</h1></body></html>"
    return Response(page, status_code=status, media_type="text/html")
