"""What counts as a difference between two states of a resource."""

from maint.systems.azure.documents import differences


def test_what_azure_moves_by_itself_is_no_difference() -> None:
    first = {"etag": 'W/"1"', "properties": {"provisioningState": "Succeeded", "a": [{"name": "x", "etag": "1"}]}}
    second = {"etag": 'W/"2"', "properties": {"provisioningState": "Updating", "a": [{"name": "x", "etag": "2"}]}}
    assert not list(differences(first, second))


def test_left_out_and_empty_are_the_same_and_ids_have_no_case() -> None:
    first = {"tags": {}, "pools": [], "id": "/subscriptions/A/resourceGroups/b"}
    second = {"id": "/subscriptions/a/resourcegroups/B"}
    assert not list(differences(first, second))


def test_named_entries_are_compared_by_name() -> None:
    first = {"rules": [{"name": "one", "priority": 1}, {"name": "two"}]}
    second = {"rules": [{"name": "three"}, {"name": "one", "priority": 2}]}
    assert list(differences(first, second)) == [
        "rules/one/priority: 1 -> 2",
        "rules/three: nothing -> three",
        "rules/two: two -> nothing",
    ]


def test_addresses_are_compared_one_by_one() -> None:
    first = {"members": [{"ipAddress": "10.0.0.1"}, {"ipAddress": "10.0.0.2"}]}
    second = {"members": [{"ipAddress": "10.0.0.2"}]}
    (line,) = differences(first, second)
    assert line.startswith('members/{"ipAddress": "10.0.0.1"}')
