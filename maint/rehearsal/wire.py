"""The last metre: a connection that can be closed without an answer."""

import asyncio

from starlette.types import Receive, Scope
from uvicorn.protocols.http.h11_impl import H11Protocol


class Protocol(H11Protocol):
    """uvicorn's HTTP protocol, with the connection itself within the application's reach."""

    def connection_made(  # type: ignore[override]  # uvicorn narrows it just so
        self, transport: asyncio.Transport
    ) -> None:
        """Put this connection's transport into the state that each of its requests gets."""
        self.app_state = {**self.app_state, "transport": transport}
        super().connection_made(transport)


async def hang_up(scope: Scope, receive: Receive) -> None:
    """Close the request's connection without an answer, and return when it is gone."""
    scope["state"]["transport"].abort()
    await gone(receive)


async def gone(receive: Receive) -> None:
    """Return when the other side has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass
