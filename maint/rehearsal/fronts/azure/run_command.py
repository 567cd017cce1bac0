"""Run command: a script on a machine, one at a time, whose failure Azure calls a success."""

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from maint.rehearsal.clock import WorldClock
from maint.rehearsal.fleet import Server
from maint.rehearsal.front import History, told_to_fail
from maint.rehearsal.fronts.azure.arm import ArmError, Call, Operation, OperationFailedError, invalid
from maint.rehearsal.fronts.azure.shell import shell_of
from maint.rehearsal.fronts.azure.vms import VirtualMachines

FIRST_SECONDS, LAST_SECONDS = 20.0, 30.0
MOST_BYTES = 4096
RUNNING = "Run command extension execution is in progress. Please wait for completion before invoking a run command."


class RunCommands:
    """POST runCommand on any machine; the script is carried out when its time is over."""

    def __init__(
        self, clock: WorldClock, history: History, machines: VirtualMachines, connections: Callable[[Server], int]
    ) -> None:
        self._clock, self._tell = clock, history
        self._machines, self._connections = machines, connections
        self._running: dict[str, Operation] = {}

    async def post(self, call: Call) -> Response:
        """Begin a script."""
        server, sent = self._machines.server(call), await call.body()
        if str(sent.get("commandId", "")).lower() != "runpowershellscript":
            text = f"The entity was not found in this Azure location: command '{sent.get('commandId')}'."
            raise invalid("NotFound", text)
        lines = sent.get("script")
        if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
            raise invalid("InvalidParameter", "The value of parameter 'script' is invalid.")
        running = self._running.get(server.name)
        if running and running.status == "InProgress":
            raise ArmError(409, "Conflict", RUNNING)
        script = "\n".join(_given(sent.get("parameters") or []) + lines)
        response, operation = self._machines.begin(call, server, self._run(server, script, told_to_fail(call.request)))
        self._running[server.name] = operation
        return response

    async def _run(self, server: Server, script: str, fail: bool) -> dict[str, Any]:
        await self._clock.sleep(FIRST_SECONDS + (LAST_SECONDS - FIRST_SECONDS) * (server.number % 4) / 3)
        if fail:
            raise OperationFailedError("VMExtensionProvisioningError", "The run command extension did not report.")
        shell = shell_of(server, self._connections, self._tell)
        shell.run(script)
        self._tell(f"{server.name} ran a script of {script.count(chr(10)) + 1} lines")
        printed = {"StdOut": "\n".join(shell.out), "StdErr": "\n".join(shell.errors)}
        return {
            "value": [
                {
                    "code": f"ComponentStatus/{name}/succeeded",
                    "level": "Info",
                    "displayStatus": "Provisioning succeeded",
                    "message": message.encode()[-MOST_BYTES:].decode(errors="ignore"),
                }
                for name, message in printed.items()
            ]
        }


def _given(parameters: list[dict[str, Any]]) -> list[str]:
    """Return the script's parameters as its first lines: they reach it as strings."""
    if any(not isinstance(p.get("name"), str) or not isinstance(p.get("value"), str) for p in parameters):
        raise invalid("InvalidParameter", "The value of parameter 'parameters' is invalid.")
    return [f"${p['name']} = '{p['value'].replace(chr(39), chr(39) * 2)}'" for p in parameters]
