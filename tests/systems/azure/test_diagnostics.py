"""Azure's own monitoring goes, nothing else does, and what went can be put back."""

from dataclasses import asdict
from typing import Any

import pytest

from maint.errors import VendorError
from maint.systems.azure.diagnostics import Diagnostic, Diagnostics
from maint.waiting import Patience


@pytest.fixture
def diagnostics(azure: Any) -> Diagnostics:
    return Diagnostics(azure())


def server(live: Any, name: str) -> Any:
    return live.state()["one_way"]["azure"]["diagnostics"][name]


def test_only_azures_diagnostics_are_found(diagnostics: Diagnostics, patience: Patience) -> None:
    found = diagnostics.found("IC-Web6", patience)
    assert [one.words for one in found] == [
        "diagnostic setting metrics-to-workspace of IC-Web6",
        "diagnostic setting metrics-to-storage of IC-Web6",
        "diagnostics extension diagnostics of IC-Web6",
    ]
    assert [one.whole for one in found] == [True, True, False]
    named = diagnostics.found("IC-Web6", patience, ["Metrics-To-Storage"])
    assert [one.name for one in named] == ["metrics-to-storage"]
    assert diagnostics.found("IC-DC1", patience) == ()


def test_what_is_removed_can_be_put_back(live: Any, diagnostics: Diagnostics, patience: Patience) -> None:
    before = server(live, "IC-Web6")
    found = diagnostics.found("IC-Web6", patience)
    assert diagnostics.remove(found, patience) == found
    assert server(live, "IC-Web6") == {
        "extensions": ["AzureMonitorWindowsAgent", "newrelic-infra"],
        "settings": [],
        "removed": ["setting metrics-to-workspace", "setting metrics-to-storage", "extension diagnostics"],
    }
    assert diagnostics.remove(found, patience) == ()
    again = tuple(Diagnostic(**asdict(one)) for one in found)  # as the journal keeps it
    assert diagnostics.put_back(again, patience) == found
    assert diagnostics.put_back(again, patience) == ()
    assert diagnostics.found("IC-Web6", patience) == found
    assert {**server(live, "IC-Web6"), "removed": []} == before


def test_a_busy_machine_is_waited_for(live: Any, diagnostics: Diagnostics, patience: Patience, told: Any) -> None:
    live.speed(300)
    found = diagnostics.found("IC-Web2", patience, ["diagnostics"])
    live.edit("virtualMachines/IC-Web2", restart=True)
    diagnostics.remove(found, patience)
    assert any("409 Conflict" in line for line in told)
    assert "diagnostics" not in server(live, "IC-Web2")["extensions"]


def test_failures_are_told(live: Any, diagnostics: Diagnostics, patience: Patience) -> None:
    found = diagnostics.found("IC-Web2", patience, ["diagnostics"])
    live.fault("fail", system="azure", method="DELETE", path="extensions/")
    with pytest.raises(VendorError, match="could not be removed"):
        diagnostics.remove(found, patience)
    live.fault("status", system="azure", method="DELETE", path="diagnosticSettings", status=403)
    with pytest.raises(VendorError, match="removing the diagnostic settings of IC-Web2: Azure answered 403"):
        diagnostics.remove(diagnostics.found("IC-Web2", patience), patience)
    live.fault("status", system="azure", method="DELETE", path="diagnosticSettings", status=503)
    assert len(diagnostics.remove(diagnostics.found("IC-Web2", patience), patience)) == 2


def test_one_that_stays_is_told(live: Any, diagnostics: Diagnostics, patience: Patience) -> None:
    live.fault("status", system="azure", method="DELETE", path="diagnosticSettings", status=200, body={})
    with pytest.raises(VendorError, match="metrics-to-workspace of IC-Web1 is still there"):
        diagnostics.remove(diagnostics.found("IC-Web1", patience), patience)
