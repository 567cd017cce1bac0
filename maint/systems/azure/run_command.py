"""Run command: PowerShell on a machine, judged by what it prints.

Azure calls a script that failed a success, keeps the last 4096 bytes of what it printed, and lets one run at a time.
So every script of ours prints its answer as one line of JSON at its end; without that line, nothing is believed.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from maint.errors import UsageProblem, VendorError
from maint.systems.azure.documents import plain
from maint.waiting import Patience

if TYPE_CHECKING:
    from maint.systems.azure.session import AzureSession

MARK = "maint-answer: "
_PREPARE = ("$ErrorActionPreference = 'Stop'", "$ProgressPreference = 'SilentlyContinue'")
_ANSWER = f"'{MARK}' + (ConvertTo-Json -InputObject $answer -Compress -Depth 4)"
_MOST_WORDS = 600
_NAME = re.compile(r"[A-Za-z]\w*")
_PRINTABLE = re.compile(r"[\x20-\x7e]*")
_POOL = re.compile(r"IIS:\\AppPools\\([^\\]+)", re.IGNORECASE)
_REGISTRY = re.compile(r"HKLM:\\.+", re.IGNORECASE)

# IIS gives its named choices as words, everything else as an attribute that holds the value.
_READ = "$found = Get-ItemProperty -Path $path -Name $name -ErrorAction SilentlyContinue"
_VALUE = (
    "if ($null -ne $value) { $value = [string]$value }",
    "$answer = @{ value = $value }",
)
_READ_IIS = (
    "Import-Module WebAdministration",
    _READ,
    "if ($found -is [string]) { $value = $found } else { $value = $found.Value }",
    *_VALUE,
)
_READ_REGISTRY = (_READ, "$value = $found.$name", *_VALUE)
_WRITE_IIS = (
    "Import-Module WebAdministration",
    "Set-ItemProperty -Path $path -Name $name -Value $value",
    "Restart-WebAppPool -Name $pool",
)
_WRITE_REGISTRY = (
    _READ,
    "if ($null -eq $found) { New-ItemProperty -Path $path -Name $name -PropertyType $type -Value $value | Out-Null }",
    "else { Set-ItemProperty -Path $path -Name $name -Value $value }",
)
_REMOVE_REGISTRY = (_READ, "if ($null -ne $found) { Remove-ItemProperty -Path $path -Name $name }")
_LIST_RECORDS = (
    "$all = Get-DnsServerResourceRecord -ZoneName $zone -RRType A",
    "$found = @($all | Where-Object { [string]$_.RecordData.IPv4Address -eq $address })",
    "$records = @($found | ForEach-Object {",
    "  @{ name = $_.HostName; ttl = [int]$_.TimeToLive.TotalSeconds; static = ($null -eq $_.Timestamp) }",
    "})",
    "$answer = @{ records = $records }",
)
_FIND_RECORD = (
    "$all = Get-DnsServerResourceRecord -ZoneName $zone -RRType A",
    "$found = @($all | Where-Object {{ $_.HostName -eq {name} -and [string]$_.RecordData.IPv4Address -eq {address} }})",
)
# Without -RecordData every record of that name and type would go.
_REMOVE_RECORD = (
    *_FIND_RECORD,
    "if ($found.Count -gt 0) {{",
    "  Remove-DnsServerResourceRecord -ZoneName $zone -RRType A -Name {name} -RecordData {address} -Force",
    "}}",
)
_ADD_RECORD = (
    *_FIND_RECORD,
    "if ($found.Count -eq 0) {{",
    "  Add-DnsServerResourceRecord -ZoneName $zone -A -Name {name} -IPv4Address {address} -TimeToLive {span}{aged}",
    "}}",
)


@dataclass(frozen=True, order=True)
class AdRecord:
    """An address record of a directory's zone. ttl: seconds. static: False for one that its machine registered."""

    zone: str
    name: str
    address: str
    ttl: int = 3600
    static: bool = True

    @property
    def words(self) -> str:
        """The record, for a person."""
        return f"{self.name}.{self.zone} A {self.address}"


