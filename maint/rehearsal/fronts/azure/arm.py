"""What every Azure resource has in common: envelopes, routing by path, long-running operations."""

import asyncio
import json
import re
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from maint.rehearsal.clock import WorldClock

SUBSCRIPTION = "5c2f4d1e-0000-4000-8000-00000000a1b2"
GROUP = "rg-payments-prd"
LOCATION = "eastus"
GROUP_ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"

Handler = Callable[["Call"], Awaitable[Response]]


class ArmError(Exception):
    """An answer in Resource Manager's error envelope."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: list[dict[str, Any]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.details, self.headers = details, headers

    def response(self) -> Response:
        """Return it as it goes over the wire."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.details is not None:
            error["details"] = self.details
        return JSONResponse({"error": error}, status_code=self.status, headers=self.headers)


@dataclass
class Call:
    """One request to a resource: names holds the parts of the path that its route names."""

    request: Request
    names: dict[str, str]

    @property
    def base(self) -> str:
        """The address that links in answers start with."""
        url, root = self.request.url, self.request.scope.get("root_path", "")
        return f"{url.scheme}://{self.request.headers.get('host', url.netloc)}{root}"

    @property
    def version(self) -> str:
        """The api-version that was asked for."""
        return self.request.query_params["api-version"]

    async def body(self) -> dict[str, Any]:
        """Return the JSON object that was sent; raises ArmError when it is none."""
        try:
            found = json.loads(await self.request.body())
        except ValueError as error:
            raise invalid("InvalidRequestContent", f"The request content was invalid: '{error}'.") from error
        if not isinstance(found, dict):
            raise invalid("InvalidRequestContent", "The request content was invalid: an object is expected.")
        return found


def invalid(code: str, message: str) -> ArmError:
    """Return the 400 that says what is wrong with a body."""
    return ArmError(400, code, message, details=[])


def not_found(kind: str, name: str) -> ArmError:
    """Return the 404 of a resource that the group does not have."""
    return ArmError(
        404,
        "ResourceNotFound",
        f"The Resource '{kind}/{name}' under resource group '{GROUP}' was not found. For more details "
        "please go to https://aka.ms/ARMResourceNotFoundFix",
    )


@dataclass
class Mode:
    """How the network's resources meet two writers, and how the first world's servers are in the pool.

    if_match: honoured or ignored. busy: what a busy resource does, conflict, throttle or supersede. members: by
    address, by (network) interface, or mixed.
    """

    if_match: str = "honoured"
    busy: str = "conflict"
    members: str = "address"


def etag() -> str:
    """Return a new etag."""
    return f'W/"{uuid.uuid4()}"'


def etag_mismatch(wanted: str | None, live: str, resource: str) -> ArmError:
    """Return the 412 of a write that started from a read that is no longer true."""
    message = (
        f"Etag provided in if-match header {wanted} does not match etag {live} of resource {resource} "
        "in NRP data store."
    )
    details = [{"code": "PreconditionFailedEtagMismatch", "message": message}]
    return ArmError(412, "PreconditionFailed", "Precondition failed.", details=details)


def stamp(when: datetime) -> str:
    """Return a time as Resource Manager writes it."""
    return when.isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass
class Operation:
    """A long-running operation: its state in the vendor's words, and its result."""

    id: str
    namespace: str
    started: datetime
    status: str = "InProgress"
    ended: datetime | None = None
    output: Any = None
    error: dict[str, Any] | None = None
    task: "asyncio.Task[None] | None" = field(default=None, repr=False)

    def path(self, kind: str) -> str:
        """Return the path under which it is polled: kind is operations or operationResults."""
        return f"/subscriptions/{SUBSCRIPTION}/providers/{self.namespace}/locations/{LOCATION}/{kind}/{self.id}"


