"""The twin's New Relic, spoken to as NerdGraph's documentation says."""

import ssl
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import build_schema, parse, validate
from graphql.type import GraphQLInputObjectType, GraphQLObjectType

from maint.rehearsal.fronts.newrelic import schema as graph
from maint.rehearsal.fronts.newrelic.schedules import Refused, Schedule

CREATE = """
mutation Create($account: Int!, $rule: AlertsMutingRuleInput!) {
  alertsMutingRuleCreate(accountId: $account, rule: $rule) {
    id name enabled status schedule { startTime endTime timeZone }
    condition { operator conditions { values } }
  }
}"""
UPDATE = """
mutation Update($account: Int!, $id: ID!, $rule: AlertsMutingRuleUpdateInput!) {
  alertsMutingRuleUpdate(accountId: $account, id: $id, rule: $rule) {
    id name enabled status schedule { endTime }
  }
}"""
DELETE = """
mutation Delete($account: Int!, $id: ID!) { alertsMutingRuleDelete(accountId: $account, id: $id) { id } }"""
LIST = """
query List($account: Int!) {
  actor { account(id: $account) { alerts {
    mutingRules { id name enabled status createdByUser { name } schedule { startTime endTime nextStartTime } }
  } } }
}"""


class NerdGraph:
    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def ask(self, query: str, key: str = "NRAK-TEST", **variables: Any) -> httpx.Response:
        body = {"query": query, "variables": {"account": 1234567, **variables}}
        return self.client.post("/newrelic/graphql", json=body, headers={"Api-Key": key})

    def data(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = self.ask(query, **variables)
        assert answer.status_code == 200
        body: dict[str, Any] = answer.json()
        assert "errors" not in body, body
        data: dict[str, Any] = body["data"]
        return data

    def refusal(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = self.ask(query, **variables)
        assert answer.status_code == 200, "NerdGraph's errors come with HTTP 200"
        error: dict[str, Any] = answer.json()["errors"][0]
        return error

    def rules(self) -> dict[str, dict[str, Any]]:
        found = self.data(LIST)["actor"]["account"]["alerts"]["mutingRules"]
        return {rule["name"]: rule for rule in found}


def a_rule(**changes: Any) -> dict[str, Any]:
    hosts = {"attribute": "tags.hostname", "operator": "IN", "values": ["IC-Web1", "IC-Web2"]}
    rule = {
        "name": "2025-03-23 monthly: IC-Web1 to 2",
        "enabled": True,
        "condition": {"operator": "AND", "conditions": [hosts]},
        "schedule": {
            "startTime": "2025-03-17T07:00:00",
            "endTime": "2025-03-17T12:00:00",
            "timeZone": "America/New_York",
        },
    }
    return {**rule, **changes}


@pytest.fixture
def nerdgraph(world: dict[str, Any], tls: ssl.SSLContext) -> Iterator[NerdGraph]:
    with httpx.Client(base_url=world["url"], verify=tls, trust_env=False) as client:
        yield NerdGraph(client)


@pytest.fixture
def in_force(control: httpx.Client) -> Callable[[], set[str]]:
    def read() -> set[str]:
        return set(control.get("/state").json()["reversible"]["newrelic"]["muting rules in force"])

    return read


@pytest.mark.parametrize("key", ["", "wrong-key"])
def test_a_missing_or_wrong_key_is_refused(nerdgraph: NerdGraph, key: str) -> None:
    answer = nerdgraph.ask(LIST, key=key)
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["extensions"]["error_code"] == "BAD_API_KEY"


def test_a_rule_is_in_force_from_its_creation_to_its_removal(
    nerdgraph: NerdGraph, in_force: Callable[[], set[str]]
) -> None:
    before = in_force()
    made = nerdgraph.data(CREATE, rule=a_rule())["alertsMutingRuleCreate"]
    assert made["status"] == "ACTIVE"
    assert made["id"].isdigit()
    assert made["schedule"]["endTime"] == "2025-03-17T12:00:00-04:00", "read back with an offset"
    assert in_force() - before == {"2025-03-23 monthly: IC-Web1 to 2: tags.hostname IN IC-Web1, IC-Web2"}
    assert nerdgraph.data(DELETE, id=made["id"]) == {"alertsMutingRuleDelete": {"id": made["id"]}}
    assert in_force() == before
    assert nerdgraph.refusal(DELETE, id=made["id"])["extensions"]["errorClass"] == "NOT_FOUND"


def test_a_rule_ends_by_itself_at_its_end(
    nerdgraph: NerdGraph, in_force: Callable[[], set[str]], control: httpx.Client
) -> None:
    before = in_force()
    made = nerdgraph.data(CREATE, rule=a_rule())["alertsMutingRuleCreate"]
    control.post("/clock", json={"now": "2025-03-17T12:00:00-04:00"}).raise_for_status()
    assert in_force() == before
    assert nerdgraph.rules()[made["name"]]["status"] == "ENDED"


def test_an_update_changes_only_what_it_names(nerdgraph: NerdGraph) -> None:
    made = nerdgraph.data(CREATE, rule=a_rule())["alertsMutingRuleCreate"]
    later = {"endTime": "2025-03-17T18:00:00"}
    changed = nerdgraph.data(UPDATE, id=made["id"], rule={"schedule": later})["alertsMutingRuleUpdate"]
    assert changed["schedule"] == {"endTime": "2025-03-17T18:00:00-04:00"}
    assert changed["name"] == made["name"]
    off = nerdgraph.data(UPDATE, id=made["id"], rule={"enabled": False})["alertsMutingRuleUpdate"]
    assert (off["enabled"], off["status"]) == (False, "INACTIVE")
    assert nerdgraph.data(UPDATE, id=made["id"], rule={"schedule": None})["alertsMutingRuleUpdate"]["schedule"] is None


def test_other_peoples_rules_and_policies_are_there(nerdgraph: NerdGraph) -> None:
    rules = nerdgraph.rules()
    assert {rule["status"] for rule in rules.values()} == {"ACTIVE", "SCHEDULED", "ENDED", "INACTIVE"}
    assert all(rule["createdByUser"]["name"] != "Maintenance Operator" for rule in rules.values())
    query = "{ actor { account(id: 1234567) { alerts { policiesSearch { policies { id name } totalCount } } } } }"
    found = nerdgraph.data(query)["actor"]["account"]["alerts"]["policiesSearch"]
    assert "Web servers" in [policy["name"] for policy in found["policies"]]


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"schedule": {"timeZone": "Eastern Standard Time"}}, "timeZone"),
        (
            {
                "schedule": {
                    "timeZone": "UTC",
                    "startTime": "2025-03-17T07:00:00",
                    "endTime": "2025-03-17T06:00:00",
                }
            },
            "endTime",
        ),
        ({"name": " "}, "name"),
        ({"condition": {"operator": "AND", "conditions": []}}, "conditions"),
        (
            {
                "condition": {
                    "operator": "OR",
                    "conditions": [{"attribute": "host", "operator": "EQUALS", "values": ["x"]}],
                }
            },
            "attribute",
        ),
    ],
)
def test_what_new_relic_refuses_is_refused(nerdgraph: NerdGraph, changes: dict[str, Any], where: str) -> None:
    error = nerdgraph.refusal(CREATE, rule=a_rule(**changes))
    assert error["extensions"]["errorClass"] == "BAD_USER_INPUT"
    assert error["extensions"]["validationErrors"][0]["name"] == where


