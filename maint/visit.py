"""What one visit to a page looked like: answered by what, with which errors, scripts and times."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import pytest

from maint.redact import redact

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import ConsoleMessage, Error, Page, Request, Response

    from maint.site import Site

Where = Literal["landing", "login", "locator"]
NAMES: dict[Where, str] = {"landing": "landing page", "login": "sign-in page", "locator": "bill search"}

# Times are from the start of the navigation, redirects included, as a payer sees them.
_MEASURE = """() => {
  const timing = performance.getEntriesByType("navigation")[0];
  return {
    first: timing.responseStart,
    load: timing.loadEventStart,
    scripts: Array.from(document.scripts, script => script.src).filter(source => source),
    text: document.body.innerText,
  };
}"""


@dataclass(frozen=True)
class Fetched:
    """One answer that the page got: kind is Playwright's word ("script", "image", "stylesheet", "document")."""

    url: str
    kind: str
    status: int
    headers: dict[str, str]

    @property
    def host(self) -> str:
        """The host that answered."""
        return urlsplit(self.url).hostname or ""


@dataclass
class Visit:
    """One visit: `errors` are of page and console, `failed` the requests without an answer; milliseconds."""

    url: str
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    fetched: list[Fetched] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    text: str = ""
    first_byte: float = 0.0
    load: float = 0.0

    name: str = ""

    def __str__(self) -> str:
        """Return its name, or its address without the payer's session."""
        return self.name or redact(self.url)


class Problems:
    """What is wrong with which pages: each problem is said once, with the pages that have it."""

    def __init__(self) -> None:
        self._found: dict[str, list[str]] = {}

    def add(self, page: Visit, *problems: str) -> None:
        """Note what is wrong with a page."""
        for problem in problems:
            pages = self._found.setdefault(redact(problem), [])
            if str(page) not in pages:
                pages.append(str(page))

    def refuse(self) -> None:
        """Fail the check if anything was noted, in words and without a traceback."""
        if self._found:
            lines = [f"{problem} ({', '.join(pages)})" for problem, pages in self._found.items()]
            pytest.fail("\n".join(lines), pytrace=False)


def visit(page: "Page", url: str) -> Visit:
    """Open `url` and return what it looked like once it was complete; raises Playwright's Error when it is not."""
    seen = Visit(url)

    def console(message: "ConsoleMessage") -> None:
        if message.type == "error":
            seen.errors.append(redact(f"console: {message.text}"))

    def error(error: "Error") -> None:
        seen.errors.append(redact(f"page error: {error}"))

    def asked(request: "Request") -> None:
        seen.asked.append(request.url)

    def failed(request: "Request") -> None:
        seen.failed.append(f"{request.url}: {request.failure}")

    def answered(response: "Response") -> None:
        kind = response.request.resource_type
        seen.fetched.append(Fetched(response.url, kind, response.status, response.headers))

    page.on("console", console)
    page.on("pageerror", error)
    page.on("request", asked)
    page.on("requestfailed", failed)
    page.on("response", answered)
    try:
        response = page.goto(url, wait_until="load")
        measured = page.evaluate(_MEASURE)
    finally:
        page.remove_listener("console", console)
        page.remove_listener("pageerror", error)
        page.remove_listener("request", asked)
        page.remove_listener("requestfailed", failed)
        page.remove_listener("response", answered)
    seen.url = page.url
    if response:
        seen.status, seen.headers = response.status, response.headers
    seen.scripts, seen.text = measured["scripts"], measured["text"]
    seen.first_byte, seen.load = measured["first"], measured["load"]
    return seen


class Visits:
    """The pages that several checks look at; each is visited once per worker unless a check opens it itself."""

    def __init__(
        self, site: "Site", seen: dict[Where, Visit], page: "Callable[[], Page]", refuse: "Callable[[Page], None]"
    ) -> None:
        self._site, self._seen, self._page, self._refuse = site, seen, page, refuse

    def open(self, where: Where) -> Visit:
        """Visit the page in this test's own browser page, and remember what it looked like."""
        biller = self._site.biller
        url = {
            "landing": self._site.landing(biller),
            "login": self._site.login(biller),
            "locator": self._site.locator(biller, biller.bill_type),
        }[where]
        page = self._page()
        found = visit(page, url)
        found.name = NAMES[where]
        self._refuse(page)
        self._seen[where] = found
        return found

    def seen(self, where: Where) -> Visit:
        """Return what the page looked like, opening it only if no check of this worker has."""
        return self._seen.get(where) or self.open(where)

    def all(self) -> list[Visit]:
        """Return what the landing, sign-in and search pages looked like."""
        return [self.seen(where) for where in NAMES]
