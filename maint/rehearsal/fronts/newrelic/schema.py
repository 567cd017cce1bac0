"""What the stand-in for NerdGraph can be asked: the alerts part of the graph, and the types it is made of."""

import re
from datetime import datetime
from typing import Any

from graphql import GraphQLError, GraphQLScalarType, GraphQLSchema, build_schema

SDL = """
schema { query: RootQueryType mutation: RootMutationType }
"A local time without any offset, such as 2025-03-22T18:00:00."
scalar NaiveDateTime
"A time with its offset."
scalar DateTime

type RootQueryType { actor: Actor }
type Actor { account(id: Int!): Account accounts: [Account] user: User }
type User { id: Int email: String name: String }
type Account { id: Int name: String alerts: AlertsAccountStitchedFields }
type AlertsAccountStitchedFields {
  mutingRule(id: ID!): AlertsMutingRule
  mutingRules: [AlertsMutingRule!]
  policy(id: ID!): AlertsPolicy
  policiesSearch(
    cursor: String, searchCriteria: AlertsPoliciesSearchCriteriaInput
  ): AlertsPoliciesSearchResultSet
  nrqlConditionsSearch(
    cursor: String, searchCriteria: AlertsNrqlConditionsSearchCriteriaInput
  ): AlertsNrqlConditionsSearchResultSet
}
input AlertsPoliciesSearchCriteriaInput { ids: [ID!] name: String nameLike: String }
input AlertsNrqlConditionsSearchCriteriaInput { name: String nameLike: String policyId: ID }
type AlertsPoliciesSearchResultSet { nextCursor: String policies: [AlertsPolicy!]! totalCount: Int! }
type AlertsNrqlConditionsSearchResultSet {
  nextCursor: String nrqlConditions: [AlertsNrqlCondition!]! totalCount: Int!
}
type AlertsPolicy { id: ID! accountId: Int! name: String! incidentPreference: AlertsIncidentPreference! }
type AlertsNrqlCondition {
  id: ID! name: String! enabled: Boolean! policyId: ID! nrql: AlertsNrqlConditionQuery!
}
type AlertsNrqlConditionQuery { query: String! }
enum AlertsIncidentPreference { PER_CONDITION PER_CONDITION_AND_TARGET PER_POLICY }

type RootMutationType {
  alertsMutingRuleCreate(accountId: Int!, rule: AlertsMutingRuleInput!): AlertsMutingRule
  alertsMutingRuleUpdate(accountId: Int!, id: ID!, rule: AlertsMutingRuleUpdateInput!): AlertsMutingRule
  alertsMutingRuleDelete(accountId: Int!, id: ID!): AlertsMutingRuleDeleteResult
}
type AlertsMutingRuleDeleteResult { id: ID! }
type AlertsUserReference { email: String gravatar: String id: Int name: String }
type AlertsMutingRule {
  id: ID! accountId: Int! name: String! description: String enabled: Boolean! status: AlertsMutingRuleStatus
  actionOnMutingRuleWindowEnded: AlertsActionOnMutingRuleWindowEnded
  condition: AlertsMutingRuleConditionGroup! schedule: AlertsMutingRuleSchedule
  createdAt: DateTime createdByUser: AlertsUserReference
  updatedAt: DateTime updatedByUser: AlertsUserReference
}
type AlertsMutingRuleConditionGroup {
  operator: AlertsMutingRuleConditionGroupOperator! conditions: [AlertsMutingRuleCondition!]!
}
type AlertsMutingRuleCondition {
  attribute: String! operator: AlertsMutingRuleConditionOperator! values: [String!]!
}
type AlertsMutingRuleSchedule {
  startTime: DateTime endTime: DateTime timeZone: String! repeat: AlertsMutingRuleScheduleRepeat
  endRepeat: DateTime repeatCount: Int weeklyRepeatDays: [AlertsDayOfWeek!]
  nextStartTime: DateTime nextEndTime: DateTime
}
input AlertsMutingRuleInput {
  name: String! enabled: Boolean! description: String condition: AlertsMutingRuleConditionGroupInput!
  schedule: AlertsMutingRuleScheduleInput actionOnMutingRuleWindowEnded: AlertsActionOnMutingRuleWindowEnded
}
input AlertsMutingRuleUpdateInput {
  name: String enabled: Boolean description: String condition: AlertsMutingRuleConditionGroupInput
  schedule: AlertsMutingRuleScheduleUpdateInput
  actionOnMutingRuleWindowEnded: AlertsActionOnMutingRuleWindowEnded
}
input AlertsMutingRuleConditionGroupInput {
  operator: AlertsMutingRuleConditionGroupOperator! conditions: [AlertsMutingRuleConditionInput!]!
}
input AlertsMutingRuleConditionInput {
  attribute: String! operator: AlertsMutingRuleConditionOperator! values: [String!]!
}
input AlertsMutingRuleScheduleInput {
  timeZone: String! startTime: NaiveDateTime endTime: NaiveDateTime endRepeat: NaiveDateTime
  repeat: AlertsMutingRuleScheduleRepeat repeatCount: Int weeklyRepeatDays: [AlertsDayOfWeek!]
}
input AlertsMutingRuleScheduleUpdateInput {
  timeZone: String startTime: NaiveDateTime endTime: NaiveDateTime endRepeat: NaiveDateTime
  repeat: AlertsMutingRuleScheduleRepeat repeatCount: Int weeklyRepeatDays: [AlertsDayOfWeek!]
}
enum AlertsMutingRuleStatus { ACTIVE ENDED INACTIVE SCHEDULED }
enum AlertsActionOnMutingRuleWindowEnded { CLOSE_ISSUES_ON_INACTIVE DO_NOTHING }
enum AlertsMutingRuleConditionGroupOperator { AND OR }
enum AlertsMutingRuleConditionOperator {
  ANY CONTAINS ENDS_WITH EQUALS IN IS_BLANK IS_NOT_BLANK NOT_CONTAINS NOT_ENDS_WITH NOT_EQUALS NOT_IN
  NOT_STARTS_WITH STARTS_WITH
}
enum AlertsMutingRuleScheduleRepeat { DAILY MONTHLY WEEKLY }
enum AlertsDayOfWeek { FRIDAY MONDAY SATURDAY SUNDAY THURSDAY TUESDAY WEDNESDAY }
"""

_NAIVE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?")


def naive_time(value: Any) -> datetime:
    """Read a NaiveDateTime; raises GraphQLError when it has an offset or is no time at all."""
    if isinstance(value, str) and _NAIVE.fullmatch(value):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            pass
    raise GraphQLError(f'Expected type NaiveDateTime (local time without an offset), found "{value}".')


def build() -> GraphQLSchema:
    """Return the schema, its NaiveDateTime refusing what New Relic's does."""
    schema = build_schema(SDL)
    naive = schema.type_map["NaiveDateTime"]
    assert isinstance(naive, GraphQLScalarType)  # noqa: S101 - tells mypy what the SDL above says
    # graphql-core offers no other way to give a scalar of an SDL its own reading.
    naive.coerce_input_value = naive_time
    naive.coerce_input_literal = lambda node: naive_time(getattr(node, "value", None))
    return schema
