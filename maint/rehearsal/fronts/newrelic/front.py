"""NerdGraph over HTTP: one address, a key, and errors that come with status 200."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from graphql import ExecutionResult, GraphQLError, graphql_sync
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from maint.rehearsal.clock import WorldClock
from maint.rehearsal.front import History, told_to_fail
from maint.rehearsal.fronts.newrelic import schema as graph
from maint.rehearsal.fronts.newrelic.rules import (
    ACCOUNT,
    CONDITIONS,
    POLICIES,
    Rule,
    check_condition,
    check_name,
    others,
)
from maint.rehearsal.fronts.newrelic.schedules import Refused, Schedule

OPERATOR = "Maintenance Operator"


class NewRelicFront:
    """Muting rules, policies and conditions of one account.

    Any key is good that is not empty and does not begin with "wrong". clock says what is in force.
    """

    name = "newrelic"
    prefix = "/newrelic"

    def __init__(self, clock: WorldClock, history: History) -> None:
        self._clock, self._history = clock, history
        self._schema = graph.build()
        self._rules = {rule.id: rule for rule in others(datetime(2025, 1, 6, 15, 0, tzinfo=UTC))}
        self._next = max(self._rules) + 1

    def routes(self) -> Sequence[BaseRoute]:
        """Return NerdGraph's one route, and New Relic's answer to any other."""
        return [
            Route("/graphql", self._graphql, methods=["POST"]),
            Route("/{path:path}", _nothing_here, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
        ]

    def reversible(self) -> dict[str, Any]:
        """Return the muting rules in force, by name and by what they mute."""
        now = self._clock.now()
        in_force = (f"{rule.name}: {rule.mutes()}" for rule in self._rules.values() if rule.in_force(now))
        return {"muting rules in force": sorted(in_force)}

    def one_way(self) -> dict[str, Any]:
        """Return nothing: whatever is done to a muting rule can be undone."""
        return {}

    def busy(self) -> bool:
        """Return False: NerdGraph answers when it is done."""
        return False

    async def edit(self, resource: str, change: dict[str, Any]) -> Response:
        """Create, change or (`{"deleted": true}`) delete the rule of this name, as another person.

        change otherwise holds the fields of AlertsMutingRuleInput, and "by" the person's name.
        """
        by = str(change.get("by", "Priya Nair"))
        rule = {key: value for key, value in change.items() if key not in ("by", "deleted")}
        found = next((one for one in self._rules.values() if one.name == resource), None)
        variables: dict[str, Any] = {"account": ACCOUNT, "id": str(found.id) if found else "0"}
        if change.get("deleted"):
            call = "D($account: Int!, $id: ID!) { alertsMutingRuleDelete(accountId: $account, id: $id) { id } }"
        elif found:
            call = (
                "U($account: Int!, $id: ID!, $rule: AlertsMutingRuleUpdateInput!)"
                "{ alertsMutingRuleUpdate(accountId: $account, id: $id, rule: $rule) { id name status } }"
            )
            variables["rule"] = rule
        else:
            call = (
                "C($account: Int!, $rule: AlertsMutingRuleInput!)"
                "{ alertsMutingRuleCreate(accountId: $account, rule: $rule) { id name status } }"
            )
            variables["rule"] = {"name": resource, "enabled": True, **rule}
        return JSONResponse(_body(self._run(f"mutation {call}", variables, None, by, failing=False)))

    async def _graphql(self, request: Request) -> Response:
        key = request.headers.get("api-key", "")
        if not key or key.startswith("wrong"):
            refusal = {"message": "Invalid API key", "extensions": {"error_code": "BAD_API_KEY"}}
            return JSONResponse({"errors": [refusal]}, status_code=401)
        try:
            asked = json.loads(await request.body())
            query, variables = str(asked["query"]), asked.get("variables") or {}
        except (ValueError, KeyError, TypeError):
            refusal = {
                "message": "The request body must be JSON with a query",
                "extensions": {"errorClass": "INVALID_INPUT"},
            }
            return JSONResponse({"errors": [refusal]}, status_code=400)
        result = self._run(query, variables, asked.get("operationName"), OPERATOR, failing=told_to_fail(request))
        return JSONResponse(_body(result))

    def _run(
        self, query: str, variables: dict[str, Any], operation: str | None, by: str, *, failing: bool
    ) -> ExecutionResult:
        def mutation(change: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
            def resolve(_info: Any, **arguments: Any) -> dict[str, Any]:
                self._own(arguments.pop("accountId"))
                if failing:
                    raise _error("An internal error occurred", "SERVER_ERROR")
                try:
                    return change(by, **arguments)
                except Refused as refused:
                    raise _bad_input(refused) from refused

            return resolve

        root = {
            "actor": {"account": self._account, "accounts": self._accounts, "user": _operator},
            "alertsMutingRuleCreate": mutation(self._create),
            "alertsMutingRuleUpdate": mutation(self._update),
            "alertsMutingRuleDelete": mutation(self._delete),
        }
        return graphql_sync(self._schema, query, root, variable_values=variables, operation_name=operation)

    def _create(self, by: str, rule: dict[str, Any]) -> dict[str, Any]:
        now = self._clock.now()
        made = Rule(
            id=self._next,
            name=check_name(rule["name"]),
            enabled=rule["enabled"],
            condition=check_condition(rule["condition"]),
            by=by,
            created=now,
            updated=now,
            description=rule.get("description"),
            schedule=Schedule.read(rule["schedule"]) if rule.get("schedule") else None,
            when_ended=rule.get("actionOnMutingRuleWindowEnded") or "CLOSE_ISSUES_ON_INACTIVE",
        )
        self._next += 1
        self._rules[made.id] = made
        self._history(f'New Relic: {by} created the muting rule "{made.name}" ({made.mutes()})')
        return made.answer(now)

    def _update(self, by: str, id: str, rule: dict[str, Any]) -> dict[str, Any]:  # noqa: A002 - NerdGraph's name
        found, now = self._find(id), self._clock.now()
        name = check_name(rule["name"]) if "name" in rule else found.name
        condition = check_condition(rule["condition"]) if rule.get("condition") else found.condition
        schedule = found.schedule
        if "schedule" in rule:
            schedule = Schedule.read(rule["schedule"], schedule) if rule["schedule"] else None
        found.name, found.condition, found.schedule = name, condition, schedule
        found.enabled = found.enabled if rule.get("enabled") is None else rule["enabled"]
        found.description = rule.get("description", found.description)
        found.when_ended = rule.get("actionOnMutingRuleWindowEnded") or found.when_ended
        found.updated, found.updated_by = now, by
        self._history(f'New Relic: {by} changed the muting rule "{found.name}", now {found.status(now)}')
        return found.answer(now)

    def _delete(self, by: str, id: str) -> dict[str, Any]:  # noqa: A002 - NerdGraph's name
        found = self._find(id)
        del self._rules[found.id]
        self._history(f'New Relic: {by} deleted the muting rule "{found.name}"')
        return {"id": str(found.id)}

    def _find(self, number: str) -> Rule:
        found = self._rules.get(int(number)) if number.isdigit() else None
        if found is None:
            raise _error(f"Muting rule with id {number} was not found", "NOT_FOUND")
        return found

    def _own(self, account: int) -> None:
        if account != ACCOUNT:
            raise _error("Account not found or access denied", "ACCESS_DENIED")

    def _accounts(self, _info: Any) -> list[dict[str, Any]]:
        return [{"id": ACCOUNT, "name": "Payments production"}]

    def _account(self, _info: Any, id: int) -> dict[str, Any]:  # noqa: A002 - NerdGraph's name
        self._own(id)
        alerts = {
            "mutingRule": lambda _info, id: self._find(id).answer(self._clock.now()),  # noqa: A006
            "mutingRules": lambda _info: [rule.answer(self._clock.now()) for rule in self._rules.values()],
            "policy": _policy,
            "policiesSearch": _policies,
            "nrqlConditionsSearch": _conditions,
        }
        return {"id": ACCOUNT, "name": "Payments production", "alerts": alerts}


def _operator(_info: Any) -> dict[str, Any]:
    return {"id": 1, "name": OPERATOR, "email": "maintenance.operator@example.com"}


def _policy(_info: Any, id: str) -> dict[str, Any]:  # noqa: A002 - NerdGraph's name
    if not id.isdigit() or int(id) not in POLICIES:
        raise _error(f"Policy with id {id} was not found", "NOT_FOUND")
    return _policy_answer(int(id), POLICIES[int(id)])


def _policy_answer(number: int, name: str) -> dict[str, Any]:
    return {"id": str(number), "accountId": ACCOUNT, "name": name, "incidentPreference": "PER_CONDITION"}


def _policies(_info: Any, cursor: str | None = None, **criteria: Any) -> dict[str, Any]:
    wanted = criteria.get("searchCriteria") or {}
    found = [
        _policy_answer(number, name)
        for number, name in POLICIES.items()
        if _named(name, wanted) and (wanted.get("ids") is None or str(number) in wanted["ids"])
    ]
    return {"nextCursor": None, "policies": found, "totalCount": len(found)}


def _conditions(_info: Any, cursor: str | None = None, **criteria: Any) -> dict[str, Any]:
    wanted = criteria.get("searchCriteria") or {}
    found = [
        {"id": str(number), "name": name, "enabled": True, "policyId": str(policy), "nrql": {"query": query}}
        for number, policy, name, query in CONDITIONS
        if _named(name, wanted) and wanted.get("policyId") in (None, str(policy))
    ]
    return {"nextCursor": None, "nrqlConditions": found, "totalCount": len(found)}


def _named(name: str, wanted: dict[str, Any]) -> bool:
    like = (wanted.get("nameLike") or "").lower()
    return wanted.get("name") in (None, name) and like in name.lower()


def _error(message: str, kind: str) -> GraphQLError:
    return GraphQLError(message, extensions={"errorClass": kind})


def _bad_input(refused: Refused) -> GraphQLError:
    validation = [{"name": refused.name, "reason": refused.reason}]
    kind = "BAD_USER_INPUT"
    extensions = {"errorClass": kind, "code": kind, "validationErrors": validation}
    return GraphQLError(f"Validation Error: {refused}", extensions=extensions)


def _body(result: ExecutionResult) -> dict[str, Any]:
    for problem in result.errors or ():
        if problem.original_error and not isinstance(problem.original_error, GraphQLError):
            raise problem.original_error  # a mistake of the twin's, not an answer of New Relic's
    formatted: dict[str, Any] = dict(result.formatted)
    for error in formatted.get("errors", ()):
        # What does not even fit the schema is refused under a class of its own.
        error.setdefault("extensions", {"errorClass": "INVALID_INPUT"})
    return formatted


async def _nothing_here(request: Request) -> Response:
    return JSONResponse({"errors": [{"message": "Not Found"}]}, status_code=404)