class RunCommand:
    """Scripts on the virtual machines of the session's resource group."""

    def __init__(self, session: "AzureSession") -> None:
        self._session = session

    def run(self, vm: str, script: Sequence[str], parameters: Mapping[str, str], patience: Patience) -> dict[str, Any]:
        """Run PowerShell on a machine and return what it put into $answer, a hash table.

        parameters: variables that the script finds set; their values are quoted, never read as script. Waits while
        another script or operation holds the machine. A start whose answer was lost is made again: scripts must be
        safe to repeat. Raises UsageProblem for a value that cannot be passed (nothing was sent), VendorError with
        what was printed when the script did not come to its end, Stopped and DeadlinePassed (the script goes on).
        """
        lines = [*_PREPARE, *(f"${_checked(name)} = {quoted(value)}" for name, value in parameters.items())]
        body = {"commandId": "RunPowerShellScript", "script": [*lines, *script, _ANSWER]}
        session, what = self._session, f"running a script on {vm}"
        machines: Any = session.compute.virtual_machines  # its types refuse plain JSON, its code does not

        def ask() -> Any:
            return session.result(
                machines.begin_run_command(session.group, vm, body, polling=session.polling(what, patience))
            )

        return _answer(plain(session.when_free(what, ask, patience) or {}), vm)

    def read_setting(self, vm: str, path: str, name: str, patience: Patience) -> str | None:
        r"""Return a setting as text, None where it is not set.

        path: IIS:\AppPools\NAME or a key below HKLM:\. Raises as `run` does.
        """
        _, parameters = _place(path, name)
        return self._value(self.run(vm, _READ_IIS if _POOL.fullmatch(path) else _READ_REGISTRY, parameters, patience))

    def write_setting(
        self, vm: str, path: str, name: str, value: str | None, patience: Patience
    ) -> tuple[str | None, str | None]:
        """Give a setting a value and return what it was and what it is, both read; nothing is written where it has it.

        value: None removes it (registry only). A registry value that was not there becomes a number where it looks
        like one. An application pool is restarted. Raises as `run` does, and VendorError when what is read back is
        another value.
        """
        pool, parameters = _place(path, name)
        if pool and value is None:
            raise UsageProblem(f"{name} of {path} cannot be removed, only set", where=vm)
        old = self.read_setting(vm, path, name, patience)
        if old == value:
            return old, old
        script: tuple[str, ...]
        if pool:
            script = (*_WRITE_IIS, *_READ_IIS[1:])
            parameters |= {"pool": pool, "value": str(value)}
        elif value is None:
            script = (*_REMOVE_REGISTRY, *_READ_REGISTRY)
        else:
            script = (*_WRITE_REGISTRY, *_READ_REGISTRY)
            number = value.isdecimal() and int(value) < 2**32
            parameters |= {"value": value, "type": "DWord" if number else "String"}
        new = self._value(self.run(vm, script, parameters, patience))
        if new != value:
            raise VendorError(
                f"{name} of {path} was set to {value!r}, and reads {new!r}",
                where=f"Azure run command on {vm}",
                next="look at the setting on the server: its format may be another",
            )
        return old, new

    def ad_records(self, vm: str, zones: Iterable[str], address: str, patience: Patience) -> tuple[AdRecord, ...]:
        """Return the records that point to an address (type A), in the zones' order, one script a zone.

        vm: a domain controller. Reverse zones hold no such records and are refused. Raises as `run` does.
        """
        found: list[AdRecord] = []
        for zone in zones:
            if zone.lower().rstrip(".").endswith(".arpa"):
                raise UsageProblem(f"{zone} is a reverse zone; only zones with address records are looked at", where=vm)
            found += self._records(vm, zone, address, (), patience)
        return tuple(found)

    def remove_ad_records(self, vm: str, records: Iterable[AdRecord], patience: Patience) -> None:
        """Remove exactly these records, each with its name and address; one that is gone already is no error.

        Raises as `run` does, and VendorError when one is still there afterwards.
        """
        for zone, address, group in _by_place(records):
            script = [line.format(**_literals(r)) for r in group for line in _REMOVE_RECORD]
            left = {r.name.lower() for r in self._records(vm, zone, address, script, patience)}
            if still := [r.words for r in group if r.name.lower() in left]:
                raise VendorError(
                    f"still there after they were removed: {', '.join(still)}",
                    where=f"Azure run command on {vm}",
                    next="look whether a machine registers them again, then run again",
                )

    def add_ad_records(self, vm: str, records: Iterable[AdRecord], patience: Patience) -> None:
        """Put records back as they were; one that is there already is no error.

        Raises as `run` does, and VendorError when one is not there afterwards.
        """
        for zone, address, group in _by_place(records):
            script = [line.format(**_literals(r)) for r in group for line in _ADD_RECORD]
            there = {r.name.lower() for r in self._records(vm, zone, address, script, patience)}
            if missing := [r.words for r in group if r.name.lower() not in there]:
                raise VendorError(
                    f"not there after they were added: {', '.join(missing)}",
                    where=f"Azure run command on {vm}",
                    next="add them by hand; they are in the journal",
                )

    def _records(self, vm: str, zone: str, address: str, before: Sequence[str], patience: Patience) -> list[AdRecord]:
        """Run lines of script, then list what points to the address in the zone."""
        answer = self.run(vm, [*before, *_LIST_RECORDS], {"zone": zone, "address": address}, patience)
        return [AdRecord(zone, r["name"], address, int(r["ttl"]), bool(r["static"])) for r in answer["records"]]

    @staticmethod
    def _value(answer: dict[str, Any]) -> str | None:
        value = answer.get("value")
        return None if value is None else str(value)


