"""Network interfaces: each machine's own, full-replace PUT, and membership in the gateway's pools."""

import copy
import hashlib
import json
import math
import uuid
from collections.abc import Iterable
from typing import Any, Protocol

from starlette.responses import JSONResponse, Response

from maint.rehearsal.clock import WorldClock
from maint.rehearsal.front import History, told_to_fail
from maint.rehearsal.fronts.azure.arm import (
    GROUP_ID,
    LOCATION,
    ArmError,
    Call,
    Mode,
    Operation,
    OperationFailedError,
    Operations,
    etag,
    etag_mismatch,
    invalid,
    not_found,
)

KIND = "Microsoft.Network/networkInterfaces"
NAMESPACE = "Microsoft.Network"
NETWORK = f"{GROUP_ID}/providers/Microsoft.Network"
POOLS = "applicationGatewayBackendAddressPools"
PUT_SECONDS, JOIN_SECONDS = 5.0, 20.0
READ_ONLY = ("name", "etag", "type", "id", "systemData")
READ_ONLY_PROPERTIES = (
    "provisioningState", "resourceGuid", "macAddress", "virtualMachine", "primary", "hostedWorkloads",
    "privateEndpoint", "vnetEncryptionSupported", "defaultOutboundConnectivityEnabled",
)  # fmt: skip


class Dependent(Protocol):
    """What a change of membership holds up and moves: the gateway."""

    def admit(self, base: str, version: str) -> None:
        """Raise ArmError while another operation holds it."""

    def hold(self, operation: Operation) -> None:
        """Be updating until the operation is over."""

    def follow(self) -> None:
        """Put the membership that is in effect now into effect."""

    def has_pool(self, identity: str) -> bool:
        """Say whether there is a pool of this id."""


