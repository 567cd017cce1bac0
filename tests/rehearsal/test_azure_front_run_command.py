"""The twin's run command: scripts on a machine, spoken to with Azure's own compute client."""

from typing import Any

import httpx
import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError
from azure.mgmt.compute import ComputeManagementClient

GROUP = "rg-payments-prd"
HTTP = r"HKLM:\SOFTWARE\InvoiceCloud\Http"
REBOOT = r"HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update\RebootRequired"


def begin(compute: ComputeManagementClient, vm: str, *script: str, **parameters: str) -> Any:
    body: Any = {"commandId": "RunPowerShellScript", "script": list(script)}
    if parameters:
        body["parameters"] = [{"name": name, "value": value} for name, value in parameters.items()]
    return compute.virtual_machines.begin_run_command(GROUP, vm, body)


def run(compute: ComputeManagementClient, vm: str, *script: str, **parameters: str) -> tuple[str, str]:
    """Return what a script printed, and its errors; Azure says of both that they succeeded."""
    result = begin(compute, vm, *script, **parameters).result()
    assert [entry.code for entry in result.value] == [
        "ComponentStatus/StdOut/succeeded",
        "ComponentStatus/StdErr/succeeded",
    ]
    return str(result.value[0].message), str(result.value[1].message)


def one_way(control: httpx.Client) -> Any:
    return control.get("/state", params={"wait": 10}).json()["one_way"]["azure"]


@pytest.mark.parametrize(
    ("script", "printed"),
    [
        (rf"(Get-ItemProperty -Path '{HTTP}' -Name MaxSocketCount).MaxSocketCount", "96"),
        (rf"Get-ItemPropertyValue {HTTP.lower()} MaxSocketCount", "96"),
        (
            rf"Get-ItemProperty '{HTTP}' | Select-Object MaxSocketCount | ConvertTo-Json -Compress",
            '{"MaxSocketCount":96}',
        ),
        (rf"Test-Path '{REBOOT}'", "False"),
        (r"(Get-Counter '\Web Service(_Total)\Current Connections').CounterSamples[0].CookedValue", "42"),
        ("Import-Module WebAdministration; (Get-WebAppPoolState -Name RESTAPI).Value", "Started"),
        ("foreach ($n in @('a'; 'b')) { \"<$n>\" } # twice", "<a>\n<b>"),
        ("$x = 'it''s'; if ($x -like 'it*' -and -not ($x -eq 'x')) { $x } else { throw 'no' }", "it's"),
    ],
)
def test_scripts_of_all_kinds(compute: ComputeManagementClient, script: str, printed: str) -> None:
    assert run(compute, "IC-Web2", script) == (printed, "")


def test_settings_are_written_and_a_pool_restarts(compute: ComputeManagementClient, control: httpx.Client) -> None:
    script = ["Set-ItemProperty -Path $path -Name MaxSocketCount -Value $value", "Import-Module WebAdministration"]
    script += [r"Set-ItemProperty IIS:\AppPools\RESTAPI -Name processModel.idleTimeout -Value '00:10:00'"]
    assert run(compute, "IC-Web3", *script, "Restart-WebAppPool RESTAPI", path=HTTP, value="200") == ("", "")
    server = one_way(control)["servers"]["IC-Web3"]
    assert server["settings"][HTTP] == {"MaxSocketCount": 200}
    assert server["settings"][r"IIS:\AppPools\RESTAPI"]["processModel.idleTimeout"] == "00:10:00"
    assert server["recycled"] == {"RESTAPI": 1}


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("Stop-Everything -Now; 'done'", "The term 'Stop-Everything' is not recognized"),
        ("'before'; & { x }", "Unexpected token '& { x }'"),
        ("'before'\nif ($true) { 'x'", "Missing closing '}'"),
        (r"Get-ItemProperty HKLM:\Nowhere -Name x", "Cannot find path"),
        (rf"Get-ItemProperty '{HTTP}' -Name Nothing", "Property Nothing does not exist"),
        (rf"Set-ItemProperty '{HTTP}' -Name MaxSocketCount -Value many", "Cannot convert value"),
        ("Restart-WebAppPool NOPE", "does not exist"),
        ("Get-DnsServerResourceRecord -ZoneName x", "is not recognized"),
    ],
)
def test_what_fails_still_succeeds_and_says_so_in_its_errors(
    compute: ComputeManagementClient, script: str, error: str
) -> None:
    out, errors = run(compute, "IC-Web1", "$ErrorActionPreference = 'Stop'", script, "'the last line'")
    assert error in errors
    assert "the last line" not in out


