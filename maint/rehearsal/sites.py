"""What the web servers serve: the stand-in site, one state for all servers, and the marketing pages."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import HTMLResponse
from starlette.types import ASGIApp


@dataclass(frozen=True)
class Sites:
    """The applications of one world: each server's share of the portal, and the marketing hosts."""

    of: Callable[[str], ASGIApp]
    marketing: ASGIApp


def new_sites() -> Sites:
    """Return the applications with a state of their own."""
    return Sites(lambda name: HTMLResponse(f"<h1>Pay a bill</h1><p>{name}</p>"), HTMLResponse("<h1>Marketing</h1>"))
