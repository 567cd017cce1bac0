"""Cloudflare's API, version 4, over HTTP: its envelope, its paging, and a bearer token."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from maint.rehearsal.clock import WorldClock
from maint.rehearsal.front import History, told_to_fail
from maint.rehearsal.fronts.cloudflare.edge import Cache
from maint.rehearsal.fronts.cloudflare.zone import ZONE, Record, Refused, Zone, full

OPERATOR = "Maintenance Operator"
_LIMITS = {"ratelimit": '"default";r=1199;t=300', "ratelimit-policy": '"default";q=1200;w=300'}
_ACCOUNT = {"id": "0a1b2c3d4e5f60718293a4b5c6d7e8f9", "name": "Payments"}
_PURGES = ("purge_everything", "hosts", "files", "prefixes", "tags")
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class CloudflareFront:
    """One zone, with the records of several people.

    Any token is good that is not empty and does not begin with "wrong". clock dates the records, and the edge
    follows a change some seconds later.
    """

    name = "cloudflare"
    prefix = "/cloudflare"

    def __init__(self, clock: WorldClock, history: History) -> None:
        self._history = history
        self.zone, self.cache = Zone(clock), Cache(clock)

    def routes(self) -> Sequence[BaseRoute]:
        """Return what was taught, and Cloudflare's answer to anything else."""
        zone = "/client/v4/zones/{zone}"
        return [
            Route("/client/v4/user/tokens/verify", self._guarded(_token), methods=["GET"]),
            Route("/client/v4/zones", self._guarded(self._zones), methods=["GET"]),
            Route(zone, self._guarded(self._zone), methods=["GET"]),
            Route(f"{zone}/dns_records", self._guarded(self._list), methods=["GET"]),
            Route(f"{zone}/dns_records", self._guarded(self._create), methods=["POST"]),
            Route(f"{zone}/dns_records/batch", self._guarded(self._batch), methods=["POST"]),
            Route(f"{zone}/dns_records/{{record}}", self._guarded(self._get), methods=["GET"]),
            Route(f"{zone}/dns_records/{{record}}", self._guarded(self._change), methods=["PATCH", "PUT"]),
            Route(f"{zone}/dns_records/{{record}}", self._guarded(self._delete), methods=["DELETE"]),
            Route(f"{zone}/purge_cache", self._guarded(self._purge), methods=["POST"]),
            Route("/{path:path}", self._guarded(_nothing_here), methods=_METHODS),
        ]

    def reversible(self) -> dict[str, Any]:
        """Return every record by its name and type, as it is held."""
        found: dict[str, list[str]] = {}
        for record in self.zone.records.values():
            found.setdefault(f"{record.name} {record.type}", []).append(record.described())
        return {"records": {name: sorted(held) for name, held in found.items()}}

    def one_way(self) -> dict[str, Any]:
        """Return nothing: a record that was changed or removed can be put back."""
        return {}

    def busy(self) -> bool:
        """Say whether the edge is still to follow a change."""
        return self.zone.propagating()

    async def edit(self, resource: str, change: dict[str, Any]) -> Response:
        """Create, change or (`{"deleted": true}`) delete the record of this name, as another person.

        change otherwise holds the record's fields, "type" to say which one is meant, and "by" the person's name.
        """
        by = str(change.get("by", "Priya Nair"))
        body = {key: value for key, value in change.items() if key not in ("by", "deleted")}
        records = [r for r in self.zone.records.values() if r.name == full(resource)]
        found = next((r for r in records if body.get("type") in (None, r.type)), None)
        try:
            if change.get("deleted") and found is None:
                raise Refused(404, 81044, "Record does not exist.")  # noqa: TRY301 - answered like any other refusal
            if found and change.get("deleted"):
                self._store(by, removed=[found.id])
                return _envelope({"id": found.id})
            body = {"name": resource, **body}
            record = self.zone.changed(found, body, whole=False) if found else self.zone.made(body)
            self._store(by, put=[record])
        except Refused as refused:
            return _refusal(refused)
        return _envelope(record.answer())

    def _guarded(self, handle: Callable[[Request], Any]) -> Callable[[Request], Any]:
        async def guarded(request: Request) -> Response:
            try:
                _check_token(request)
                if request.path_params.get("zone", self.zone.id) != self.zone.id:
                    where = f"/zones/{request.path_params['zone']}"
                    raise Refused(  # noqa: TRY301 - answered like any other refusal
                        404, 7003, f"Could not route to {where}, perhaps your object identifier is invalid?"
                    )
                answer = handle(request)
                found: Response = answer if isinstance(answer, Response) else await answer
            except Refused as refused:
                return _refusal(refused)
            return found

        return guarded

    def _zones(self, request: Request) -> Response:
        named = request.query_params.get("name")
        found = [self._zone_answer()] if named in (None, ZONE) else []
        return _page(request, found, default=20)

    def _zone(self, request: Request) -> Response:
        return _envelope(self._zone_answer())

    def _zone_answer(self) -> dict[str, Any]:
        return {
            "id": self.zone.id,
            "name": ZONE,
            "status": "active",
            "paused": False,
            "type": "full",
            "development_mode": 0,
            "name_servers": ["ada.ns.cloudflare.com", "bob.ns.cloudflare.com"],
            "created_on": "2019-02-11T15:00:00.000000Z",
            "modified_on": "2024-12-02T15:00:00.000000Z",
            "activated_on": "2019-02-12T15:00:00.000000Z",
            "account": _ACCOUNT,
            "owner": {"id": None, "type": "user", "email": None},
            "plan": {"id": "business", "name": "Business", "is_subscribed": True},
            "meta": {"step": 4, "phishing_detected": False},
            "permissions": ["#dns_records:edit", "#dns_records:read", "#zone:read", "#cache_purge:edit"],
        }

    def _list(self, request: Request) -> Response:
        found = [r for r in self.zone.records.values() if _matches(r, request)]
        answers = [r.answer() for r in sorted(found, key=lambda r: (r.name, r.type, r.content))]
        return _page(request, answers, default=100)

    def _get(self, request: Request) -> Response:
        return _envelope(self.zone.get(request.path_params["record"]).answer())

    async def _create(self, request: Request) -> Response:
        record = self.zone.made(await _body(request))
        return self._written(request, put=[record])

    async def _change(self, request: Request) -> Response:
        old = self.zone.get(request.path_params["record"])
        record = self.zone.changed(old, await _body(request), whole=request.method == "PUT")
        return self._written(request, put=[record])

    def _delete(self, request: Request) -> Response:
        record = self.zone.get(request.path_params["record"])
        if told_to_fail(request):
            return _failure()
        self._store(OPERATOR, removed=[record.id])
        return _envelope({"id": record.id})

    def _written(self, request: Request, put: list[Record]) -> Response:
        if told_to_fail(request):
            return _failure()
        self._store(OPERATOR, put=put)
        return _envelope(put[0].answer())

    async def _batch(self, request: Request) -> Response:
        """Delete, patch, put and post, in this order, all or nothing."""
        body, zone = await _body(request), self.zone
        deletes = [zone.get(str(one.get("id"))) for one in body.get("deletes") or []]
        patches = [zone.changed(zone.get(str(one.get("id"))), one, whole=False) for one in body.get("patches") or []]
        puts = [zone.changed(zone.get(str(one.get("id"))), one, whole=True) for one in body.get("puts") or []]
        posts = [zone.made(one) for one in body.get("posts") or []]
        if told_to_fail(request):
            return _failure()
        self._store(OPERATOR, removed=[r.id for r in deletes], put=[*patches, *puts, *posts])
        parts = {"deletes": deletes, "patches": patches, "puts": puts, "posts": posts}
        return _envelope({part: [r.answer() for r in records] for part, records in parts.items()})

    def _store(self, by: str, removed: Iterable[str] = (), put: Sequence[Record] = ()) -> None:
        removed = list(removed)
        before = dict(self.zone.records)
        self.zone.store(removed, put)
        for identity in removed:
            old = before[identity]
            self._history(f"Cloudflare: {by} deleted {old.name} {old.type} {old.content}")
        for record in put:
            known = before.get(record.id)
            words = f"changed {known.name} {known.type} from {known.content}" if known else f"created {record.name}"
            self._history(f"Cloudflare: {by} {words} to {record.type} {record.described()}")

    async def _purge(self, request: Request) -> Response:
        body = await _body(request)
        named = [key for key in _PURGES if body.get(key)]
        if len(named) != 1:
            raise Refused(400, 1012, f"Request must contain one of {', '.join(_PURGES)}")
        if told_to_fail(request):
            return _failure()
        what, cache = named[0], self.cache
        if what == "purge_everything":
            cache.purge_everything()
        elif what == "files":
            cache.purge(addresses=[one if isinstance(one, str) else str(one.get("url")) for one in body["files"]])
        elif what == "hosts":
            cache.purge(hosts=body["hosts"])
        elif what == "prefixes":
            cache.purge(prefixes=body["prefixes"])
        self._history(f"Cloudflare: {OPERATOR} purged the cache ({what.replace('_', ' ')})")
        return _envelope({"id": self.zone.id})


