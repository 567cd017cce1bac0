"""PowerShell's values: what it makes of them as text, in a pipeline, and when they are compared."""

import re
from datetime import timedelta
from typing import Any


class PowerShellError(Exception):
    """An error as PowerShell would write it; one that ends the script unless told otherwise."""


def unrolled(value: Any) -> list[Any]:
    """Return a value as what a pipeline carries: a list's entries one by one, nothing for null."""
    return [one for one in value if one is not None] if isinstance(value, list) else [] if value is None else [value]


def collapsed(values: list[Any]) -> Any:
    """Return what a pipeline put out as one value."""
    return values[0] if len(values) == 1 else values or None


def text(value: Any) -> str:
    """Return a value as PowerShell makes it a string."""
    if isinstance(value, timedelta):
        days, seconds = value.days, value.seconds
        clock = f"{seconds // 3600:02}:{seconds % 3600 // 60:02}:{seconds % 60:02}"
        return f"{days}.{clock}" if days else clock
    if isinstance(value, list):
        return " ".join(map(text, value))
    if isinstance(value, dict):
        return "\n".join(f"{key} : {text(inner)}" for key, inner in value.items())
    return "" if value is None else str(value)


def member(value: Any, name: str) -> Any:
    """Return a member of a value, whatever its casing; null where there is none."""
    if isinstance(value, list):
        return len(value) if name.lower() in {"count", "length"} else collapsed([member(one, name) for one in value])
    if isinstance(value, dict):
        return next((inner for key, inner in value.items() if key.lower() == name.lower()), None)
    if isinstance(value, timedelta) and name.lower() == "totalseconds":
        return value.total_seconds()
    return None


def whole(value: Any) -> int:
    """Return a value as a whole number; raises PowerShellError when it is none."""
    try:
        return round(float(value or 0))
    except ValueError as error:
        raise PowerShellError(f'Cannot convert value "{text(value)}" to type "System.Int32".') from error


def compared(how: str, left: Any, right: Any) -> bool:
    """Compare two values as one of the operators does, whatever the casing."""
    if how == "is":
        return isinstance(left, {"string": str, "int": int, "bool": bool}.get(str(right), ()))
    if how == "contains":
        return text(right).lower() in [text(one).lower() for one in unrolled(left)]
    if how in {"gt", "ge", "lt", "le"}:
        first, second = float(left or 0), float(right or 0)
        return {"gt": first > second, "ge": first >= second, "lt": first < second, "le": first <= second}[how]
    if how == "match":
        return bool(re.search(text(right), text(left), re.IGNORECASE))
    if how in {"like", "notlike"}:
        pattern = re.escape(text(right)).replace(r"\*", ".*").replace(r"\?", ".")
        return bool(re.fullmatch(pattern, text(left), re.IGNORECASE)) == (how == "like")
    same = (left is None) == (right is None) and text(left).lower() == text(right).lower()
    return same == (how == "eq")
