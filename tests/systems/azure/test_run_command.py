"""Scripts are believed only when they came to their end, and nothing in a window file is read as script."""

from typing import Any

import pytest

from maint.errors import UsageProblem, VendorError
from maint.systems.azure.run_command import AdRecord, RunCommand, quoted
from maint.waiting import Patience

HTTP, POOL = r"HKLM:\SOFTWARE\InvoiceCloud\Http", r"IIS:\AppPools\RESTAPI"
ZONE, DEAD = "corp.invoicecloud.example", "10.0.3.20"


@pytest.fixture
def commands(azure: Any) -> RunCommand:
    return RunCommand(azure())


def scripts(live: Any) -> int:
    return len([path for path in live.requests("azure", "POST") if path.endswith("runCommand")])


def directory(live: Any) -> Any:
    return live.state()["one_way"]["azure"]["directory"]


def test_an_answer_comes_back(commands: RunCommand, patience: Patience) -> None:
    answer = commands.run("IC-Web1", ["'noise'", "$answer = @{ said = $word; n = 3 }"], {"word": "it's"}, patience)
    assert answer == {"said": "it's", "n": 3}


@pytest.mark.parametrize(
    ("script", "printed"),
    [
        ("$answer = Get-Nothing", "The term 'Get-Nothing' is not recognized"),
        ("throw 'the disk is full'", "it printed: the disk is full"),
        ("$answer = 1", "it printed: maint-answer: 1"),
        ("$answer = @{ long = @(" + "; ".join(f"'{'x' * 100}'" for _ in range(50)) + ") }", "it printed: ...xxx"),
    ],
)
def test_a_script_that_fails_is_noticed_although_azure_reports_success(
    commands: RunCommand, patience: Patience, script: str, printed: str
) -> None:
    with pytest.raises(VendorError) as caught:
        commands.run("IC-Web1", [script], {}, patience)
    assert caught.value.code == "ScriptFailed"
    assert "Azure run command on IC-Web1: the script did not come to its end" in str(caught.value)
    assert printed in str(caught.value)


def test_a_result_without_value_is_a_failure(live: Any, commands: RunCommand, patience: Patience) -> None:
    live.fault("status", system="azure", method="GET", path="operations/", status=200, body={"status": "Succeeded"})
    live.fault("status", system="azure", method="GET", path="operations/", status=200, body={}, skip=1)
    with pytest.raises(VendorError, match="it printed nothing"):
        commands.run("IC-Web1", ["$answer = @{}"], {}, patience)


def test_another_script_on_the_machine_is_waited_for(live: Any, azure: Any, patience: Patience, told: Any) -> None:
    live.speed(60)
    body: Any = {"commandId": "RunPowerShellScript", "script": ["'a colleague'"]}
    azure().compute.virtual_machines.begin_run_command("rg-payments-prd", "IC-Web1", body, polling=False)
    assert RunCommand(azure()).run("IC-Web1", ["$answer = @{ x = 1 }"], {}, patience) == {"x": 1}
    assert any("Run command extension execution is in progress" in line for line in told)


def test_a_setting_of_the_registry(live: Any, commands: RunCommand, patience: Patience) -> None:
    assert commands.read_setting("IC-Web1", HTTP, "MaxSocketCount", patience) == "96"
    assert commands.write_setting("IC-Web1", HTTP, "MaxSocketCount", "200", patience) == ("96", "200")
    sent = scripts(live)
    assert commands.write_setting("IC-Web1", HTTP, "MaxSocketCount", "200", patience) == ("200", "200")
    assert scripts(live) == sent + 1
    assert commands.read_setting("IC-Web1", HTTP, "Other", patience) is None
    assert commands.write_setting("IC-Web1", HTTP, "Other", "7", patience) == (None, "7")
    settings = live.state()["one_way"]["azure"]["servers"]["IC-Web1"]["settings"]
    assert settings[HTTP] == {"MaxSocketCount": 200, "Other": 7}
    assert commands.write_setting("IC-Web1", HTTP, "Other", None, patience) == ("7", None)
    assert commands.write_setting("IC-Web1", HTTP, "MaxSocketCount", "96", patience) == ("200", "96")


