"""Pingdom's API, version 3.1, over HTTP: a bearer token, and errors in its own envelope."""

import json
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from maint.rehearsal.clock import WorldClock
from maint.rehearsal.front import History
from maint.rehearsal.fronts.pingdom.windows import Account, Check, Refused

OPERATOR = "Maintenance Operator"
_LIMITS = {
    "Req-Limit-Short": "Remaining: 394 Time until reset: 3589",
    "Req-Limit-Long": "Remaining: 71994 Time until reset: 2591989",
}
_ORDERS = {"description": "description", "from": "begins", "to": "ends", "effectiveto": "effective"}
Handler = Callable[[Request, dict[str, Any]], dict[str, Any]]


class PingdomFront:
    """Checks and maintenance windows of one customer.

    Any token is good that is not empty and does not begin with "wrong". clock says what is past, in force or to come.
    """

    name = "pingdom"
    prefix = "/pingdom"

    def __init__(self, clock: WorldClock, history: History) -> None:
        self._clock, self._history = clock, history
        self._account = Account()

    def routes(self) -> Sequence[BaseRoute]:
        """Return what was taught, and Pingdom's answer to anything else."""
        table: tuple[tuple[str, str, Handler], ...] = (
            ("/checks", "GET", self._checks),
            ("/checks", "PUT", self._change_checks),
            ("/checks/{id:int}", "PUT", self._change_check),
            ("/maintenance", "GET", self._windows),
            ("/maintenance", "POST", self._create),
            ("/maintenance", "DELETE", self._delete_many),
            ("/maintenance/{id:int}", "GET", self._window),
            ("/maintenance/{id:int}", "PUT", self._modify),
            ("/maintenance/{id:int}", "DELETE", self._delete),
            ("/maintenance.occurrences", "GET", self._occurrences),
            ("/maintenance.occurrences/{id:int}", "GET", self._occurrence),
        )
        return [
            *(Route(f"/api/3.1{path}", _guarded(handle), methods=[method]) for path, method, handle in table),
            Route("/{path:path}", _guarded(_nothing_here), methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
        ]

    def reversible(self) -> dict[str, Any]:
        """Return the maintenance windows in force by name and checks, and the paused checks."""
        now, account = self._clock.now().timestamp(), self._account
        in_force = [w for w in account.windows.values() if w.in_force(now)]
        named = (f"{w.description}: {', '.join(account.checks[c].name for c in w.checks)}" for w in in_force)
        paused = sorted(check.name for check in account.checks.values() if check.paused)
        return {"maintenance windows in force": sorted(named), "paused checks": paused}

    def one_way(self) -> dict[str, Any]:
        """Return nothing: what is done to checks and windows can be undone."""
        return {}

    def busy(self) -> bool:
        """Return False: Pingdom answers when it is done."""
        return False

    async def edit(self, resource: str, change: dict[str, Any]) -> Response:
        """Change a check (`checks/NAME`) or a window (any other resource is its description), as another person.

        change: a check's {"paused"}; a window's fields as the API takes them, or {"deleted": true}; "by" the person.
        """
        by = str(change.get("by", "Priya Nair"))
        fields = {key: value for key, value in change.items() if key not in ("by", "deleted")}
        kind, _, name = resource.partition("/")
        try:
            if kind == "checks":
                found = next((c for c in self._account.checks.values() if c.name == name), None)
                if found is None:
                    raise Refused(404, "Check not found")  # noqa: TRY301 - answered like any other refusal
                return JSONResponse(self._set_check(found, fields, by))
            window = next((w for w in self._account.windows.values() if w.description == resource), None)
            if change.get("deleted"):
                answer = self._remove([window.id if window else 0], by)
            elif window:
                answer = self._put(window.id, fields, by)
            else:
                answer = self._post({"description": resource, **fields}, by)
        except Refused as refused:
            return _refusal(refused)
        return JSONResponse(answer)

    @property
    def _now(self) -> int:
        return int(self._clock.now().timestamp())

    def _checks(self, request: Request, given: dict[str, Any]) -> dict[str, Any]:
        everything = [check.answer(self._now) for check in self._account.checks.values()]
        some = _part(everything, given, most=25_000)
        counts = {"total": len(everything), "limited": len(some), "filtered": len(everything)}
        return {"checks": some, "counts": counts}

    def _change_check(self, request: Request, given: dict[str, Any]) -> dict[str, Any]:
        found = self._account.checks.get(request.path_params["id"])
        if found is None:
            raise Refused(404, "Check not found")
        return self._set_check(found, given, OPERATOR)

    def _set_check(self, check: Check, given: dict[str, Any], by: str) -> dict[str, Any]:
        _refuse_unknown(given, {"paused", "name", "resolution"})
        check.paused = _truth(given.get("paused", check.paused))
        check.name = str(given.get("name", check.name))
        check.resolution = _number("resolution", given.get("resolution", check.resolution))
        self._history(f"Pingdom: {by} changed the check {check.name}, now {'paused' if check.paused else 'running'}")
        return {"message": "Modification of check was successful!"}

    def _change_checks(self, request: Request, given: dict[str, Any]) -> dict[str, Any]:
        """Change many at once; without ids that is every check there is, as with the real one."""
        _refuse_unknown(given, {"paused", "resolution", "checkids"})
        wanted = [part.strip() for part in str(given.pop("checkids", "")).split(",") if part.strip()]
        found = [c for c in self._account.checks.values() if not wanted or str(c.id) in wanted]
        for check in found:
            self._set_check(check, given, OPERATOR)
        return {"message": f"Modification of {len(found)} checks was successful!"}

    def _windows(self, request: Request, given: dict[str, Any]) -> dict[str, Any]:
        found = list(self._account.windows.values())
        if order := given.get("orderby"):
            if order not in _ORDERS:
                raise Refused(400, "Invalid parameter value: orderby")
            found.sort(key=lambda w: getattr(w, _ORDERS[order]), reverse=given.get("order") == "desc")
        return {"maintenance": [w.answer() for w in _part(found, given, most=len(found))]}

    def _window(self, request: Request, given: dict[str, Any]) -> dict[str, Any]:
        return {"maintenance": self._account.window(request.path_params["id"]).answer()}

    def _create(self, request: Request, given: dict[str, Any]) -> dict[str, Any]:
        return self._post(given, OPERATOR)

    def _post(self, given: dict[str, Any], by: str) -> dict[str, Any]:
        made = self._account.create(given, self._now)
        names = ", ".join(self._account.checks[c].name for c in made.checks)
        self._history(f'Pingdom: {by} created the maintenance window "{made.description}" for {names or "no check"}')
        return {"maintenance": {"id": made.id}}

    def _modify(self, request: Request, given: dict[str, Any]) -> dict[str, Any]:
        return self._put(request.path_params["id"], given, OPERATOR)

    def _put(self, number: int, given: dict[str, Any], by: str) -> dict[str, Any]:
        changed = self._account.modify(number, given, self._now)
        words = "changed" if changed.ends > self._now else "ended"
        self._history(f'Pingdom: {by} {words} the maintenance window "{changed.description}"')
        return {"message": "Maintenance window successfully modified!"}

    def _delete(self, request: Request, given: dict[str, Any]) -> dict[str, Any]:
        return self._remove([request.path_params["id"]], OPERATOR)

    def _delete_many(self, request: Request, given: dict[str, Any]) -> dict[str, Any]:
        numbers = [_number("maintenanceids", part) for part in str(given.get("maintenanceids", "")).split(",")]
        answer = self._remove(numbers, OPERATOR)
        return {**answer, "message": f"{len(numbers)} maintenance windows successfully deleted."}

    def _remove(self, numbers: list[int], by: str) -> dict[str, Any]:
        names = [self._account.window(number).description for number in numbers]
        self._account.delete(numbers, self._now)
        for name in names:
            self._history(f'Pingdom: {by} deleted the maintenance window "{name}"')
        return {"message": "Maintenance window successfully deleted!"}

    def _occurrences(self, request: Request, given: dict[str, Any]) -> dict[str, Any]:
        since = _number("from", given.get("from", self._now))
        until = _number("to", given["to"]) if "to" in given else None
        of = _number("maintenanceid", given["maintenanceid"]) if "maintenanceid" in given else None
        found = [
            window.occurrence()
            for window in self._account.windows.values()
            if window.ends > since and (until is None or window.begins < until) and of in (None, window.id)
        ]
        return {"occurrences": found}

    def _occurrence(self, request: Request, given: dict[str, Any]) -> dict[str, Any]:
        every = (window.occurrence() for window in self._account.windows.values())
        found = next((one for one in every if one["id"] == request.path_params["id"]), None)
        if found is None:
            raise Refused(404, "Maintenance occurrence not found")
        return {"occurrence": found}


def _guarded(handle: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def guarded(request: Request) -> Response:
        try:
            kind, _, token = request.headers.get("authorization", "").partition(" ")
            if kind != "Bearer" or not token or token.startswith("wrong"):
                raise Refused(401, "Invalid access token")  # noqa: TRY301 - answered like any other refusal
            answer = handle(request, await _given(request))
        except Refused as refused:
            return _refusal(refused)
        return JSONResponse(answer, headers=_LIMITS)

    return guarded


async def _given(request: Request) -> dict[str, Any]:
    """Return a call's parameters from address, form or JSON; raises Refused."""
    given: dict[str, Any] = dict(request.query_params)
    body = await request.body()
    if not body:
        return given
    if not request.headers.get("content-type", "").startswith("application/json"):
        return given | dict(parse_qsl(body.decode()))
    try:
        read = json.loads(body)
    except ValueError as error:
        raise Refused(400, "Invalid JSON in the request body") from error
    if not isinstance(read, dict):
        raise Refused(400, "Invalid JSON in the request body")
    return given | read


def _part(everything: list[Any], given: dict[str, Any], most: int) -> list[Any]:
    first = _number("offset", given.get("offset", 0))
    return everything[first : first + _number("limit", given.get("limit", most))]


def _number(name: str, value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise Refused(400, f"Invalid parameter value: {name}") from error


def _truth(value: Any) -> bool:
    if str(value).lower() not in ("true", "false"):
        raise Refused(400, "Invalid parameter value: paused")
    return str(value).lower() == "true"


def _refuse_unknown(given: dict[str, Any], allowed: set[str]) -> None:
    if unknown := sorted(set(given) - allowed):
        raise Refused(400, f"Invalid parameter: {unknown[0]}")


def _nothing_here(request: Request, given: dict[str, Any]) -> dict[str, Any]:
    raise Refused(404, "Not Found")


def _refusal(refused: Refused) -> Response:
    words = HTTPStatus(refused.status).phrase
    error = {"statuscode": refused.status, "statusdesc": words, "errormessage": refused.message}
    return JSONResponse({"error": error}, status_code=refused.status, headers=_LIMITS)
