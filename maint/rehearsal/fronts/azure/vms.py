"""Virtual machines: the resource, its instance view, assessing and installing patches, restarting."""

import re
import uuid
from collections.abc import Coroutine, Iterable
from typing import Any

from starlette.responses import JSONResponse, Response

from maint.rehearsal.clock import WorldClock
from maint.rehearsal.fleet import Fleet, Installation, Order, Patch, Server
from maint.rehearsal.front import History, told_to_fail
from maint.rehearsal.fronts.azure.arm import (
    GROUP_ID,
    LOCATION,
    ArmError,
    Call,
    Operation,
    OperationFailedError,
    Operations,
    invalid,
    not_found,
    stamp,
)

KIND = "Microsoft.Compute/virtualMachines"
NAMESPACE = "Microsoft.Compute"
ASSESS_SECONDS = 60.0
CLASSIFICATIONS = {
    "critical",
    "security",
    "updaterollup",
    "featurepack",
    "servicepack",
    "definition",
    "tools",
    "updates",
}
REBOOTS = ("IfRequired", "Never", "Always")
CONFLICT = (
    "The request failed due to conflict with a concurrent request. To resolve it, please refer to "
    "https://aka.ms/activitylog to get more details on the conflicting requests."
)
DURATION = re.compile(
    r"P(?:(?P<days>\d+(?:\.\d+)?)D)?"
    r"(?:T(?:(?P<hours>\d+(?:\.\d+)?)H)?(?:(?P<minutes>\d+(?:\.\d+)?)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)


class VirtualMachines:
    """The servers as Compute shows them; one patch or power operation at a time on each."""

    def __init__(
        self, clock: WorldClock, history: History, fleet: Fleet, operations: Operations, others: Iterable[Server] = ()
    ) -> None:
        self._clock, self._tell, self._operations = clock, history, operations
        self._fleet, self._machines = fleet, {**fleet.servers, **{s.name: s for s in others}}
        self._running: dict[str, Operation] = {}
        self._assessed: dict[str, dict[str, Any]] = {}
        self._ids = {name: str(uuid.uuid4()) for name in self._machines}

    def server(self, call: Call) -> Server:
        """Return the machine that a call names; raises ArmError (404) when there is none."""
        return self._named(call.names["name"])

    def _named(self, name: str) -> Server:
        server = next((s for n, s in self._machines.items() if n.lower() == name.lower()), None)
        if server is None:
            raise not_found(KIND, name)
        return server

    async def get(self, call: Call) -> Response:
        """Answer a read, with the instance view when it is asked for."""
        server = self.server(call)
        body = self._document(server)
        if call.request.query_params.get("$expand", "").lower() == "instanceview":
            body["properties"]["instanceView"] = self._view(server)
        return JSONResponse(body)

    async def every(self, call: Call) -> Response:
        """Answer with all machines of the group."""
        return JSONResponse({"value": [self._document(s) for s in self._machines.values()]})

    async def view(self, call: Call) -> Response:
        """Answer with the instance view."""
        return JSONResponse(self._view(self.server(call)))

    async def assess(self, call: Call) -> Response:
        """Begin to look for missing patches."""
        server = self.server(call)
        self._check_idle(server)
        self._assessed[server.name] = {
            "status": "InProgress",
            "assessmentActivityId": str(uuid.uuid4()),
            "startTime": stamp(self._clock.now()),
            "lastModifiedTime": stamp(self._clock.now()),
        }
        return self._begin(call, server, self._assess(server, fail=told_to_fail(call.request)))

    async def _assess(self, server: Server, *, fail: bool) -> dict[str, Any]:
        await self._clock.sleep(ASSESS_SECONDS)
        found = self._assessed[server.name]
        found |= {"lastModifiedTime": stamp(self._clock.now()), "rebootPending": server.reboot_pending}
        if fail:
            found["status"] = "Failed"
            error = {"code": "1", "message": "The assessment failed on the machine.", "details": []}
            return {
                "status": "Failed",
                "assessmentActivityId": found["assessmentActivityId"],
                "startDateTime": found["startTime"],
                "error": error,
            }
        urgent = [p for p in server.pending if p.classification in ("Critical", "Security")]
        found |= {
            "status": "Succeeded",
            "criticalAndSecurityPatchCount": len(urgent),
            "otherPatchCount": len(server.pending) - len(urgent),
        }
        return {
            "status": "Succeeded",
            "assessmentActivityId": found["assessmentActivityId"],
            "rebootPending": server.reboot_pending,
            "criticalAndSecurityPatchCount": found["criticalAndSecurityPatchCount"],
            "otherPatchCount": found["otherPatchCount"],
            "startDateTime": found["startTime"],
            "availablePatches": [_available(p, found) for p in server.pending],
        }

    async def install(self, call: Call) -> Response:
        """Begin to install patches, with the reboot inside when one is due and allowed."""
        server = self.server(call)
        order = _order(await call.body(), fail=told_to_fail(call.request))
        self._check_idle(server)
        run = server.begin(order)
        return self._begin(call, server, self._install(server, run, order))

    async def _install(self, server: Server, run: Installation, order: Order) -> dict[str, Any]:
        known = {p.kb: p for p in server.pending}
        await server.install(run, order)
        result = {
            "status": run.status,
            "installationActivityId": run.id,
            "rebootStatus": run.reboot_status,
            **_counts(run),
            "patches": [
                {
                    "patchId": _patch_id(known[kb]),
                    "name": known[kb].name,
                    "kbId": kb,
                    "classifications": [known[kb].classification],
                    "installationState": state,
                }
                for kb, state in run.states.items()
            ],
            "startDateTime": stamp(run.started),
        }
        if run.status == "Failed":
            result["error"] = _failure(run)
        return result

    async def restart(self, call: Call) -> Response:
        """Begin a restart."""
        server = self.server(call)
        self._check_idle(server)
        return self._begin(call, server, self._restart(server, fail=told_to_fail(call.request)))

    async def _restart(self, server: Server, *, fail: bool) -> None:
        if fail:
            raise OperationFailedError("InternalExecutionError", "An internal execution error occurred.")
        server.restarts += 1
        await server.reboot()

    def change(self, name: str, change: dict[str, Any]) -> Response:
        """Do what somebody else does to a machine: {"restart": true}, {"reboot_pending": true or false}."""
        server = self._named(name)
        self._check_idle(server)
        if change.get("restart"):
            self._running[server.name] = self._operations.start(NAMESPACE, self._restart(server, fail=False))
        elif set(change) == {"reboot_pending"}:
            server.reboot_pending = bool(change["reboot_pending"])
        else:
            raise invalid("InvalidParameter", "A machine's change is restart or reboot_pending.")
        self._tell(f"somebody changed {server.name}: {', '.join(change)}")
        return JSONResponse(change)

    def _check_idle(self, server: Server) -> None:
        running = self._running.get(server.name)
        if running and running.status == "InProgress":
            raise ArmError(409, "Conflict", CONFLICT)

    def begin(self, call: Call, server: Server, work: Coroutine[Any, Any, Any]) -> tuple[Response, Operation]:
        """Begin an operation on a machine; raises ArmError (409) while another holds it."""
        try:
            self._check_idle(server)
        except ArmError:
            work.close()
            raise
        return self._begin(call, server, work), self._running[server.name]

    def _begin(self, call: Call, server: Server, work: Any) -> Response:
        operation = self._running[server.name] = self._operations.start(NAMESPACE, work)
        where = f"{call.base}{operation.path('operations')}?p={self._ids[server.name]}"
        headers = {
            "Location": f"{where}&monitor=true&api-version={call.version}",
            "Azure-AsyncOperation": f"{where}&api-version={call.version}",
        }
        return Response(status_code=202, headers=headers)

    def _document(self, server: Server) -> dict[str, Any]:
        network = f"{GROUP_ID}/providers/Microsoft.Network/networkInterfaces/nic-{server.name.lower()}"
        return {
            "name": server.name,
            "id": f"{GROUP_ID}/providers/{KIND}/{server.name}",
            "type": KIND,
            "location": LOCATION,
            "tags": {"environment": "production", "service": "payments", "role": _role(server)},
            "zones": [str(server.number % 3 + 1)],
            "properties": {
                "vmId": self._ids[server.name],
                "provisioningState": "Succeeded",
                "hardwareProfile": {"vmSize": "Standard_D4s_v5"},
                "storageProfile": {
                    "imageReference": {
                        "publisher": "MicrosoftWindowsServer",
                        "offer": "WindowsServer",
                        "sku": "2019-datacenter-gensecond",
                        "version": "latest",
                    },
                    "osDisk": {
                        "osType": "Windows",
                        "name": f"{server.name}-os",
                        "createOption": "FromImage",
                        "caching": "ReadWrite",
                    },
                    "dataDisks": [],
                },
                "osProfile": {
                    "computerName": server.name,
                    "windowsConfiguration": {
                        "provisionVMAgent": True,
                        "enableAutomaticUpdates": False,
                        "patchSettings": {"patchMode": "Manual", "assessmentMode": "ImageDefault"},
                    },
                },
                "networkProfile": {"networkInterfaces": [{"id": network, "properties": {"primary": True}}]},
            },
        }

    def _view(self, server: Server) -> dict[str, Any]:
        now = stamp(self._clock.now())
        agent = _status("ProvisioningState/succeeded", "Ready", "GuestAgent is running.", now)
        if not server.up:
            agent = _status("ProvisioningState/Unavailable", "Not Ready", "The agent does not report.", now)
        busy = self._running.get(server.name)
        provisioning = _status("ProvisioningState/succeeded", "Provisioning succeeded")
        if busy and busy.status == "InProgress":
            provisioning = _status("ProvisioningState/updating", "Updating")
        patches: dict[str, Any] = {}
        if server.name in self._assessed:
            patches["availablePatchSummary"] = self._assessed[server.name]
        if server.installation:
            patches["lastPatchInstallationSummary"] = _summary(server.installation)
        view = {
            "computerName": server.name,
            "osName": "Windows Server 2019 Datacenter",
            "osVersion": "10.0.17763",
            "hyperVGeneration": "V2",
            "vmAgent": {"vmAgentVersion": "2.7.41491.1131", "statuses": [agent]},
            "statuses": [provisioning, _status("PowerState/running", "VM running")],
        }
        return view | ({"patchStatus": patches} if patches else {})

    def one_way(self) -> dict[str, Any]:
        """Return, by server, its patch runs and how each ended, its restarts and its settings."""
        return {
            s.name: {
                "installations": [
                    {"status": r.status, "installed": r.count("Installed"), "failed": r.count("Failed")}
                    for r in s.installations
                ],
                "installed": sorted(s.installed),
                "pending": sorted(p.kb for p in s.pending),
                "reboot_pending": s.reboot_pending,
                "restarts": s.restarts,
                "settings": s.settings,
                "recycled": s.recycled,
            }
            for s in self._fleet.servers.values()
        }


def _status(code: str, shown: str, message: str | None = None, time: str | None = None) -> dict[str, Any]:
    entry = {"code": code, "level": "Info", "displayStatus": shown}
    return entry | ({"message": message} if message else {}) | ({"time": time} if time else {})


def _role(server: Server) -> str:
    return "web" if server.name.startswith("IC-Web") else "domain controller"


def _patch_id(patch: Patch) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"kb{patch.kb}"))


