"""The front that puts Azure's resources together."""

import uuid
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from maint.rehearsal.balancer import Balancer
from maint.rehearsal.clock import WorldClock
from maint.rehearsal.fleet import Fleet
from maint.rehearsal.front import History
from maint.rehearsal.fronts.azure.aks import NodePools
from maint.rehearsal.fronts.azure.alert_rules import AlertRules
from maint.rehearsal.fronts.azure.arm import ArmError, Mode, Operations, Router
from maint.rehearsal.fronts.azure.diagnostics import Diagnostics
from maint.rehearsal.fronts.azure.directory import DomainController
from maint.rehearsal.fronts.azure.gateway import Gateway
from maint.rehearsal.fronts.azure.gateway_document import NAME as GATEWAY
from maint.rehearsal.fronts.azure.interfaces import Interfaces
from maint.rehearsal.fronts.azure.run_command import RunCommands
from maint.rehearsal.fronts.azure.vms import VirtualMachines

METHODS = ["GET", "PUT", "PATCH", "POST", "DELETE", "HEAD"]
GROUP = "/subscriptions/{subscription}/resourceGroups/{group}/providers"
READS, WRITES = 250, 200


class AzureFront:
    """Azure as `maint.rehearsal.front.Front` describes a front.

    Any bearer token is good that is not empty and does not begin with "wrong".
    """

    name = "azure"
    prefix = "/azure"

    def __init__(self, clock: WorldClock, history: History, fleet: Fleet, balancer: Balancer, mode: Mode) -> None:
        self._operations = Operations(clock)
        self._controller = DomainController(clock, history)
        addresses = {s.name: s.address for s in fleet.servers.values()} | {
            self._controller.name: self._controller.address
        }
        self._interfaces = Interfaces(clock, history, self._operations, mode=mode, machines=addresses)
        self._gateway = Gateway(
            clock,
            history,
            fleet,
            balancer=balancer,
            operations=self._operations,
            mode=mode,
            interfaces=self._interfaces,
        )
        self._machines = VirtualMachines(clock, history, fleet, self._operations, [self._controller])
        self._diagnostics = Diagnostics(clock, history, fleet, self._machines)
        self._pools = NodePools(clock, history, self._operations)
        self._commands = RunCommands(clock, history, self._machines, balancer.connections)
        self._rules = AlertRules(clock, history)
        self._router = self._routes()
        self._served = {"reads": 0, "writes": 0}

    def _routes(self) -> Router:
        router, gateway, machines, rules = Router(), self._gateway, self._machines, self._rules
        gateways = f"{GROUP}/Microsoft.Network/applicationGateways"
        router.add("GET", gateways, gateway.every)
        router.add("GET", f"{gateways}/{{name}}", gateway.get)
        router.add("PUT", f"{gateways}/{{name}}", gateway.put)
        router.add("PATCH", f"{gateways}/{{name}}", gateway.patch)
        router.add("POST", f"{gateways}/{{name}}/backendhealth", gateway.health)
        cards = f"{GROUP}/Microsoft.Network/networkInterfaces"
        router.add("GET", cards, self._interfaces.every)
        router.add("GET", f"{cards}/{{name}}", self._interfaces.get)
        router.add("PUT", f"{cards}/{{name}}", self._interfaces.put)
        vms = f"{GROUP}/Microsoft.Compute/virtualMachines"
        router.add("GET", vms, machines.every)
        router.add("GET", f"{vms}/{{name}}", machines.get)
        router.add("GET", f"{vms}/{{name}}/instanceView", machines.view)
        router.add("POST", f"{vms}/{{name}}/assessPatches", machines.assess)
        router.add("POST", f"{vms}/{{name}}/installPatches", machines.install)
        router.add("POST", f"{vms}/{{name}}/restart", machines.restart)
        router.add("POST", f"{vms}/{{name}}/runCommand", self._commands.post)
        alerts = f"{GROUP}/Microsoft.AlertsManagement/actionRules"
        router.add("GET", alerts, rules.every)
        router.add("GET", "/subscriptions/{subscription}/providers/Microsoft.AlertsManagement/actionRules", rules.every)
        router.add("GET", f"{alerts}/{{name}}", rules.get)
        router.add("PUT", f"{alerts}/{{name}}", rules.put)
        router.add("PATCH", f"{alerts}/{{name}}", rules.patch)
        router.add("DELETE", f"{alerts}/{{name}}", rules.delete)
        self._add_diagnostics(router, f"{vms}/{{name}}")
        pools = f"{GROUP}/Microsoft.ContainerService/managedClusters/{{cluster}}/agentPools"
        router.add("GET", pools, self._pools.every)
        router.add("GET", f"{pools}/{{pool}}", self._pools.get)
        router.add("GET", f"{pools}/{{pool}}/upgradeProfiles/default", self._pools.profile)
        router.add("POST", f"{pools}/{{pool}}/upgradeNodeImageVersion", self._pools.upgrade)
        places = "/subscriptions/{subscription}/providers/{namespace}/locations/{location}"
        router.add("GET", f"{places}/operations/{{id}}", self._operations.status)
        router.add("GET", f"{places}/operationResults/{{id}}", self._operations.result)
        return router

    def _add_diagnostics(self, router: Router, machine: str) -> None:
        diagnostics = self._diagnostics
        router.add("GET", f"{machine}/extensions", diagnostics.extensions)
        router.add("GET", f"{machine}/extensions/{{extension}}", diagnostics.extension)
        router.add("PUT", f"{machine}/extensions/{{extension}}", diagnostics.put_extension)
        router.add("DELETE", f"{machine}/extensions/{{extension}}", diagnostics.delete_extension)
        settings = f"{machine}/providers/Microsoft.Insights/diagnosticSettings"
        router.add("GET", settings, diagnostics.settings)
        router.add("GET", f"{settings}/{{setting}}", diagnostics.setting)
        router.add("PUT", f"{settings}/{{setting}}", diagnostics.put_setting)
        router.add("DELETE", f"{settings}/{{setting}}", diagnostics.delete_setting)

    def routes(self) -> Sequence[BaseRoute]:
        """Return the one route, behind which paths are matched whatever their casing."""
        return [Route("/{path:path}", self._answer, methods=METHODS)]

    async def _answer(self, request: Request) -> Response:
        response = await self._router.answer(request, "/" + request.path_params["path"])
        kind, most = ("reads", READS) if request.method in ("GET", "HEAD") else ("writes", WRITES)
        self._served[kind] += 1
        response.headers[f"x-ms-ratelimit-remaining-subscription-{kind}"] = str(most - self._served[kind] % most)
        response.headers["x-ms-request-id"] = str(uuid.uuid4())
        response.headers["x-ms-correlation-request-id"] = response.headers["x-ms-request-id"]
        response.headers["cache-control"] = "no-cache"
        if client_id := request.headers.get("x-ms-client-request-id"):
            response.headers["x-ms-client-request-id"] = client_id
        return response

    def reversible(self) -> dict[str, Any]:
        """Return the gateway, and the alert mutes that are in force now by scope."""
        return {
            "gateway": self._gateway.reversible(),
            "interfaces": self._interfaces.digest(),
            "alert_mutes": self._rules.in_force(),
        }

    def one_way(self) -> dict[str, Any]:
        """Return what may happen once: to the servers, the directory's records, diagnostics and node images."""
        return {
            "servers": self._machines.one_way(),
            "directory": self._controller.one_way(),
            "diagnostics": self._diagnostics.one_way(),
            "node_images": self._pools.one_way(),
        }

    def busy(self) -> bool:
        """Say whether a long-running operation is in progress."""
        return self._operations.busy()

    def lay_again(self, members: str) -> None:
        """Lay the pool anew, its members by this kind; raises ValueError when this world is past that."""
        self._gateway.lay_again(members)

    def close(self) -> None:
        """End every operation: the world is over."""
        self._operations.close()

    async def edit(self, resource: str, change: dict[str, Any]) -> Response:
        """Make somebody else's change: of `gateway`, `actionRules/NAME` or `virtualMachines/NAME`."""
        *kinds, name = resource.split("/")
        kind = kinds[-1].lower() if kinds else "applicationgateways"
        try:
            if kind == "actionrules":
                return self._rules.change(name, change)
            if kind == "networkinterfaces":
                return self._interfaces.change(name, change, "https://management.azure.com")
            if kind == "virtualmachines":
                return self._machines.change(name, change)
            if kind == "applicationgateways" and name.lower() in ("gateway", GATEWAY):
                return self._gateway.change(change, "https://management.azure.com")
        except ArmError as error:
            return error.response()
        return ArmError(404, "ResourceNotFound", f"The Resource '{resource}' was not found.").response()
