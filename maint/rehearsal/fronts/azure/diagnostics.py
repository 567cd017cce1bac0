"""What watches a machine from within Azure: its extensions, and its platform's diagnostic settings."""

import copy
from typing import Any

from starlette.responses import JSONResponse, Response

from maint.rehearsal.clock import WorldClock
from maint.rehearsal.fleet import Fleet, Server
from maint.rehearsal.front import History, told_to_fail
from maint.rehearsal.fronts.azure.arm import (
    GROUP_ID,
    LOCATION,
    ArmError,
    Call,
    OperationFailedError,
    invalid,
    not_found,
)
from maint.rehearsal.fronts.azure.vms import KIND as MACHINE
from maint.rehearsal.fronts.azure.vms import VirtualMachines

EXTENSION = f"{MACHINE}/extensions"
SETTINGS_VERSION = "2021-05-01-preview"
REMOVE_SECONDS, PUT_SECONDS = 40.0, 60.0
PUBLISHER = "Microsoft.Azure.Diagnostics"
WORKSPACE = f"{GROUP_ID}/providers/Microsoft.OperationalInsights/workspaces/law-payments-prd"
STORAGE = f"{GROUP_ID}/providers/Microsoft.Storage/storageAccounts/stdiagpaymentsprd"
Documents = dict[str, dict[str, Any]]


class Diagnostics:
    """Each machine's extensions and diagnostic settings, by machine and by name in lower case."""

    def __init__(self, clock: WorldClock, history: History, fleet: Fleet, machines: VirtualMachines) -> None:
        self._clock, self._tell, self._machines = clock, history, machines
        self._extensions = {s.name: _first_extensions(s) for s in fleet.servers.values()}
        self._settings = {s.name: _first_settings(s) for s in fleet.servers.values()}
        self._removed: dict[str, list[str]] = {}

    async def extensions(self, call: Call) -> Response:
        """Answer with a machine's extensions."""
        server = self._machines.server(call)
        return JSONResponse({"value": list(self._extensions.get(server.name, {}).values())})

    async def extension(self, call: Call) -> Response:
        """Answer a read of one extension."""
        server, name = self._machines.server(call), call.names["extension"]
        found = self._extensions.get(server.name, {}).get(name.lower())
        if found is None:
            raise not_found(EXTENSION, f"{server.name}/{name}")
        return JSONResponse(found)

    async def put_extension(self, call: Call) -> Response:
        """Begin to install or change an extension; protected settings are taken and never shown again."""
        server, name, sent = self._machines.server(call), call.names["extension"], await call.body()
        properties = sent.get("properties") or {}
        if str(sent.get("location", "")).lower() != LOCATION or not all(
            properties.get(key) for key in ("publisher", "type", "typeHandlerVersion")
        ):
            raise invalid("InvalidParameter", "location, publisher, type and typeHandlerVersion are required.")
        kept = {k: v for k, v in properties.items() if k not in ("protectedSettings", "instanceView")}
        known = self._extensions.setdefault(server.name, {})
        status = 200 if name.lower() in known else 201
        document = _extension(server, name, {**kept, "provisioningState": "Creating"}, sent.get("tags"))
        work = self._install(server, document, fail=told_to_fail(call.request))
        response, _ = self._machines.begin(call, server, work)
        known[name.lower()] = document
        headers = {"Azure-AsyncOperation": response.headers["Azure-AsyncOperation"]}
        return JSONResponse(document, status_code=status, headers=headers)

    async def _install(self, server: Server, document: dict[str, Any], *, fail: bool) -> None:
        await self._clock.sleep(PUT_SECONDS)
        document["properties"]["provisioningState"] = "Failed" if fail else "Succeeded"
        if fail:
            raise OperationFailedError("VMExtensionProvisioningError", "VM has reported a failure when processing it.")
        self._tell(f"{server.name}: the extension {document['name']} was installed")

    async def delete_extension(self, call: Call) -> Response:
        """Begin to remove an extension: 204 when there is none."""
        server, name = self._machines.server(call), call.names["extension"].lower()
        if name not in self._extensions.get(server.name, {}):
            return Response(status_code=204)
        work = self._remove(server, name, fail=told_to_fail(call.request))
        response, _ = self._machines.begin(call, server, work)
        self._extensions[server.name][name]["properties"]["provisioningState"] = "Deleting"
        return response

    async def _remove(self, server: Server, name: str, *, fail: bool) -> None:
        await self._clock.sleep(REMOVE_SECONDS)
        document = self._extensions[server.name][name]
        if fail:
            document["properties"]["provisioningState"] = "Failed"
            raise OperationFailedError("VMExtensionHandlerNonTransientError", "The handler could not be removed.")
        del self._extensions[server.name][name]
        self._gone(server, f"extension {document['name']}")

    async def settings(self, call: Call) -> Response:
        """Answer with a machine's diagnostic settings."""
        return JSONResponse({"value": list(self._of(call)[1].values())})

    async def setting(self, call: Call) -> Response:
        """Answer a read of one diagnostic setting."""
        server, known = self._of(call)
        name = call.names["setting"]
        if name.lower() not in known:
            path = f"{GROUP_ID}/providers/{MACHINE}/{server.name}"
            raise ArmError(404, "ResourceNotFound", f"The diagnostic setting '{name}' of '{path}' doesn't exist.")
        return JSONResponse(known[name.lower()])

    async def put_setting(self, call: Call) -> Response:
        """Create or replace a diagnostic setting, at once."""
        (server, known), sent = self._of(call), await call.body()
        properties = sent.get("properties") or {}
        if not any(properties.get(key) for key in ("workspaceId", "storageAccountId", "eventHubAuthorizationRuleId")):
            raise invalid("BadRequest", "At least one sink must be specified.")
        document = _setting(server, call.names["setting"], properties)
        known[call.names["setting"].lower()] = document
        self._tell(f"{server.name}: the diagnostic setting {call.names['setting']} was put")
        return JSONResponse(document)

    async def delete_setting(self, call: Call) -> Response:
        """Remove a diagnostic setting, at once: 204 when there is none."""
        server, known = self._of(call)
        document = known.pop(call.names["setting"].lower(), None)
        if document is None:
            return Response(status_code=204)
        self._gone(server, f"setting {document['name']}")
        return Response(status_code=200)

    def _of(self, call: Call) -> tuple[Server, Documents]:
        if call.version != SETTINGS_VERSION:
            raise ArmError(
                400,
                "UnsupportedApiVersion",
                f"The HTTP resource that matches the request URI does not support the API version '{call.version}'.",
            )
        server = self._machines.server(call)
        return server, self._settings.setdefault(server.name, {})

    def _gone(self, server: Server, what: str) -> None:
        self._removed.setdefault(server.name, []).append(what)
        self._tell(f"{server.name}: the {what} was removed")

    def one_way(self) -> dict[str, Any]:
        """Return, by machine, what there is and what was removed, in the order in which it was."""
        return {
            name: {
                "extensions": sorted(e["name"] for e in extensions.values()),
                "settings": sorted(s["name"] for s in self._settings[name].values()),
                "removed": self._removed.get(name, []),
            }
            for name, extensions in self._extensions.items()
            if name in self._settings
        }