class OperationFailedError(Exception):
    """Ends the operation that raises it: Failed, with this code and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class Operations:
    """Every long-running operation of one world, each a task in world time."""

    def __init__(self, clock: WorldClock) -> None:
        self._clock = clock
        self._known: dict[str, Operation] = {}

    def start(self, namespace: str, work: Coroutine[Any, Any, Any]) -> Operation:
        """Begin an operation; it succeeds with what `work` returns."""
        operation = Operation(str(uuid.uuid4()), namespace, self._clock.now())
        self._known[operation.id] = operation
        operation.task = asyncio.get_running_loop().create_task(self._run(operation, work))
        return operation

    async def _run(self, operation: Operation, work: Coroutine[Any, Any, Any]) -> None:
        try:
            operation.output = await work
            operation.status = "Succeeded"
        except OperationFailedError as error:
            operation.status = "Failed"
            operation.error = {"code": error.code, "message": error.message, "details": []}
        finally:
            operation.ended = self._clock.now()

    def supersede(self, operation: Operation, code: str, message: str) -> None:
        """End an operation Canceled because another takes its place."""
        if operation.task:
            operation.task.cancel()
        operation.status, operation.ended = "Canceled", self._clock.now()
        operation.error = {"code": code, "message": message, "details": []}

    def busy(self) -> bool:
        """Say whether one is in progress."""
        return any(o.status == "InProgress" for o in self._known.values())

    def close(self) -> None:
        """Cancel whatever is in progress: this world is over."""
        for operation in self._known.values():
            if operation.task:
                operation.task.cancel()

    def _find(self, call: Call) -> Operation:
        operation = self._known.get(call.names["id"].lower())
        if operation is None:
            raise ArmError(404, "OperationNotFound", f"The operation '{call.names['id']}' was not found.")
        return operation

    async def status(self, call: Call) -> Response:
        """Answer a poll of the Azure-AsyncOperation URL, or of Compute's Location, which is its sister."""
        operation = self._find(call)
        if call.request.query_params.get("monitor", "").lower() == "true":
            return await self.result(call)
        body: dict[str, Any] = {"status": operation.status}
        if operation.namespace == "Microsoft.Compute":
            body = {"startTime": stamp(operation.started), **body, "name": operation.id}
            if operation.ended:
                body["endTime"] = stamp(operation.ended)
            if operation.output is not None:
                body["properties"] = {"output": operation.output}
        if operation.error:
            body["error"] = operation.error
        return JSONResponse(body)

    async def result(self, call: Call) -> Response:
        """Answer a poll of the Location URL: 202 while it runs, then the result itself."""
        operation = self._find(call)
        if operation.status == "InProgress":
            return Response(status_code=202, headers={"Location": str(call.request.url)})
        if operation.error:
            return JSONResponse({"error": operation.error}, status_code=409)
        return JSONResponse(operation.output) if operation.output is not None else Response(status_code=200)


class Router:
    """Routes by method and path, whatever the casing, with Resource Manager's answers to the rest."""

    def __init__(self) -> None:
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []

    def add(self, method: str, path: str, handler: Handler) -> None:
        """Take requests of a method to a path in which {name} stands for one segment."""
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path))
        self._routes.append((method, re.compile(f"^{pattern}/?$", re.IGNORECASE), handler))

    async def answer(self, request: Request, path: str) -> Response:
        """Return the answer to one request, errors in their envelope included."""
        try:
            return await self._answer(request, path)
        except ArmError as error:
            return error.response()

    async def _answer(self, request: Request, path: str) -> Response:
        _check_caller(request)
        known = False
        for method, pattern, handler in self._routes:
            if match := pattern.match(path):
                known = True
                if not _ours(match.groupdict()):
                    break
                if method == request.method:
                    return await handler(Call(request, match.groupdict()))
        else:
            if known:
                raise _method(request.method)
        raise _unknown(path, request.query_params["api-version"])


def _method(method: str) -> ArmError:
    text = f"The requested resource does not support http method '{method}'."
    return ArmError(405, "MethodNotAllowed", text)


def _ours(names: dict[str, str]) -> bool:
    """Say whether a path's subscription and resource group, where it names them, are those of this world."""
    subscription, group = names.get("subscription", SUBSCRIPTION), names.get("group", GROUP)
    return subscription.lower() == SUBSCRIPTION and group.lower() == GROUP


def _check_caller(request: Request) -> None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if not scheme:
        message = "Authentication failed. The 'Authorization' header is missing."
        raise ArmError(401, "AuthenticationFailed", message, headers={"WWW-Authenticate": "Bearer"})
    if scheme.lower() != "bearer" or not token.strip() or token.startswith("wrong"):
        message = "The access token is invalid."
        raise ArmError(401, "InvalidAuthenticationToken", message, headers={"WWW-Authenticate": "Bearer"})
    version = request.query_params.get("api-version")
    if not version:
        raise ArmError(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}(-preview)?", version):
        raise ArmError(400, "InvalidApiVersionParameter", f"The api-version '{version}' is invalid.")


def _unknown(path: str, version: str) -> ArmError:
    """Return Resource Manager's own error for a path that leads nowhere here."""
    parts = [p for p in path.split("/") if p]
    lower = [p.lower() for p in parts]
    if len(parts) < 2 or lower[0] != "subscriptions":
        return ArmError(404, "NotFound", "The requested path was not found.")
    if lower[1] != SUBSCRIPTION:
        return ArmError(404, "SubscriptionNotFound", f"The subscription '{parts[1]}' could not be found.")
    if len(parts) > 3 and lower[2] == "resourcegroups" and lower[3] != GROUP:
        return ArmError(404, "ResourceGroupNotFound", f"Resource group '{parts[3]}' could not be found.")
    if "providers" not in lower or lower.index("providers") + 2 >= len(parts):
        return ArmError(404, "NotFound", "The requested path was not found.")
    at = lower.index("providers")
    kind = "/".join(parts[at + 2 :: 2])
    return ArmError(
        404,
        "InvalidResourceType",
        f"The resource type '{kind}' could not be found in the namespace '{parts[at + 1]}' for api version "
        f"'{version}'.",
    )