@pytest.mark.parametrize("time", ["2025-03-17T07:00:00-04:00", "2025-03-17T07:00:00Z", "7 pm", "2025-13-01T00:00:00"])
def test_a_time_with_an_offset_or_no_time_at_all_is_refused(nerdgraph: NerdGraph, time: str) -> None:
    error = nerdgraph.refusal(CREATE, rule=a_rule(schedule={"timeZone": "UTC", "startTime": time}))
    assert "NaiveDateTime" in error["message"]


def test_other_people_make_change_and_remove_rules(
    nerdgraph: NerdGraph, in_force: Callable[[], set[str]], control: httpx.Client
) -> None:
    before = in_force()

    def edit(change: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = control.post("/edit", json={"resource": "newrelic/Hotfix", "change": change}).json()
        return answer

    web3 = {"attribute": "targetName", "operator": "EQUALS", "values": ["IC-Web3"]}
    assert "errors" not in edit({"by": "Lee Novak", "condition": {"operator": "AND", "conditions": [web3]}})
    assert in_force() - before == {"Hotfix: targetName EQUALS IC-Web3"}
    assert nerdgraph.rules()["Hotfix"]["createdByUser"] == {"name": "Lee Novak"}
    edit({"enabled": False})
    assert nerdgraph.rules()["Hotfix"]["status"] == "INACTIVE"
    edit({"deleted": True})
    assert "Hotfix" not in nerdgraph.rules()
    assert edit({"deleted": True})["errors"][0]["extensions"]["errorClass"] == "NOT_FOUND"


def test_a_fault_makes_a_mutation_fail_with_http_200(nerdgraph: NerdGraph, control: httpx.Client) -> None:
    control.post("/faults", json={"match": {"system": "newrelic"}, "do": "fail", "times": 1}).raise_for_status()
    assert nerdgraph.refusal(CREATE, rule=a_rule())["extensions"]["errorClass"] == "SERVER_ERROR"
    assert a_rule()["name"] not in nerdgraph.rules()


def test_what_the_graph_does_not_have_is_an_error_and_not_a_guess(nerdgraph: NerdGraph) -> None:
    literal = 'mutation { alertsMutingRuleCreate(accountId: 1234567, rule: { name: "x", enabled: true, '
    literal += 'condition: { operator: AND, conditions: [] }, schedule: { timeZone: "UTC", endTime: 7 } }) { id } }'
    assert "NaiveDateTime" in nerdgraph.refusal(literal)["message"]
    assert "Cannot query field" in nerdgraph.refusal("{ actor { dashboards { id } } }")["message"]
    assert nerdgraph.refusal(CREATE, account=1, rule=a_rule())["extensions"]["errorClass"] == "ACCESS_DENIED"


def test_repeating_schedules_follow_the_local_clock() -> None:
    at = datetime.fromisoformat
    nightly = Schedule.read(
        {
            "timeZone": "America/New_York",
            "startTime": at("2025-03-07T01:00:00"),
            "endTime": at("2025-03-07T02:30:00"),
            "repeat": "DAILY",
            "repeatCount": 4,
        }
    )
    assert nightly.covers(at("2025-03-08T06:15:00+00:00"))
    assert nightly.covers(at("2025-03-10T05:15:00+00:00")), "the zone's summer time began on the 9th"
    assert not nightly.covers(at("2025-03-11T05:15:00+00:00")), "four times and no more"
    assert nightly.occurrence(at("2025-03-12T00:00:00+00:00")) is None
    with pytest.raises(Refused, match="repeatCount"):
        Schedule.read({"endRepeat": at("2025-04-01T00:00:00")}, nightly)


def test_the_graph_has_the_names_that_new_relics_own_client_uses(specs: Path) -> None:
    theirs = build_schema((specs / "newrelic/muting-rules.derived.graphql").read_text())
    for query in (CREATE, UPDATE, DELETE, LIST):
        assert not validate(theirs, parse(query))
    ours = graph.build()
    for name, kind in theirs.type_map.items():
        if isinstance(kind, GraphQLObjectType | GraphQLInputObjectType) and not name.startswith("__"):
            mine = ours.type_map[name]
            assert isinstance(mine, GraphQLObjectType | GraphQLInputObjectType)
            assert {(f, str(v.type)) for f, v in kind.fields.items()} <= {
                (f, str(v.type)) for f, v in mine.fields.items()
            }