def _token(request: Request) -> Response:
    words = "This API Token is valid and active"
    return _envelope(
        {"id": "c0ffee00c0ffee00c0ffee00c0ffee00", "status": "active", "expires_on": "2026-01-31T23:59:59Z"},
        messages=[{"code": 10000, "message": words, "type": None}],
    )


def _nothing_here(request: Request) -> Response:
    where = request.url.path.partition("/client/v4")[2]
    raise Refused(404, 7000, f"No route for that URI: {where}")


def _check_token(request: Request) -> None:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if not kind:
        raise Refused(400, 9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers")
    if kind != "Bearer" or not token:
        raise Refused(400, 6003, "Invalid request headers")
    if token.startswith("wrong"):
        raise Refused(403, 9109, "Invalid access token")


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except ValueError as error:
        raise Refused(400, 9207, "Request body is invalid.") from error
    if not isinstance(body, dict):
        raise Refused(400, 9207, "Request body is invalid.")
    return body


def _matches(record: Record, request: Request) -> bool:
    wanted = {key.lower(): value.lower() for key, value in request.query_params.items()}
    fields = {"name": record.name, "content": record.content.lower(), "comment": (record.comment or "").lower()}
    for name, held in fields.items():
        for test, suits in (
            ("", held.__eq__),
            (".exact", held.__eq__),
            (".contains", held.__contains__),
            (".startswith", held.startswith),
            (".endswith", held.endswith),
        ):
            if f"{name}{test}" in wanted and not suits(wanted[f"{name}{test}"]):
                return False
    if wanted.get("type", record.type.lower()) != record.type.lower():
        return False
    return wanted.get("proxied", str(record.proxied).lower()) == str(record.proxied).lower()


def _page(request: Request, found: list[dict[str, Any]], default: int) -> Response:
    """Return one page; a page after the last is empty, which is how Cloudflare's own clients know the end."""
    try:
        page = max(1, int(float(request.query_params.get("page", 1))))
        size = int(float(request.query_params.get("per_page", default)))
    except ValueError as error:
        raise Refused(400, 1001, "Invalid page or per_page") from error
    if size < 1:
        raise Refused(400, 1001, "Invalid page or per_page")
    part = found[(page - 1) * size : page * size]
    counts = {"page": page, "per_page": size, "count": len(part), "total_count": len(found)}
    return _envelope(part, result_info={**counts, "total_pages": -(-len(found) // size)})


def _envelope(result: Any, *, messages: Sequence[Any] = (), **more: Any) -> Response:
    body = {"success": True, "errors": [], "messages": list(messages), "result": result, **more}
    return JSONResponse(body, headers=_LIMITS)


def _failure() -> Response:
    return _refusal(Refused(200, 10001, "Unable to process the request, please try again."))


def _refusal(refused: Refused) -> Response:
    errors = [{"code": refused.code, "message": refused.message}]
    body = {"success": False, "errors": errors, "messages": [], "result": None}
    return JSONResponse(body, status_code=refused.status, headers=_LIMITS)
