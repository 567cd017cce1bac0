"""The commands that a machine's PowerShell knows: settings in IIS and the registry, counters, the directory's DNS."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from maint.rehearsal.fleet import Server
from maint.rehearsal.fronts.azure.directory import DnsRecord, DomainController
from maint.rehearsal.fronts.azure.powershell import Arguments, Block, Cmdlet, Shell
from maint.rehearsal.fronts.azure.powershell_values import PowerShellError, collapsed, member, text, unrolled

REBOOT_KEYS = (
    r"hklm:\software\microsoft\windows\currentversion\component based servicing\rebootpending",
    r"hklm:\software\microsoft\windows\currentversion\windowsupdate\auto update\rebootrequired",
)
POOLS = "iis:\\apppools\\"
CONNECTIONS = re.compile(r"\\web service\(_total\)\\current connections", re.IGNORECASE)


def shell_of(server: Server, connections: Callable[[Server], int], tell: Callable[[str], None]) -> Shell:
    """Return a fresh PowerShell on a machine: what it is for decides which modules it has."""
    cmdlets: dict[str, Cmdlet] = dict(COMMON)
    settings = Settings(server, tell)
    cmdlets |= settings.cmdlets()
    if isinstance(server, DomainController):
        cmdlets |= Dns(server, tell).cmdlets()
    else:
        cmdlets |= settings.web_cmdlets()
        cmdlets["get-counter"] = lambda _, a: _counter(text(a.get("counter", 0)), connections(server))
    return Shell(cmdlets)


class Settings:
    """A machine's settings by path and name, in IIS and in the registry, whatever the casing."""

    def __init__(self, server: Server, tell: Callable[[str], None]) -> None:
        self._server, self._tell = server, tell
        self._iis = False

    def cmdlets(self) -> dict[str, Cmdlet]:
        """Return the commands."""
        return {
            "import-module": self._import,
            "test-path": lambda _, a: self._exists(_path(a)),
            "get-itemproperty": lambda _, a: self._get(a),
            "get-itempropertyvalue": lambda _, a: self._value(a),
            "set-itemproperty": lambda _, a: self._set(a, new=False),
            "new-itemproperty": lambda _, a: self._set(a, new=True),
            "remove-itemproperty": lambda _, a: self._remove(a),
        }

    def web_cmdlets(self) -> dict[str, Cmdlet]:
        """Return those of the module WebAdministration, which load it by themselves."""
        return {
            "restart-webapppool": lambda _, a: self._restart(text(a.get("name", 0))),
            "get-webapppoolstate": lambda _, a: self._state(text(a.get("name", 0))),
        }

    def _import(self, _: Shell, arguments: Arguments) -> None:
        module = text(arguments.get("name", 0)).lower()
        controller = isinstance(self._server, DomainController)
        if module != ("dnsserver" if controller else "webadministration"):
            raise PowerShellError(
                f"Import-Module : The specified module '{text(arguments.get('name', 0))}' was not loaded because no "
                "valid module file was found in any module directory."
            )
        self._iis = not controller

    def _exists(self, path: str) -> bool:
        if path.lower() in REBOOT_KEYS:
            return self._server.reboot_pending
        return any(known.lower() == path.lower() for known in self._server.settings)

    def _at(self, command: str, path: str) -> dict[str, Any]:
        drive = path.split(":", 1)[0]
        if drive.lower() not in {"hklm", "iis"} or (drive.lower() == "iis" and not self._iis):
            raise PowerShellError(f"{command} : Cannot find drive. A drive with the name '{drive}' does not exist.")
        for known, values in self._server.settings.items():
            if known.lower() == path.lower():
                found: dict[str, Any] = values
                return found
        raise PowerShellError(f"{command} : Cannot find path '{path}' because it does not exist.")

    def _named(self, command: str, arguments: Arguments) -> tuple[dict[str, Any], str]:
        path, name = _path(arguments), text(arguments.get("name", 1))
        values = self._at(command, path)
        for known in values:
            if known.lower() == name.lower():
                return values, known
        raise PowerShellError(f"{command} : Property {name} does not exist at path {path}.")

    def _get(self, arguments: Arguments) -> Any:
        command, path = "Get-ItemProperty", _path(arguments)
        if arguments.get("name", 1) is None:
            return {**self._at(command, path), "PSPath": path}
        values, name = self._named(command, arguments)
        if not path.lower().startswith("iis:"):
            return {name: values[name], "PSPath": path}
        # IIS gives its named choices as words, everything else as an attribute that holds the value.
        chosen = name == "managedPipelineMode"
        return values[name] if chosen else {"Name": name.split(".")[-1], "Value": values[name], "IsInherited": False}

    def _value(self, arguments: Arguments) -> Any:
        found = self._get(arguments)
        name = text(arguments.get("name", 1))
        return member(found, "Value" if "Value" in found else name) if isinstance(found, dict) else found

    def _set(self, arguments: Arguments, *, new: bool) -> None:
        command = "New-ItemProperty" if new else "Set-ItemProperty"
        path, name, value = _path(arguments), text(arguments.get("name", 1)), arguments.get("value", 2)
        values = self._at(command, path)
        known = next((k for k in values if k.lower() == name.lower()), None)
        if known is None and path.lower().startswith("iis:"):
            raise PowerShellError(f"{command} : Property {name} does not exist at path {path}.")
        if new and known is not None:
            raise PowerShellError(f"{command} : The property already exists.")
        number = isinstance(values.get(known or ""), int) or text(arguments.get("propertytype")).lower() == "dword"
        if number and not re.fullmatch(r"\d+", text(value)):
            raise PowerShellError(f'{command} : Cannot convert value "{text(value)}" to type "System.Int32".')
        values[known or name] = int(text(value)) if number else text(value)
        self._tell(f"{self._server.name}: {path} {name} was set to {text(value)}")

    def _remove(self, arguments: Arguments) -> None:
        values, name = self._named("Remove-ItemProperty", arguments)
        del values[name]
        self._tell(f"{self._server.name}: {_path(arguments)} {name} was removed")

    def _pool(self, command: str, name: str) -> None:
        if not any(known.lower() == POOLS + name.lower() for known in self._server.settings):
            raise PowerShellError(f"{command} : Application pool '{name}' does not exist.")

    def _restart(self, name: str) -> None:
        self._pool("Restart-WebAppPool", name)
        self._server.recycled[name] = self._server.recycled.get(name, 0) + 1
        self._tell(f"{self._server.name}: the application pool {name} was restarted")

    def _state(self, name: str) -> dict[str, str]:
        self._pool("Get-WebAppPoolState", name)
        return {"Value": "Started"}


