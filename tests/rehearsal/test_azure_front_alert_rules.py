"""The twin's alert processing rules, spoken to with Azure's own client."""

from typing import Any

import httpx
import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.alertprocessingrules import AlertProcessingRulesMgmtClient

GROUP = "rg-payments-prd"
SCOPE = f"/subscriptions/5c2f4d1e-0000-4000-8000-00000000a1b2/resourceGroups/{GROUP}"
MACHINE = f"{SCOPE}/providers/Microsoft.Compute/virtualMachines/IC-Web1"


def rule(**schedule: Any) -> Any:
    properties = {"scopes": [MACHINE], "actions": [{"actionType": "RemoveAllActionGroups"}], "enabled": True}
    return {"location": "Global", "tags": {"window": "march"}, "properties": properties | {"schedule": schedule}}


MARCH = {
    "timeZone": "Eastern Standard Time",
    "effectiveFrom": "2025-03-22T18:00:00",
    "effectiveUntil": "2025-03-22T21:00:00",
}


def muted(control: httpx.Client) -> Any:
    return control.get("/state").json()["reversible"]["azure"]["alert_mutes"]


def test_a_mute_is_in_force_between_its_ends_only(
    alerts: AlertProcessingRulesMgmtClient, control: httpx.Client
) -> None:
    alerts.alert_processing_rules.create_or_update(GROUP, "march", rule(**MARCH))
    assert muted(control) == []
    control.post("/clock", json={"now": "2025-03-22T18:00:01-04:00", "speed": 1})
    assert muted(control) == ["IC-Web1"]
    alerts.alert_processing_rules.update(GROUP, "march", {"properties": {"enabled": False}})
    assert muted(control) == []
    alerts.alert_processing_rules.update(GROUP, "march", {"properties": {"enabled": True}})
    assert muted(control) == ["IC-Web1"]
    control.post("/clock", json={"now": "2025-03-22T21:00:00-04:00"})
    assert muted(control) == []


def test_a_rule_is_written_read_listed_and_deleted(
    alerts: AlertProcessingRulesMgmtClient, world: dict[str, Any], control: httpx.Client
) -> None:
    rules = alerts.alert_processing_rules
    url = f"{world['url']}/azure{SCOPE}/providers/Microsoft.AlertsManagement/actionRules/march?api-version=2021-08-08"
    asked = {"authorization": "Bearer x"}
    assert control.put(url, json=rule(**MARCH), headers=asked).status_code == 201
    assert control.put(url, json=rule(**MARCH), headers=asked).status_code == 200
    found = rules.get_by_name(GROUP, "march")
    assert found.properties is not None
    assert found.properties.scopes == [MACHINE]
    assert [r.name for r in rules.list_by_subscription()] == ["march"]
    assert [r.name for r in rules.list_by_resource_group(GROUP)] == ["march"]
    assert control.delete(url, headers=asked).status_code == 200
    assert control.delete(url, headers=asked).status_code == 204
    with pytest.raises(ResourceNotFoundError):
        rules.get_by_name(GROUP, "march")


def test_somebody_else_changes_and_deletes_a_rule(
    alerts: AlertProcessingRulesMgmtClient, control: httpx.Client
) -> None:
    alerts.alert_processing_rules.create_or_update(GROUP, "march", rule())
    assert muted(control) == ["IC-Web1"]
    edit = {"resource": "actionRules/march", "change": {"scopes": [SCOPE]}}
    assert control.post("/edit", json=edit).status_code == 200
    assert muted(control) == [GROUP]
    assert control.post("/edit", json={**edit, "change": {"deleted": True}}).status_code == 200
    assert muted(control) == []
    assert control.post("/edit", json=edit).status_code == 404


def test_it_recurs_weekly_over_midnight(alerts: AlertProcessingRulesMgmtClient, control: httpx.Client) -> None:
    recurrence = {
        "recurrenceType": "Weekly", "daysOfWeek": ["Saturday"], "startTime": "22:00:00", "endTime": "02:00:00",
    }  # fmt: skip
    weekly = rule(timeZone="Eastern Standard Time", recurrences=[recurrence])
    alerts.alert_processing_rules.create_or_update(GROUP, "weekly", weekly)
    seen = []
    for now in ("2025-03-22T21:59:00", "2025-03-22T22:00:00", "2025-03-23T01:59:00", "2025-03-23T22:00:00"):
        control.post("/clock", json={"now": f"{now}-04:00", "speed": 1})
        seen.append(bool(muted(control)))
    assert seen == [False, True, True, False]


@pytest.mark.parametrize(
    "schedule",
    [
        MARCH | {"effectiveFrom": "2025-03-22T18:00:00Z"},
        MARCH | {"effectiveUntil": "2025-03-22T21:00:00-04:00"},
        MARCH | {"timeZone": "America/New_York"},
        MARCH | {"effectiveUntil": "2025-03-22T17:00:00"},
    ],
)
def test_a_schedule_that_azure_refuses_is_refused(
    alerts: AlertProcessingRulesMgmtClient, schedule: dict[str, str]
) -> None:
    with pytest.raises(HttpResponseError) as refused:
        alerts.alert_processing_rules.create_or_update(GROUP, "march", rule(**schedule))
    assert refused.value.status_code == 400