def _available(patch: Patch, found: dict[str, Any]) -> dict[str, Any]:
    return {
        "patchId": _patch_id(patch),
        "name": patch.name,
        "kbId": patch.kb,
        "classifications": [patch.classification],
        "rebootBehavior": patch.reboot,
        "activityId": found["assessmentActivityId"],
        "publishedDate": patch.published,
        "lastModifiedDateTime": found["lastModifiedTime"],
        "assessmentState": "Available",
    }


def _counts(run: Installation) -> dict[str, Any]:
    return {
        "maintenanceWindowExceeded": run.exceeded,
        "excludedPatchCount": run.count("Excluded"),
        "notSelectedPatchCount": run.count("NotSelected"),
        "pendingPatchCount": run.count("Pending"),
        "installedPatchCount": run.count("Installed"),
        "failedPatchCount": run.count("Failed"),
    }


def _summary(run: Installation) -> dict[str, Any]:
    summary = {
        "status": run.status,
        "installationActivityId": run.id,
        "rebootStatus": run.reboot_status,
        **_counts(run),
        "startTime": stamp(run.started),
        "lastModifiedTime": stamp(run.changed),
    }
    return summary | ({"error": _failure(run)} if run.status == "Failed" else {})


def _failure(run: Installation) -> dict[str, Any]:
    failed = [kb for kb, state in run.states.items() if state == "Failed"]
    details = [{"code": "PACKAGE_INSTALL_FAILURE", "message": f"KB{kb} failed to install."} for kb in failed]
    return {"code": "1", "message": f"{len(failed)} error/s reported.", "details": details}