class Dns:
    """The module DnsServer on a domain controller."""

    def __init__(self, server: DomainController, tell: Callable[[str], None]) -> None:
        self._server, self._tell = server, tell

    def cmdlets(self) -> dict[str, Cmdlet]:
        """Return the commands."""
        return {
            "get-dnsserverresourcerecord": lambda _, a: self._get(a),
            "remove-dnsserverresourcerecord": lambda _, a: self._remove(a),
            "add-dnsserverresourcerecord": lambda _, a: self._add(a),
            "add-dnsserverresourcerecorda": lambda _, a: self._add(a),
            "get-dnsserverzone": lambda *_: [{"ZoneName": z, "IsDsIntegrated": True} for z in self._server.zones],
        }

    def _zone(self, command: str, arguments: Arguments) -> list[DnsRecord]:
        name = text(arguments.get("zonename", 0))
        records = self._server.zones.get(name.lower())
        if records is None:
            raise PowerShellError(f"{command} : The zone {name} was not found on server {self._server.name}.")
        return records

    def _chosen(self, command: str, arguments: Arguments) -> list[DnsRecord]:
        records = self._zone(command, arguments)
        for key, part in (("name", "name"), ("rrtype", "type"), ("recorddata", "data")):
            if (wanted := arguments.get(key)) is not None:
                records = [r for r in records if str(getattr(r, part)).lower() == text(wanted).lower()]
        return records

    def _get(self, arguments: Arguments) -> list[dict[str, Any]]:
        found = self._chosen("Get-DnsServerResourceRecord", arguments)
        if not found and arguments.get("name") is not None:
            raise PowerShellError(
                f"Get-DnsServerResourceRecord : Failed to get {text(arguments.get('name'))} record in "
                f"{text(arguments.get('zonename', 0))} zone on {self._server.name} server."
            )
        return [_shown(record) for record in found]

    def _remove(self, arguments: Arguments) -> None:
        """Remove what is named; as in Windows, without -RecordData every record of that name and type goes."""
        command = "Remove-DnsServerResourceRecord"
        if not arguments.get("force"):
            raise PowerShellError(f"{command} : Windows PowerShell is in NonInteractive mode. Use -Force.")
        if arguments.get("name") is None or arguments.get("rrtype") is None:
            raise PowerShellError(f"{command} : Parameter set cannot be resolved using the specified parameters.")
        records, gone = self._zone(command, arguments), self._chosen(command, arguments)
        if not gone:
            raise PowerShellError(f"{command} : Failed to get {text(arguments.get('name'))} record.")
        for record in gone:
            records.remove(record)
            self._server.removed.append(record.line)
            self._tell(f"{self._server.name}: the record {record.line} was removed")

    def _add(self, arguments: Arguments) -> None:
        command = "Add-DnsServerResourceRecord"
        records = self._zone(command, arguments)
        address = arguments.get("ipv4address")
        if address is None or arguments.get("name") is None:
            raise PowerShellError(f"{command} : Parameter set cannot be resolved using the specified parameters.")
        ttl = _span(text(arguments.get("timetolive", default="01:00:00")))
        record = DnsRecord(text(arguments.get("name")), "A", text(address), ttl, bool(arguments.get("agerecord")))
        if any(known.line.lower() == record.line.lower() for known in records):
            raise PowerShellError(f"{command} : Failed to create resource record {record.name} in zone: it exists.")
        records.append(record)
        self._tell(f"{self._server.name}: the record {record.line} was added")


