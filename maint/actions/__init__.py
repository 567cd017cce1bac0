"""The maintenance actions: one file each; `rebuild` makes a reversible one again from what the journal kept."""

from typing import Any

from maint.actions.drain import Drain
from maint.actions.mute import MuteAzure, MuteNewRelic
from maint.errors import MaintError
from maint.holding import Reversible

KINDS: dict[str, type[Reversible]] = {kind.kind: kind for kind in (Drain, MuteAzure, MuteNewRelic)}


def rebuild(kind: str, values: dict[str, Any]) -> Reversible:
    """Make a reversible action from its kind and its plain values as JSON gave them back.

    Raises MaintError for a kind that this version does not know, or knows with other values.
    """
    if kind not in KINDS:
        raise MaintError(f"this version knows no action {kind!r}", where="the journal", next="update this checkout")
    plain = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    try:
        return KINDS[kind](**plain)
    except TypeError as error:
        raise MaintError(
            f"another version wrote the action {kind!r}: {error}",
            where="the journal",
            next="give it back with the checkout that took it",
        ) from error
