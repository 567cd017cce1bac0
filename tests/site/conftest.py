"""The suites' own fixtures, led to the tests' shared twin."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, Response

from maint.environment import Environment, load_environment
from maint.payer import Payer
from maint.rehearsal.site import SiteState, site_app
from maint.site import Biller, Site
from maint.twin import Handover
from maint.visit import Visit, Where

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def environment(twin: dict[str, Any]) -> Environment:
    """The rehearsal environment of the shared twin."""
    return load_environment(ROOT / "environments", Handover.model_validate(twin))


@pytest.fixture
def state() -> SiteState:
    """A site as new."""
    return SiteState()


@pytest.fixture
def client(state: SiteState) -> Callable[..., httpx.AsyncClient]:
    """Return a function that makes a visitor of one server, `client("IC-Web2")`, in this process."""

    def visitor(server: str = "IC-Web1") -> httpx.AsyncClient:
        transport = httpx.ASGITransport(site_app(server, state))
        return httpx.AsyncClient(transport=transport, base_url="https://www.invoicecloud.com")

    return visitor


@pytest.fixture
def visited() -> dict[Where, Visit]:
    """Nothing seen yet: each test breaks the site in its own way."""
    return {}


@pytest.fixture
def payer(page: Page, go: Callable[[str], Response], site: Site, biller: Biller) -> Payer:
    """A payer of the first biller."""
    return Payer(page, go, site, biller, biller.bill_type)