def _path(arguments: Arguments) -> str:
    path = arguments.get("path", default=arguments.get("literalpath", 0))
    return text(path).rstrip("\\")


def _counter(path: str, connections: int) -> dict[str, Any]:
    if not CONNECTIONS.search(path):
        raise PowerShellError("Get-Counter : The specified object was not found on the computer.")
    return {"Timestamp": "now", "CounterSamples": [{"Path": path, "CookedValue": connections}]}


def _shown(record: DnsRecord) -> dict[str, Any]:
    fields = {"A": "IPv4Address", "CNAME": "HostNameAlias", "NS": "NameServer", "TXT": "DescriptiveText"}
    return {
        "HostName": record.name,
        "RecordType": record.type,
        "TimeToLive": record.ttl,
        "Timestamp": "2025-03-10T02:00:00" if record.aged else None,
        "RecordData": {fields.get(record.type, "Data"): record.data},
    }


def _span(written: str) -> timedelta:
    match = re.fullmatch(r"(?:(\d+)\.)?(\d+):(\d\d):(\d\d)", written)
    if not match:
        raise PowerShellError(f'Cannot convert value "{written}" to type "System.TimeSpan".')
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def _block(arguments: Arguments, name: str) -> Block:
    block = arguments.get(name, 0)
    if not isinstance(block, Block):
        raise PowerShellError("A script block is expected.")
    return block


def _where(shell: Shell, arguments: Arguments) -> list[Any]:
    block = _block(arguments, "filterscript")
    return [one for one in arguments.piped or [] if collapsed(block.run(shell, one))]


def _each(shell: Shell, arguments: Arguments) -> list[Any]:
    block = _block(arguments, "process")
    return [value for one in arguments.piped or [] for value in block.run(shell, one)]


def _select(_: Shell, arguments: Arguments) -> list[Any]:
    piped = arguments.piped or []
    if name := arguments.get("expandproperty"):
        return [value for one in piped for value in unrolled(member(one, text(name)))]
    names = [text(one) for one in unrolled(arguments.get("property", 0))]
    return [{name: member(one, name) for name in names} for one in piped]


def _json(_: Shell, arguments: Arguments) -> str:
    given = arguments.get("inputobject", 0) if arguments.piped is None else collapsed(arguments.piped)
    return json.dumps(given, default=_as_json, separators=(",", ":") if arguments.get("compress") else None)


def _as_json(value: Any) -> Any:
    return {"TotalSeconds": value.total_seconds()} if isinstance(value, timedelta) else text(value)


def _said(_: Shell, arguments: Arguments) -> list[Any]:
    return (arguments.piped or []) + arguments.others


def _nothing(_: Shell, __: Arguments) -> list[Any]:
    return []


COMMON: dict[str, Cmdlet] = {
    "where-object": _where, "?": _where, "foreach-object": _each, "%": _each, "select-object": _select,
    "convertto-json": _json, "write-output": _said, "write-host": _said, "out-null": _nothing,
    "start-sleep": _nothing,
}  # fmt: skip