def test_only_the_last_4096_bytes_are_kept(compute: ComputeManagementClient) -> None:
    lines = "foreach ($n in @(1; 2; 3; 4; 5)) { '" + "x" * 1000 + "' }"
    out, _ = run(compute, "IC-Web1", "'first'", lines, "'last'")
    assert (len(out), out.endswith("last"), "first" in out) == (4096, True, False)


def test_one_script_at_a_time(compute: ComputeManagementClient, control: httpx.Client) -> None:
    control.post("/clock", json={"speed": 20})
    first = begin(compute, "IC-Web1", "'one'")
    with pytest.raises(ResourceExistsError, match="Run command extension execution is in progress"):
        begin(compute, "IC-Web1", "'two'")
    with pytest.raises(ResourceExistsError):
        compute.virtual_machines.begin_assess_patches(GROUP, "IC-Web1")
    other = begin(compute, "IC-Web2", "'three'")
    control.post("/clock", json={"speed": 4000})
    assert [p.result().value[0].message for p in (first, other)] == ["one", "three"]


def test_a_body_or_a_command_that_is_not_known(compute: ComputeManagementClient, control: httpx.Client) -> None:
    body: Any = {"commandId": "RunShellScript", "script": []}
    with pytest.raises(HttpResponseError) as refused:
        compute.virtual_machines.begin_run_command(GROUP, "IC-Web1", body)
    assert refused.value.status_code == 400
    control.post("/faults", json={"match": {"path": "runCommand"}, "do": "fail", "times": 1})
    with pytest.raises(HttpResponseError, match="did not report"):
        begin(compute, "IC-Web1", "'x'").result()


def test_the_directory_loses_only_what_is_named(compute: ComputeManagementClient, control: httpx.Client) -> None:
    before = one_way(control)["directory"]["corp.invoicecloud.example"]
    assert sum(line.endswith(" A 10.0.3.20") for line in before) == 3
    get = "Get-DnsServerResourceRecord -ZoneName $zone -RRType A"
    count = f"@({get} | ? {{ $_.RecordData.IPv4Address -eq '10.0.3.20' }}).Count"
    assert run(compute, "IC-DC1", count, zone="corp.invoicecloud.example") == ("3", "")
    remove = "Remove-DnsServerResourceRecord -ZoneName corp.invoicecloud.example -RRType A -Name uat -Force"
    assert run(compute, "IC-DC1", f"{remove} -RecordData 10.0.3.20") == ("", "")
    assert sorted([*one_way(control)["directory"]["corp.invoicecloud.example"], "uat A 10.0.3.20"]) == before
    # Without the record's data all of that name and type go, as in Windows.
    run(compute, "IC-DC1", remove)
    assert one_way(control)["directory"]["removed"] == ["uat A 10.0.3.20", "uat A 10.0.3.21"]


def test_the_controller_is_a_machine_of_the_group(compute: ComputeManagementClient) -> None:
    machines = {vm.name: vm for vm in compute.virtual_machines.list(GROUP)}
    assert len(machines) == 11
    assert (machines["IC-DC1"].tags or {})["role"] == "domain controller"
    assert "ProvisioningState/succeeded" in str(compute.virtual_machines.instance_view(GROUP, "ic-dc1").as_dict())
