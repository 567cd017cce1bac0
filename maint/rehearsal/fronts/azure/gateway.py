"""The application gateway: read, full-replace PUT, tags, backend health; one operation at a time."""

import copy
import hashlib
import json
from collections.abc import Iterable
from typing import Any

from starlette.responses import JSONResponse, Response

from maint.rehearsal.balancer import Balancer
from maint.rehearsal.clock import WorldClock
from maint.rehearsal.fleet import Fleet
from maint.rehearsal.front import History, told_to_fail
from maint.rehearsal.fronts.azure.arm import (
    ArmError,
    Call,
    Mode,
    Operation,
    OperationFailedError,
    Operations,
    etag,
    etag_mismatch,
    not_found,
)
from maint.rehearsal.fronts.azure.gateway_body import accepted, children, rendered
from maint.rehearsal.fronts.azure.gateway_document import GATEWAY_ID, KIND, NAME, first_gateway, listener, rule
from maint.rehearsal.fronts.azure.interfaces import Interfaces, busy_error

PUT_SECONDS = 20.0
HEALTH_SECONDS = 8.0
NAMESPACE = "Microsoft.Network"
POOL = f"{GATEWAY_ID}/backendAddressPools/pool-www"
BY_INTERFACE = {"address": 0, "mixed": 3, "interface": 10}
"""How many of the servers, from the first on, are in the pool by their network interface."""
SUPERSEDED = "CanceledAndSupersededDueToAnotherOperation"


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
        interfaces: Interfaces,
    ) -> None:
        self._clock, self._tell, self._fleet = clock, history, fleet
        self._balancer, self._operations, self._mode = balancer, operations, mode
        self._interfaces = interfaces
        self._dependents: list[Operation] = []
        self._operation: Operation | None = None
        interfaces.attach(self)
        self._lay(mode.members)

    def _lay(self, members: str) -> None:
        """Begin with the whole fleet in the pool, by address, by interface or mixed."""
        addresses = [s.address for s in self._fleet.servers.values()]
        self._by_interface = set(addresses[: BY_INTERFACE[members]])
        first = first_gateway([a for a in addresses if a not in self._by_interface])
        for collection, entry in children(first):
            entry["id"] = f"{GATEWAY_ID}/{collection}/{entry['name']}"
        self._stored = self._in_effect = first
        self._written, self._etag = "Succeeded", etag()
        self._interfaces.lay(self._by_interface, POOL)
        self._balancer.configure(self._whole(first, effective=True), new=True)

    def lay_again(self, members: str) -> None:
        """Lay the pool anew, its members by this kind; raises ValueError unless all are in it and nothing goes on."""
        if self._state != "Succeeded" or len(self._members()) < len(self._fleet.servers):
            raise ValueError("members: only while every server is in the pool and no change is in progress")
        self._lay(members)

    @property
    def _state(self) -> str:
        moving = any(o.status == "InProgress" for o in self._dependents)
        return "Updating" if moving else self._written

    def _whole(self, document: dict[str, Any], *, effective: bool = False) -> dict[str, Any]:
        """Return a document with the members by interface named by their addresses, beside the others."""
        whole = copy.deepcopy(document)
        for pool in whole["properties"]["backendAddressPools"]:
            found = self._interfaces.members(pool["id"], effective=effective)
            entries = pool["properties"].get("backendAddresses") or []
            pool["properties"]["backendAddresses"] = entries + [{"ipAddress": address} for _, address in found]
        return whole

    def document(self) -> dict[str, Any]:
        """Return the gateway as GET shows it, the members by interface included."""
        shown = rendered(self._stored, name=NAME, etag=self._etag, state=self._state)
        for pool in shown["properties"]["backendAddressPools"]:
            if found := self._interfaces.members(pool["id"]):
                pool["properties"]["backendIPConfigurations"] = [{"id": one} for one, _ in found]
        return shown

    def admit(self, base: str, version: str) -> None:
        """Raise ArmError while another operation holds the gateway, unless the mode lets one supersede another."""
        if self._mode.busy != "supersede":
            self._check_idle(base, version)

    def hold(self, operation: Operation) -> None:
        """Be updating until an interface's operation is over."""
        self._dependents = [o for o in self._dependents if o.status == "InProgress"] + [operation]
        self._etag = etag()

    def follow(self) -> None:
        """Let the data plane have the members that are in effect now."""
        self._balancer.configure(self._whole(self._in_effect, effective=True))
        self._tell(f"the gateway's change is in effect; pool-www has {', '.join(self._serving()) or 'nobody'}")

    def has_pool(self, identity: str) -> bool:
        """Say whether there is a pool of this id."""
        return any(p["id"].lower() == identity.lower() for p in self._stored["properties"]["backendAddressPools"])

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
        self.admit(call.base, call.version)
        self._stored = {**self._stored, "tags": sent.get("tags") or {}}
        self._etag = etag()
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
                by_interface = {a: one for one, a in self._interfaces.members(pool["id"])}
                servers = self._balancer.health(pool["id"].rsplit("/", 1)[-1])
                entry = {
                    "backendHttpSettings": {"id": settings["id"]},
                    "servers": [_health(*server, by_interface) for server in servers],
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
                back = [a for a in self._addresses(change.get("put_back", [])) if a not in self._by_interface]
                kept = [e for e in entries if e.get("ipAddress") not in out + back]
                pool["properties"]["backendAddresses"] = kept + [{"ipAddress": a} for a in back]
        if name := change.get("add_rule"):
            _add_rule(properties, name)
        wanted["tags"] = {**wanted.get("tags", {}), **change.get("tags", {})}
        moved = self._change_interfaces(change, base)
        before = json.dumps(self._stored, sort_keys=True)
        if json.dumps(wanted, sort_keys=True) == before:
            if moved:
                return JSONResponse(self.document())
            raise ArmError(400, "NothingToChange", "The change leaves the gateway as it is.")
        self._replace(accepted(wanted, self._stored), base, "2026-03-01", fail=False)
        return JSONResponse(self.document())

    def _change_interfaces(self, change: dict[str, Any], base: str) -> bool:
        """Make the part of an edit that concerns members by interface; says whether there was any."""
        servers = {s.address: s.name for s in self._fleet.servers.values()}
        moved = False
        for what, key in (("drain", "leave"), ("put_back", "join")):
            for address in self._by_interface & set(self._addresses(change.get(what, []))):
                self._interfaces.change(f"nic-{servers[address].lower()}", {key: POOL}, base)
                moved = True
        return moved

    def _addresses(self, names: Iterable[str]) -> list[str]:
        found = [self._fleet.named(n) for n in names]
        return [s.address for s in found if s]

    def _check_match(self, wanted: str | None) -> None:
        if self._mode.if_match == "ignored" or wanted in (None, "*", self._etag):
            return
        raise etag_mismatch(wanted, self._etag, GATEWAY_ID)

    def _check_idle(self, base: str, version: str) -> None:
        for operation in [*([self._operation] if self._operation else []), *self._dependents]:
            if operation.status == "InProgress":
                uri = f"{base}{operation.path('operations')}?api-version={version}"
                raise busy_error(self._mode, uri, PUT_SECONDS / self._clock.speed)

    def _replace(self, wanted: dict[str, Any], base: str, version: str, *, fail: bool) -> Operation:
        """Store the document, then let it take effect; what was under way is refused or superseded."""
        self.admit(base, version)
        before = self._operation
        operation = self._operations.start(NAMESPACE, self._take_effect(wanted, fail=fail))
        if before and before.status == "InProgress":
            self._operations.supersede(
                before,
                SUPERSEDED,
                f"Operation PutApplicationGatewayOperation ({before.id}) was canceled and superseded by "
                f"operation PutApplicationGatewayOperation ({operation.id}).",
            )
        self._stored, self._etag, self._written = wanted, etag(), "Updating"
        self._operation = operation
        self._tell(f"the gateway accepted a change; pool-www will have {', '.join(self._members()) or 'nobody'}")
        return operation

    async def _take_effect(self, wanted: dict[str, Any], *, fail: bool) -> None:
        await self._clock.sleep(PUT_SECONDS)
        if fail:
            self._written = "Failed"
            self._tell("the gateway's change failed; the data plane keeps what it had")
            raise OperationFailedError("InternalServerError", "An error occurred.")
        self._written, self._in_effect = "Succeeded", wanted
        self.follow()

    def _members(self) -> list[str]:
        return self.pools().get("pool-www", [])

    def _serving(self) -> list[str]:
        return self._fleet.names(self._balancer.serving().get("pool-www", []))

    def pools(self) -> dict[str, list[str]]:
        """Return each pool's members as the document has them: servers by name, others by address."""
        found = {}
        for pool in self._whole(self._stored)["properties"]["backendAddressPools"]:
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
            "by_interface": sorted(self._fleet.names([a for _, a in self._interfaces.members(POOL)]), key=_natural),
            "everything_else": hashlib.sha256(text.encode()).hexdigest()[:16],
        }


def _health(address: str, health: str, log: str, by_interface: dict[str, str]) -> dict[str, Any]:
    entry: dict[str, Any] = {"address": address, "health": health, "healthProbeLog": log}
    return entry | ({"ipConfiguration": {"id": by_interface[address]}} if address in by_interface else {})


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
