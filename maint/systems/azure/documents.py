"""Comparing two states of an Azure resource as plain JSON, leaving out what Azure itself writes."""

import json
from collections.abc import Iterator
from typing import Any

# What changes by itself with any write.
_MOVES = frozenset({"etag", "provisioningState", "operationalState"})


def plain(document: Any) -> Any:
    """Return a copy of the SDK's model (or a part of it) as plain JSON, every field as it is on the wire."""
    return json.loads(json.dumps(_items(document)))


def _items(part: Any) -> Any:
    if hasattr(part, "items"):
        return {str(key): _items(value) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return [_items(value) for value in part]
    return part


def differences(first: Any, second: Any, path: str = "") -> Iterator[str]:
    """Yield one line for each thing in which two plain documents differ, such as "a/b: 1 -> 2".

    List entries that have a name are compared by name. Ids are compared without case, as Azure does.
    """
    if isinstance(first, dict) and isinstance(second, dict):
        for key in sorted((first.keys() | second.keys()) - _MOVES):
            yield from differences(first.get(key), second.get(key), f"{path}/{key}" if path else key)
    elif isinstance(first, list) and isinstance(second, list):
        mine, theirs = _by_name(first), _by_name(second)
        for key in sorted(mine.keys() | theirs.keys()):
            yield from differences(mine.get(key), theirs.get(key), f"{path}/{key}")
    elif _same(first) != _same(second):
        yield f"{path}: {_short(first)} -> {_short(second)}"


def _same(value: Any) -> Any:
    if value in (None, [], {}):
        return None  # Azure leaves out what is empty, or does not
    return value.lower() if isinstance(value, str) and value.lower().startswith("/subscriptions/") else value


def _by_name(entries: list[Any]) -> dict[str, Any]:
    named = all(isinstance(entry, dict) and entry.get("name") for entry in entries)
    if named:
        return {str(entry["name"]): entry for entry in entries}
    # Without names the order says nothing here (ids, addresses, ports): each entry is its own key.
    return {json.dumps(_same(entry), sort_keys=True): entry for entry in entries}


def _short(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict) and value.get("name"):
        return str(value["name"])
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