def _extension(server: Server, name: str, properties: dict[str, Any], tags: Any = None) -> dict[str, Any]:
    return {
        "name": name,
        "id": f"{GROUP_ID}/providers/{MACHINE}/{server.name}/extensions/{name}",
        "type": EXTENSION,
        "location": LOCATION,
        "tags": tags or {},
        "properties": copy.deepcopy(properties),
    }


def _first_extensions(server: Server) -> Documents:
    def one(name: str, publisher: str, kind: str, version: str, settings: dict[str, Any]) -> dict[str, Any]:
        properties = {
            "autoUpgradeMinorVersion": True,
            "provisioningState": "Succeeded",
            "publisher": publisher,
            "type": kind,
            "typeHandlerVersion": version,
            "settings": settings,
        }
        return _extension(server, name, properties)

    # Its name is free: the portal gives it one, templates another.
    name = "Microsoft.Insights.VMDiagnosticsSettings" if server.number % 2 else "diagnostics"
    counters = {"PerformanceCounterConfiguration": [{"counterSpecifier": r"\Memory\Available Bytes"}]}
    wad = {"DiagnosticMonitorConfiguration": {"overallQuotaInMB": 5120, "PerformanceCounters": counters}}
    found = [
        one(name, PUBLISHER, "IaaSDiagnostics", "1.5", {"StorageAccount": "stdiagpaymentsprd", "WadCfg": wad}),
        one("AzureMonitorWindowsAgent", "Microsoft.Azure.Monitor", "AzureMonitorWindowsAgent", "1.10", {}),
        one("newrelic-infra", "NewRelic.Infrastructure.Extensions", "newrelic-infra", "1.2", {"NR_ACCOUNT": "1234567"}),
    ]
    return {e["name"].lower(): e for e in found}


def _setting(server: Server, name: str, properties: dict[str, Any]) -> dict[str, Any]:
    kept = {**copy.deepcopy(properties)}
    kept.setdefault("logs", [])
    kept.setdefault("metrics", [])
    return {
        "id": f"{GROUP_ID}/providers/{MACHINE}/{server.name}/providers/Microsoft.Insights/diagnosticSettings/{name}",
        "type": "Microsoft.Insights/diagnosticSettings",
        "name": name,
        "location": None,
        "kind": None,
        "tags": None,
        "identity": None,
        "properties": kept,
    }


def _first_settings(server: Server) -> Documents:
    metrics = [{"category": "AllMetrics", "enabled": True, "retentionPolicy": {"enabled": False, "days": 0}}]
    found = [_setting(server, "metrics-to-workspace", {"workspaceId": WORKSPACE, "metrics": metrics})]
    if server.number > 5:
        found.append(_setting(server, "metrics-to-storage", {"storageAccountId": STORAGE, "metrics": metrics}))
    return {s["name"].lower(): s for s in found}