def _order(body: dict[str, Any], *, fail: bool) -> Order:
    """Read an installPatches body; raises ArmError (400) in the vendor's words."""
    reboot = next((r for r in REBOOTS if r.lower() == str(body.get("rebootSetting", "")).lower()), None)
    if reboot is None:
        text = f"The value '{body.get('rebootSetting')}' of parameter 'rebootSetting' is invalid."
        raise invalid("InvalidParameter", text)
    duration = str(body.get("maximumDuration", "PT4H"))
    match = DURATION.fullmatch(duration)
    if not match or not any(match.groups()):
        text = f"The value '{duration}' of parameter 'maximumDuration' is invalid."
        raise invalid("InvalidParameter", text)
    parts = {unit: float(value or 0) for unit, value in match.groupdict().items()}
    minutes = parts["days"] * 1440 + parts["hours"] * 60 + parts["minutes"] + parts["seconds"] / 60
    windows = body.get("windowsParameters")
    if windows is None or body.get("linuxParameters"):
        raise invalid("InvalidParameter", "Parameter 'windowsParameters' is required for a Windows VM.")
    classes = {str(c).lower() for c in windows.get("classificationsToInclude") or []}
    if classes - CLASSIFICATIONS:
        text = "Parameter 'windowsParameters.classificationsToInclude' is invalid."
        raise invalid("InvalidParameter", text)
    include = {_number(kb) for kb in windows.get("kbNumbersToInclude") or []}
    exclude = {_number(kb) for kb in windows.get("kbNumbersToExclude") or []}
    no_reboot = bool(windows.get("excludeKbsRequiringReboot"))

    def wanted(patch: Patch) -> str:
        if patch.kb in exclude or (no_reboot and patch.reboot != "NeverReboots"):
            return "Excluded"
        chosen = patch.classification.lower() in classes or patch.kb in include
        return "Pending" if chosen or not (classes or include) else "NotSelected"

    return Order(wanted, reboot, minutes, fail)


def _number(kb: str) -> str:
    return str(kb).upper().removeprefix("KB")