class Interfaces:
    """The interfaces of these machines (name to address), one operation at a time on each."""

    def __init__(
        self, clock: WorldClock, history: History, operations: Operations, *, mode: Mode, machines: dict[str, str]
    ) -> None:
        self._clock, self._tell, self._operations, self._mode = clock, history, operations, mode
        self._stored = {f"nic-{m.lower()}": _first(m, a, n) for n, (m, a) in enumerate(machines.items())}
        self._fixed = {f"nic-{m.lower()}": _fixed(m, n) for n, m in enumerate(machines)}
        self._effective = copy.deepcopy(self._stored)
        self._etags = {name: etag() for name in self._stored}
        self._states = dict.fromkeys(self._stored, "Succeeded")
        self._running: dict[str, Operation] = {}
        self._gateway: Dependent | None = None

    def attach(self, gateway: Dependent) -> None:
        """Name the gateway whose pools these may be in."""
        self._gateway = gateway

    def lay(self, addresses: Iterable[str], pool: str) -> None:
        """Let exactly these addresses be in the pool (by id), as if they had always been."""
        wanted = set(addresses)
        for documents in (self._stored, self._effective):
            for _, configuration in _each(documents):
                inside = configuration["properties"]["privateIPAddress"] in wanted
                configuration["properties"][POOLS] = [{"id": pool}] if inside else []

    def members(self, pool: str, *, effective: bool = False) -> list[tuple[str, str]]:
        """Return the ip configurations in a pool, as accepted or as in effect: each one's id and address."""
        found = []
        for name, configuration in _each(self._effective if effective else self._stored):
            properties = configuration["properties"]
            if any(p["id"].lower() == pool.lower() for p in properties.get(POOLS) or []):
                found.append((_configuration_id(name, configuration["name"]), properties.get("privateIPAddress", "")))
        return found

    def digest(self) -> str:
        """Return a digest of everything in all interfaces but their membership."""
        rest = copy.deepcopy(self._stored)
        for _, configuration in _each(rest):
            configuration["properties"].pop(POOLS, None)
        return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()[:16]

    async def every(self, call: Call) -> Response:
        """Answer with all interfaces of the group."""
        return JSONResponse({"value": [self._document(name) for name in self._stored]})

    async def get(self, call: Call) -> Response:
        """Answer a read."""
        name = self._name(call.names["name"])
        return JSONResponse(self._document(name), headers={"ETag": self._etags[name]})

    async def put(self, call: Call) -> Response:
        """Accept a full replacement and begin its operation; membership is in effect when that has succeeded."""
        name, sent = self._name(call.names["name"]), await call.body()
        wanted = call.request.headers.get("if-match")
        if self._mode.if_match == "honoured" and wanted not in (None, "*", self._etags[name]):
            raise etag_mismatch(wanted, self._etags[name], f"{GROUP_ID}/providers/{KIND}/{name}")
        operation = self._replace(name, sent, call.base, call.version, fail=told_to_fail(call.request))
        headers = {
            "ETag": self._etags[name],
            "Azure-AsyncOperation": f"{call.base}{operation.path('operations')}?api-version={call.version}",
        }
        return JSONResponse(self._document(name), headers=headers)

    def change(self, name: str, change: dict[str, Any], base: str) -> Response:
        """Make somebody else's change: {"join": pool id}, {"leave": pool id} of the first configuration, {"tags"}."""
        name = self._name(name)
        wanted = copy.deepcopy(self._stored[name])
        first = wanted["properties"]["ipConfigurations"][0]["properties"]
        pools = [p for p in first.get(POOLS) or [] if p["id"] not in (change.get("leave"), change.get("join"))]
        first[POOLS] = pools + ([{"id": change["join"]}] if "join" in change else [])
        wanted["tags"] = {**wanted.get("tags", {}), **change.get("tags", {})}
        if wanted == self._stored[name]:
            raise ArmError(400, "NothingToChange", "The change leaves the network interface as it is.")
        self._replace(name, wanted, base, "2026-03-01", fail=False)
        return JSONResponse(self._document(name))

    def _name(self, name: str) -> str:
        if name.lower() not in self._stored:
            raise not_found(KIND, name)
        return name.lower()

    def _replace(self, name: str, sent: dict[str, Any], base: str, version: str, *, fail: bool) -> Operation:
        wanted = _accepted(sent, self._gateway)
        busy = self._running.get(name)
        if busy and busy.status == "InProgress":
            uri = f"{base}{busy.path('operations')}?api-version={version}"
            raise busy_error(self._mode, uri, JOIN_SECONDS / self._clock.speed)
        moves = _membership(wanted) != _membership(self._effective[name])
        if moves and self._gateway:
            self._gateway.admit(base, version)
        seconds = JOIN_SECONDS if moves else PUT_SECONDS
        operation = self._operations.start(NAMESPACE, self._take_effect(name, wanted, seconds, fail=fail))
        self._stored[name], self._etags[name], self._states[name] = wanted, etag(), "Updating"
        self._running[name] = operation
        if moves and self._gateway:
            self._gateway.hold(operation)
        self._tell(f"{name} accepted a change" + (" of the pools that it is in" if moves else ""))
        return operation

    async def _take_effect(self, name: str, wanted: dict[str, Any], seconds: float, *, fail: bool) -> None:
        await self._clock.sleep(seconds)
        self._states[name] = "Failed" if fail else "Succeeded"
        if fail:
            self._tell(f"the change of {name} failed")
            raise OperationFailedError("InternalServerError", "An error occurred.")
        self._effective[name] = copy.deepcopy(wanted)
        self._tell(f"the change of {name} is in effect")
        if self._gateway:
            self._gateway.follow()

    def _document(self, name: str) -> dict[str, Any]:
        shown = copy.deepcopy(self._stored[name])
        identity, tag, state = f"{GROUP_ID}/providers/{KIND}/{name}", self._etags[name], self._states[name]
        for configuration in shown["properties"]["ipConfigurations"]:
            configuration["id"] = _configuration_id(name, configuration["name"])
            configuration["etag"], configuration["type"] = tag, f"{KIND}/ipConfigurations"
            configuration["properties"] = {"provisioningState": state, **configuration["properties"]}
            if not configuration["properties"].get(POOLS):
                configuration["properties"].pop(POOLS, None)
        if dns := shown["properties"].get("dnsSettings"):
            dns["appliedDnsServers"] = dns.get("dnsServers") or []
        properties = {"provisioningState": state, **self._fixed[name], **shown.pop("properties")}
        return {"name": name, "id": identity, "etag": tag, "type": KIND, **shown, "properties": properties}


def busy_error(mode: Mode, uri: str, seconds: float) -> ArmError:
    """Return the refusal while an operation holds a network resource, 409 or 429 as the mode says."""
    text = (
        "Another operation on this or dependent resource is in progress. "
        f"To retrieve status of the operation use uri: {uri}."
    )
    if mode.busy == "throttle":
        headers = {"Retry-After": str(max(1, math.ceil(seconds)))}
        return ArmError(429, "RetryableErrorDueToAnotherOperation", text, details=[], headers=headers)
    return ArmError(409, "AnotherOperationInProgress", text, details=[])


