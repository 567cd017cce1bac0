"""What every vendor's stand-in has in common."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

History = Callable[[str], None]
"""Adds one line, for people, to the world's history."""

FAIL = "maint.fail"


def told_to_fail(request: Request) -> bool:
    """Say whether a fault (`"do": "fail"`) wants the operation that this request starts to end Failed."""
    return bool(request.scope.get(FAIL))


class Front(Protocol):
    """One vendor's API: its state, its routes, and what the control interface asks of it.

    name: the system as faults call it ("azure", "newrelic", "azure-devops", "slack").
    prefix: the path it is mounted under on the twin's address; routes are relative to it.
    """

    name: str
    prefix: str

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes, relative to `prefix`, the last one answering the vendor's own 404."""

    def reversible(self) -> dict[str, Any]:
        """Return what "equal before and after" is asked of: no ids or times that change by themselves."""

    def one_way(self) -> dict[str, Any]:
        """Return what may happen at most once each: patches, pipeline runs."""

    def busy(self) -> bool:
        """Say whether an operation is in progress."""

    async def edit(self, resource: str, change: dict[str, Any]) -> Response:
        """Make somebody else's change of a named resource, by the same rules as an API write."""