def quoted(value: str) -> str:
    """Return a PowerShell literal of a text; raises UsageProblem for what cannot be passed as it is.

    Only printable ASCII goes through: scripts are written to a file whose encoding is the machine's, where other
    characters may turn into quotes.
    """
    if not _PRINTABLE.fullmatch(value):
        raise UsageProblem(
            f"{value!r} cannot be passed to a server; allowed: printable ASCII characters",
            next="correct the value in the window file",
        )
    return "'" + value.replace("'", "''") + "'"


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise UsageProblem(f"{name!r} is no name of a script's parameter")
    return name


def _place(path: str, name: str) -> tuple[str, dict[str, str]]:
    """Return the application pool that a path names (empty for the registry) and the script's parameters."""
    pool = _POOL.fullmatch(path)
    if not pool and not _REGISTRY.fullmatch(path):
        raise UsageProblem(
            rf"the setting's path {path!r} cannot be used; allowed: IIS:\AppPools\NAME, or a key below HKLM:\ ",
            next="correct the path in the window file",
        )
    return pool.group(1) if pool else "", {"path": path, "name": name}


def _by_place(records: Iterable[AdRecord]) -> list[tuple[str, str, list[AdRecord]]]:
    def place(record: AdRecord) -> tuple[str, str]:
        return record.zone, record.address

    return [(zone, address, list(group)) for (zone, address), group in groupby(sorted(records, key=place), place)]


def _literals(record: AdRecord) -> dict[str, str]:
    days, seconds = divmod(record.ttl, 86400)
    span = f"{days}.{seconds // 3600:02}:{seconds % 3600 // 60:02}:{seconds % 60:02}"
    return {
        "name": quoted(record.name),
        "address": quoted(record.address),
        "span": quoted(span),
        "aged": "" if record.static else " -AgeRecord",
    }


def _answer(result: dict[str, Any], vm: str) -> dict[str, Any]:
    """Return the answer that a script printed; raises VendorError with what it printed instead."""
    printed = {
        str(entry.get("code", "")).split("/")[1].lower(): str(entry.get("message") or "")
        for entry in result.get("value") or []
        if str(entry.get("code", "")).count("/") == 2
    }
    out, errors = printed.get("stdout", ""), printed.get("stderr", "").strip()
    line = next((line for line in reversed(out.splitlines()) if line.startswith(MARK)), "")
    if not errors and line:
        try:
            answer = json.loads(line.removeprefix(MARK))
        except ValueError:
            answer = None
        if isinstance(answer, dict):
            return answer
    words = errors or out.strip()
    said = f"it printed: {_short(words)}" if words else "it printed nothing"
    raise VendorError(
        f"the script did not come to its end; {said}",
        where=f"Azure run command on {vm}",
        next="read what it printed, then run again",
        status=200,
        code="ScriptFailed",
    )


def _short(words: str) -> str:
    line = " ".join(words.split())
    return line if len(line) <= _MOST_WORDS else f"...{line[-_MOST_WORDS:]}"