def _first(machine: str, address: str, number: int) -> dict[str, Any]:
    subnet = {"id": f"{NETWORK}/virtualNetworks/vnet-payments-prd/subnets/snet-web"}
    configuration = {
        "privateIPAllocationMode": "Static",
        "privateIPAddressVersion": "IPv4",
        "subnet": subnet,
    }
    groups = [{"id": f"{NETWORK}/applicationSecurityGroups/asg-web"}]
    first = {**configuration, "privateIPAddress": address, "primary": True, "applicationSecurityGroups": groups}
    second = {**configuration, "privateIPAddress": f"10.0.4.{11 + number}", "primary": False}
    return {
        "location": LOCATION,
        "tags": {"environment": "production", "machine": machine},
        "properties": {
            "ipConfigurations": [
                {"name": "ipconfig1", "properties": {**first, POOLS: []}},
                {"name": "management", "properties": {**second, POOLS: []}},
            ],
            "dnsSettings": {"dnsServers": ["10.0.0.4"]},
            "enableAcceleratedNetworking": True,
            "enableIPForwarding": False,
            "disableTcpStateTracking": False,
            "networkSecurityGroup": {"id": f"{NETWORK}/networkSecurityGroups/nsg-web"},
            "nicType": "Standard",
            # Newer than any client of ours knows: it must survive every edit all the same.
            "edgeTelemetry": {"level": "Basic"},
        },
    }


def _fixed(machine: str, number: int) -> dict[str, Any]:
    """Return what the service fills in by itself."""
    return {
        "resourceGuid": str(uuid.uuid5(uuid.NAMESPACE_URL, f"nic-{machine}")),
        "macAddress": f"00-0D-3A-10-00-{number + 1:02X}",
        "primary": True,
        "virtualMachine": {"id": f"{GROUP_ID}/providers/Microsoft.Compute/virtualMachines/{machine}"},
        "hostedWorkloads": [],
        "vnetEncryptionSupported": False,
    }


def _configuration_id(name: str, configuration: str) -> str:
    return f"{GROUP_ID}/providers/{KIND}/{name}/ipConfigurations/{configuration}"


def _each(documents: dict[str, dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    return [(name, c) for name, d in documents.items() for c in d["properties"]["ipConfigurations"]]


def _membership(document: dict[str, Any]) -> list[tuple[str, list[str]]]:
    configurations = document["properties"]["ipConfigurations"]
    return [(c["name"], sorted(p["id"].lower() for p in c["properties"].get(POOLS) or [])) for c in configurations]


def _accepted(sent: dict[str, Any], gateway: Dependent | None) -> dict[str, Any]:
    """Return the interface that a PUT body asks for: what it leaves out is gone. Raises ArmError (400)."""
    body = copy.deepcopy(sent)
    if str(body.get("location", "")).replace(" ", "").lower() != LOCATION:
        raise invalid("LocationRequired", "The location property is required for this definition.")
    properties = body.get("properties")
    if not isinstance(properties, dict) or not properties.get("ipConfigurations"):
        raise invalid("NetworkInterfaceMustHaveAtLeastOneIpConfiguration", "At least one ip configuration is needed.")
    for key in READ_ONLY:
        body.pop(key, None)
    for key in READ_ONLY_PROPERTIES:
        properties.pop(key, None)
    (properties.get("dnsSettings") or {}).pop("appliedDnsServers", None)
    for configuration in properties["ipConfigurations"]:
        for key in ("id", "etag", "type"):
            configuration.pop(key, None)
        inner = configuration.setdefault("properties", {})
        inner.pop("provisioningState", None)
        if not configuration.get("name") or not (inner.get("subnet") or {}).get("id"):
            raise invalid("InvalidRequestFormat", "Each ip configuration needs a name and a subnet.")
        _check_pools(configuration["name"], inner.get(POOLS) or [], gateway)
    return body


def _check_pools(name: str, pools: list[dict[str, Any]], gateway: Dependent | None) -> None:
    for pool in pools:
        if not gateway or not gateway.has_pool(pool.get("id", "")):
            raise invalid(
                "InvalidResourceReference",
                f"Resource {pool.get('id')} referenced by ip configuration {name} was not found. Please make sure that "
                "the referenced resource exists, and that both resources are in the same region.",
            )
