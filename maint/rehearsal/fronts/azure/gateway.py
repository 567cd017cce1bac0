"""The application gateway: read, full-replace PUT, tags, backend health; one operation at a time."""

import copy
import hashlib
import json
import math
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse, Response

from maint.rehearsal.balancer import Balancer
from maint.rehearsal.clock import WorldClock
from maint.rehearsal.fleet import Fleet
from maint.rehearsal.front import History, told_to_fail
from maint.rehearsal.fronts.azure.arm import (
    ArmError,
    Call,
    Operation,
    OperationFailedError,
    Operations,
    not_found,
)
from maint.rehearsal.fronts.azure.gateway_body import accepted, children, rendered
from maint.rehearsal.fronts.azure.gateway_document import GATEWAY_ID, KIND, NAME, first_gateway, listener, rule

PUT_SECONDS = 20.0
HEALTH_SECONDS = 8.0
NAMESPACE = "Microsoft.Network"
SUPERSEDED = "CanceledAndSupersededDueToAnotherOperation"


@dataclass
class Mode:
    """How the gateway meets two writers: If-Match honoured or ignored, and what a busy gateway does."""

    if_match: str = "honoured"
    busy: str = "conflict"


class Gateway:
    """The one application gateway: the document as accepted, and the data plane that follows it."""

    def __init__(
        self,
        clock: WorldClock,
        history: History,
        fleet: Fleet,
        *,
        balancer: Balancer,
        operations: Operations,
        mode: Mode,
    ) -> None:
        self._clock, self._tell, self._fleet = clock, history, fleet
        self._balancer, self._operations, self._mode = balancer, operations, mode
        first = first_gateway([s.address for s in fleet.servers.values()])
        for collection, entry in children(first):
            entry["id"] = f"{GATEWAY_ID}/{collection}/{entry['name']}"
        self._stored = first
        self._state, self._etag = "Succeeded", _etag()
        self._operation: Operation | None = None
        balancer.configure(first, new=True)

    def document(self) -> dict[str, Any]:
        """Return the gateway as GET shows it."""
        return rendered(self._stored, name=NAME, etag=self._etag, state=self._state)

    async def get(self, call: Call) -> Response:
        """Answer a read."""
        _check_name(call)
        return JSONResponse(self.document(), headers={"ETag": self._etag})

    async def every(self, call: Call) -> Response:
        """Answer with all gateways of the group: there is one."""
        return JSONResponse({"value": [self.document()]})

    async def put(self, call: Call) -> Response:
        """Accept a full replacement and begin its operation; it is in effect when that has succeeded."""
        if call.names["name"].lower() != NAME:
            raise ArmError(
                403,
                "AuthorizationFailed",
                "The client does not have authorization to perform action "
                f"'{KIND}/write' over scope '{call.request.url.path}' or the scope is invalid.",
            )
        sent = await call.body()
        self._check_match(call.request.headers.get("if-match"))
        wanted = accepted(sent, self._stored)
        operation = self._replace(wanted, call.base, call.version, fail=told_to_fail(call.request))
        headers = {
            "ETag": self._etag,
            "Azure-AsyncOperation": f"{call.base}{operation.path('operations')}?api-version={call.version}",
        }
        return JSONResponse(self.document(), headers=headers)

    async def patch(self, call: Call) -> Response:
        """Replace the tags; nothing else can be patched."""
        _check_name(call)
        sent = await call.body()
        self._check_match(call.request.headers.get("if-match"))
        if self._mode.busy != "supersede":
            self._check_idle(call.base, call.version)
        self._stored = {**self._stored, "tags": sent.get("tags") or {}}
        self._etag = _etag()
        self._tell("the gateway's tags were changed")
        return JSONResponse(self.document(), headers={"ETag": self._etag})

    async def health(self, call: Call) -> Response:
        """Begin a look at the backends' health; the answer is where Location points."""
        _check_name(call)
        operation = self._operations.start(NAMESPACE, self._look())
        where = f"{call.base}{operation.path('operationResults')}?api-version={call.version}"
        return Response(status_code=202, headers={"Location": where})

    async def _look(self) -> dict[str, Any]:
        await self._clock.sleep(HEALTH_SECONDS)
        pools: list[dict[str, Any]] = []
        for routing in self._stored["properties"]["requestRoutingRules"]:
            properties = routing["properties"]
            pool, settings = properties.get("backendAddressPool"), properties.get("backendHttpSettings")
            if pool and settings:
                servers = self._balancer.health(pool["id"].rsplit("/", 1)[-1])
                entry = {
                    "backendHttpSettings": {"id": settings["id"]},
                    "servers": [{"address": a, "health": h, "healthProbeLog": log} for a, h, log in servers],
                }
                known = next((p for p in pools if p["backendAddressPool"]["id"] == pool["id"]), None)
                if known is None:
                    known = {"backendAddressPool": {"id": pool["id"]}, "backendHttpSettingsCollection": []}
                    pools.append(known)
                known["backendHttpSettingsCollection"].append(entry)
        return {"backendAddressPools": pools}

    def change(self, change: dict[str, Any], base: str) -> Response:
        """Make somebody else's edit, as the portal would: read, change, write under the etag just read.

        drain / put_back: server names; add_rule: a name; tags: a dict. Raises ArmError like any write.
        """
        wanted = copy.deepcopy(self._stored)
        properties = wanted["properties"]
        for pool in properties["backendAddressPools"]:
            if pool["name"] == "pool-www":
                entries = pool["properties"].get("backendAddresses", [])
                out = self._addresses(change.get("drain", []))
                back = self._addresses(change.get("put_back", []))
                kept = [e for e in entries if e.get("ipAddress") not in out + back]
                pool["properties"]["backendAddresses"] = kept + [{"ipAddress": a} for a in back]
        if name := change.get("add_rule"):
            _add_rule(properties, name)
        wanted["tags"] = {**wanted.get("tags", {}), **change.get("tags", {})}
        before = json.dumps(self._stored, sort_keys=True)
        if json.dumps(wanted, sort_keys=True) == before:
            raise ArmError(400, "NothingToChange", "The change leaves the gateway as it is.")
        self._replace(accepted(wanted, self._stored), base, "2026-03-01", fail=False)
        return JSONResponse(self.document())

    def _addresses(self, names: Iterable[str]) -> list[str]:
        found = [self._fleet.named(n) for n in names]
        return [s.address for s in found if s]

    def _check_match(self, wanted: str | None) -> None:
        if self._mode.if_match == "ignored" or wanted in (None, "*", self._etag):
            return
        message = (
            f"Etag provided in if-match header {wanted} does not match etag {self._etag} of resource "
            f"{GATEWAY_ID} in NRP data store."
        )
        details = [{"code": "PreconditionFailedEtagMismatch", "message": message}]
        raise ArmError(412, "PreconditionFailed", "Precondition failed.", details=details)

    def _check_idle(self, base: str, version: str) -> None:
        operation = self._operation
        if operation is None or operation.status != "InProgress":
            return
        uri = f"{base}{operation.path('operations')}?api-version={version}"
        text = (
            "Another operation on this or dependent resource is in progress. "
            f"To retrieve status of the operation use uri: {uri}."
        )
        if self._mode.busy == "throttle":
            left = PUT_SECONDS / self._clock.speed
            headers = {"Retry-After": str(max(1, math.ceil(left)))}
            code = "RetryableErrorDueToAnotherOperation"
            raise ArmError(429, code, text, details=[], headers=headers)
        raise ArmError(409, "AnotherOperationInProgress", text, details=[])

    def _replace(self, wanted: dict[str, Any], base: str, version: str, *, fail: bool) -> Operation:
        """Store the document, then let it take effect; what was under way is refused or superseded."""
        if self._mode.busy != "supersede":
            self._check_idle(base, version)
        before = self._operation
        operation = self._operations.start(NAMESPACE, self._take_effect(wanted, fail=fail))
        if before and before.status == "InProgress":
            self._operations.supersede(
                before,
                SUPERSEDED,
                f"Operation PutApplicationGatewayOperation ({before.id}) was canceled and superseded by "
                f"operation PutApplicationGatewayOperation ({operation.id}).",
            )
        self._stored, self._etag, self._state = wanted, _etag(), "Updating"
        self._operation = operation
        self._tell(f"the gateway accepted a change; pool-www will have {', '.join(self._members()) or 'nobody'}")
        return operation

    async def _take_effect(self, wanted: dict[str, Any], *, fail: bool) -> None:
        await self._clock.sleep(PUT_SECONDS)
        if fail:
            self._state = "Failed"
            self._tell("the gateway's change failed; the data plane keeps what it had")
            raise OperationFailedError("InternalServerError", "An error occurred.")
        self._state = "Succeeded"
        self._balancer.configure(wanted)
        self._tell(f"the gateway's change is in effect; pool-www has {', '.join(self._members()) or 'nobody'}")

    def _members(self) -> list[str]:
        return self.pools().get("pool-www", [])

    def pools(self) -> dict[str, list[str]]:
        """Return each pool's members as the document has them: servers by name, others by address."""
        found = {}
        for pool in self._stored["properties"]["backendAddressPools"]:
            entries = pool["properties"].get("backendAddresses", [])
            found[pool["name"]] = self._fleet.names([e.get("ipAddress") or e.get("fqdn") for e in entries])
        return found

    def reversible(self) -> dict[str, Any]:
        """Return the pools, accepted and in effect, and a digest of everything else in the document."""
        rest = copy.deepcopy(self._stored)
        for pool in rest["properties"]["backendAddressPools"]:
            pool["properties"].pop("backendAddresses", None)
        text = json.dumps(rest, sort_keys=True)
        return {
            "provisioning_state": self._state,
            "pools": {n: sorted(m, key=_natural) for n, m in self.pools().items()},
            "serving": {
                n: sorted(self._fleet.names(a), key=_natural) for n, a in self._balancer.serving().items() if a
            },
            "rules": sorted(r["name"] for r in self._stored["properties"]["requestRoutingRules"]),
            "tags": self._stored.get("tags") or {},
            "everything_else": hashlib.sha256(text.encode()).hexdigest()[:16],
        }


def _etag() -> str:
    return f'W/"{uuid.uuid4()}"'


def _natural(name: str) -> tuple[int, str]:
    return len(name), name


def _check_name(call: Call) -> None:
    if call.names["name"].lower() != NAME:
        raise not_found(KIND, call.names["name"])


def _add_rule(properties: dict[str, Any], name: str) -> None:
    properties["httpListeners"].append(listener(f"listener-{name}", [f"{name}.invoicecloud.com".lower()]))
    priority = 10 + max(r["properties"]["priority"] for r in properties["requestRoutingRules"])
    added = rule(name, priority, f"listener-{name}", "pool-api", "https-api")
    properties["requestRoutingRules"].append(added)