def test_a_setting_of_an_application_pool(live: Any, commands: RunCommand, patience: Patience) -> None:
    name = "processModel.maxProcesses"
    assert commands.write_setting("IC-Web2", POOL, name, "2", patience) == ("1", "2")
    assert commands.read_setting("IC-Web2", POOL, "managedPipelineMode", patience) == "Integrated"
    server = live.state()["one_way"]["azure"]["servers"]["IC-Web2"]
    assert (server["settings"][POOL][name], server["recycled"]) == (2, {"RESTAPI": 1})
    with pytest.raises(VendorError, match="Cannot find path"):
        commands.write_setting("IC-Web2", r"IIS:\AppPools\NOPE", name, "2", patience)
    with pytest.raises(UsageProblem, match="cannot be removed"):
        commands.write_setting("IC-Web2", POOL, name, None, patience)


def test_a_value_in_another_format_is_told(commands: RunCommand, patience: Patience) -> None:
    with pytest.raises(VendorError, match="was set to '0200', and reads '200'"):
        commands.write_setting("IC-Web1", HTTP, "MaxSocketCount", "0200", patience)


@pytest.mark.parametrize("value", ["'; throw 'mine'; '", "$(throw 'mine')", "`n", '"', "a; b | c", "#", "{0}"])
def test_a_value_is_never_read_as_script(commands: RunCommand, patience: Patience, value: str) -> None:
    assert commands.run("IC-Web1", ["$answer = @{ got = $v }"], {"v": value}, patience) == {"got": value}
    assert commands.write_setting("IC-Web1", HTTP, "Text", value, patience)[1] == value


@pytest.mark.parametrize("value", ["\u2019; throw 'mine'", "two\nlines", "\u0452", "\x00"])
def test_a_value_that_could_turn_into_script_is_refused(live: Any, commands: RunCommand, value: str) -> None:
    with pytest.raises(UsageProblem, match="printable ASCII"):
        quoted(value)
    patience = Patience(0)
    with pytest.raises(UsageProblem, match="printable ASCII"):
        commands.run("IC-Web1", [], {"v": value}, patience)
    with pytest.raises(UsageProblem, match="no name of a script's parameter"):
        commands.run("IC-Web1", [], {"v = 1; $w": "x"}, patience)
    with pytest.raises(UsageProblem, match=r"allowed: IIS:\\AppPools\\NAME"):
        commands.read_setting("IC-Web1", r"C:\Windows", "x", patience)
    assert scripts(live) == 0


def test_dead_records_go_and_can_come_back(live: Any, commands: RunCommand, patience: Patience) -> None:
    before = directory(live)
    found = commands.ad_records("IC-DC1", [ZONE], DEAD, patience)
    assert [(r.name, r.ttl, r.static) for r in found] == [
        ("ic-testweb1", 1200, False),
        ("testsite", 3600, True),
        ("uat", 3600, True),
    ]
    assert found[0].words == f"ic-testweb1.{ZONE} A {DEAD}"
    commands.remove_ad_records("IC-DC1", found, patience)
    commands.remove_ad_records("IC-DC1", found, patience)
    after = directory(live)
    assert after["removed"] == [f"{r.name} A {DEAD}" for r in found]
    assert sorted(after[ZONE] + after["removed"]) == before[ZONE]
    assert commands.ad_records("IC-DC1", [ZONE], DEAD, patience) == ()
    commands.add_ad_records("IC-DC1", found, patience)
    commands.add_ad_records("IC-DC1", found, patience)
    assert directory(live)[ZONE] == before[ZONE]
    assert commands.ad_records("IC-DC1", [ZONE], DEAD, patience) == (found[0], *found[1:])


def test_zones_that_are_not_there_or_go_backwards(commands: RunCommand, patience: Patience) -> None:
    with pytest.raises(VendorError, match=r"zone nowhere\.example was not found"):
        commands.ad_records("IC-DC1", ["nowhere.example"], DEAD, patience)
    with pytest.raises(UsageProblem, match="reverse zone"):
        commands.ad_records("IC-DC1", ["3.0.10.in-addr.arpa"], DEAD, patience)
    stray = AdRecord(ZONE, "it's", "10.0.3.99")
    commands.add_ad_records("IC-DC1", [stray], patience)
    assert commands.ad_records("IC-DC1", [ZONE], "10.0.3.99", patience) == (stray,)
