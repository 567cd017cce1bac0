"""What a visitor of the zone meets first: Cloudflare's edge, which goes where the DNS leads."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from maint.rehearsal.clock import WorldClock
from maint.rehearsal.fronts.cloudflare.zone import GATEWAY_ADDRESS, Zone, inside

MAINTENANCE_HOST = "icmaintenance.azurewebsites.net"
CACHE_SECONDS = 30.0

# A plain web app's start page for every path: 200, since such an app knows nothing of maintenance.
_PAGE = b"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Closed for maintenance</title>
<style>body { font: 1.1rem/1.6 sans-serif; margin: 15vh auto; max-width: 34rem; padding: 0 1rem; }</style></head>
<body><main>
<p>Rehearsal: a stand-in page. Nothing here is real.</p>
<h1>Closed for maintenance</h1>
<p>We are looking after our servers. Bills can be seen and paid here again as soon as that is done.</p>
</main></body>
</html>
"""


class Cache:
    """The pages that the edge keeps: those that may be kept, which of all pages here only the maintenance page is."""

    def __init__(self, clock: WorldClock) -> None:
        self._clock = clock
        self._until: dict[tuple[str, str], datetime] = {}

    def keep(self, host: str, path: str) -> None:
        """Keep a page for half a minute of the world's time."""
        self._until[host, path] = self._clock.now() + timedelta(seconds=CACHE_SECONDS)

    def holds(self, host: str, path: str) -> bool:
        """Say whether the page is still kept."""
        until = self._until.get((host, path))
        return until is not None and self._clock.now() < until

    def purge(self, *, hosts: Iterable[str] = (), addresses: Iterable[str] = (), prefixes: Iterable[str] = ()) -> None:
        """Forget the pages of these hosts, at these addresses or below these prefixes ("host/path")."""
        wanted = {host.lower() for host in hosts}
        pages = {(urlsplit(one).hostname or "", urlsplit(one).path or "/") for one in addresses}
        starts = tuple(prefixes)
        for host, path in list(self._until):
            below = bool(starts) and f"{host}{path}".startswith(starts)
            if host in wanted or (host, path) in pages or below:
                del self._until[host, path]

    def purge_everything(self) -> None:
        """Forget every page."""
        self._until.clear()


class Edge:
    """Sends a request where the zone's records lead: to the gateway, to the maintenance page, or nowhere.

    A host outside the zone goes on to the gateway's public side, as do requests to its bare address.
    """

    def __init__(self, zone: Zone, cache: Cache, gateway: ASGIApp) -> None:
        self._zone, self._cache, self._gateway = zone, cache, gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        host = Request(scope).headers.get("host", "").rsplit(":", 1)[0].lower()
        answer = self._answer(host, scope["method"], scope["path"]) if inside(host) else None
        await (answer or self._gateway)(scope, receive, send)

    def _answer(self, host: str, method: str, path: str) -> Response | None:
        """Return the edge's own answer, or None for the gateway's."""
        reading = method in ("GET", "HEAD")
        if reading and self._cache.holds(host, path):
            return _maintenance_page("HIT")
        origin = self._zone.leads_to(host)
        if origin == GATEWAY_ADDRESS:
            return None
        if origin == MAINTENANCE_HOST:
            if reading:
                self._cache.keep(host, path)
            return _maintenance_page("MISS")
        if origin is None or not origin.replace(".", "").isdigit():
            return _problem(530, "Origin DNS error", 1016)
        return _problem(523, "Origin is unreachable", 523)


def _maintenance_page(cached: str) -> Response:
    headers = {"cache-control": f"public, max-age={CACHE_SECONDS:.0f}", "cf-cache-status": cached}
    return Response(_PAGE, media_type="text/html", headers=headers)


def _problem(status: int, words: str, code: int) -> Response:
    page = f"<html><head><title>{words}</title></head><body><h1>Error {code}: {words}</h1></body></html>"
    return Response(page, status_code=status, media_type="text/html")
