"""What the browser suites ask for: a browser that reaches the right site, and what they expect to see there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from maint.browser import find_browser
from maint.errors import UsageProblem
from maint.redact import redact
from maint.visit import Visit, Visits, Where

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Browser, Page, Response

    from maint.environment import Environment
    from maint.site import Biller, Site


@pytest.fixture(scope="session")
def site(environment: Environment) -> Site:
    """What is expected of the site."""
    return environment.site


@pytest.fixture(scope="session")
def base_url(site: Site) -> str:
    """The portal's address, for pages that are opened by their path."""
    return site.base_url


@pytest.fixture(scope="session")
def biller(site: Site) -> Biller:
    """The biller that the suites look at most closely."""
    return site.biller


@pytest.fixture(scope="session")
def address_of(environment: Environment) -> Callable[[str], tuple[str, int]]:
    """Where a host of the site answers HTTPS: address and port, the twin's in rehearsal."""

    def address(host: str) -> tuple[str, int]:
        if environment.handover is None:
            return host, 443
        name, _, port = environment.handover.www.rpartition(":")
        return name, int(port)

    return address


@pytest.fixture(scope="session")
def authority(environment: Environment) -> Path | None:
    """The certificate authority of the site's hosts: the twin's in rehearsal, None for the machine's own."""
    return environment.ca


@pytest.fixture(scope="session")
def browser_type_launch_args(
    browser_type_launch_args: dict[str, Any], browser_name: str, environment: Environment
) -> dict[str, Any]:
    """How the browser is started: the one that is installed, and in rehearsal led to the twin and nowhere else."""
    options = dict(browser_type_launch_args)
    if browser_name != "chromium":
        if environment.handover:
            raise UsageProblem(
                f"a rehearsal needs Chromium; {browser_name} cannot be led to the twin",
                where="--browser",
                next="leave --browser out",
            )
        return options
    if not options.get("channel"):
        options["executable_path"] = find_browser(headless=options.get("headless", True))
    arguments = ["--disable-background-networking"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        arguments.append("--no-sandbox")  # Chromium refuses to start as root with it
    if environment.handover:
        arguments.append(f"--host-resolver-rules={_to_the_twin(environment)}")
    return {**options, "args": [*options.get("args", []), *arguments]}


def _to_the_twin(environment: Environment) -> str:
    """Return Chromium's rules: the site's hosts are the twin's ports, any other host does not exist."""
    twin = environment.handover
    assert twin is not None  # noqa: S101 - for mypy: asked only in rehearsal
    rules = [
        f"MAP {host}:{port} {address}"
        for host in environment.site.hosts
        for port, address in ((443, twin.www), (80, twin.www_http))
    ]
    return ", ".join([*rules, "MAP * ~NOTFOUND"])


@pytest.fixture(scope="session")
def browser_context_args(
    browser_context_args: dict[str, Any], browser: Browser, environment: Environment
) -> dict[str, Any]:
    """How each test's browser context begins: English, and an honest user agent that operations recognise."""
    page = browser.new_page()
    agent = page.evaluate("navigator.userAgent")
    page.close()
    return {
        "locale": "en-US",
        "user_agent": f"{agent} {environment.site.user_agent_suffix}",
        # The twin's certificate is checked by S2 against its own authority, which Chromium does not know.
        "ignore_https_errors": environment.handover is not None,
        **browser_context_args,
    }


@pytest.fixture(scope="session")
def maintenance_expected() -> str | None:
    """Why the maintenance page may be up now, in words, or None when it may not."""
    return None


@pytest.fixture
def refuse_maintenance(site: Site, maintenance_expected: str | None) -> Callable[[Page], None]:
    """Look whether a page is the maintenance page: expected, the test is skipped; else it fails."""

    def refuse(page: Page) -> None:
        text = page.evaluate("document.body ? document.body.innerText : ''")
        if not any(marker.search(text) for marker in site.maintenance):
            return
        if maintenance_expected:
            pytest.skip(f"maintenance page: {maintenance_expected}")
        pytest.fail(f"{redact(page.url)} shows the maintenance page, outside the window", pytrace=False)

    return refuse


@pytest.fixture
def go(page: Page, refuse_maintenance: Callable[[Page], None]) -> Callable[[str], Response]:
    """Open an address in the test's page and return the answer; the maintenance page is refused."""

    def to(url: str) -> Response:
        response = page.goto(url)
        assert response is not None, f"{redact(url)} answered nothing"  # noqa: S101 - the test's own claim
        refuse_maintenance(page)
        return response

    return to


@pytest.fixture(scope="session")
def visited() -> dict[Where, Visit]:
    """What this worker has seen so far of the pages that several checks look at."""
    return {}


@pytest.fixture
def visits(
    request: pytest.FixtureRequest,
    site: Site,
    visited: dict[Where, Visit],
    refuse_maintenance: Callable[[Page], None],
    browser: Browser,  # noqa: ARG001 - so that pytest-playwright gives the test its browser's name
) -> Visits:
    """The landing, sign-in and search pages of the first biller, each visited once per worker."""
    return Visits(site, visited, lambda: request.getfixturevalue("page"), refuse_maintenance)
