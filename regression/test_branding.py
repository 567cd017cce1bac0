"""Every biller's pages are its own."""

from collections.abc import Callable
from urllib.parse import urljoin, urlsplit

import pytest
from playwright.sync_api import Page, Response, expect

from maint.redact import redact
from maint.site import Site
from maint.visit import visit

Go = Callable[[str], Response]
pytestmark = pytest.mark.production_safe


def test_r33_every_biller_has_its_own_brand(go: Go, page: Page, site: Site) -> None:
    """Name, logo, colour and contact are the biller's, and nothing is another's.

    Preconditions: at least two billers in the site's data.
    Steps: open every biller's landing page.
    Expected: its name, logo, colour, telephone and e-mail; no name, logo or e-mail of another biller.
    """
    for biller in site.billers:
        go(site.landing(biller))
        expect(page.get_by_text(biller.name).first).to_be_visible()
        for contact in (biller.phone, biller.email):
            expect(page.get_by_text(contact).first).to_be_visible()
        images = page.locator("img").evaluate_all("all => all.map(image => image.currentSrc)")
        assert any(biller.logo.search(image) for image in images), f"{biller.name}: its logo is not there"
        if site.color_selector and biller.color:
            expect(page.locator(site.color_selector).first).to_have_css("background-color", biller.color)
        text = page.locator("body").inner_text()
        for other in site.billers:
            if other is not biller:
                assert not [word for word in (other.name, other.email) if word in text], other.name
                assert not [image for image in images if other.logo.search(image)], other.name


def test_r34_images_and_styles_are_served_well(
    page: Page, site: Site, refuse_maintenance: Callable[[Page], None]
) -> None:
    """Logo, styles and icon are there, are what they say, may be cached, and come from known hosts.

    Preconditions: none.
    Steps: open every biller's landing page; look at its images, styles and icon.
    Expected: 200, the right content type, a cache rule, a host of the list.
    """
    problems = []
    for biller in site.billers:
        landing = visit(page, site.landing(biller))
        refuse_maintenance(page)
        assets = [got for got in landing.fetched if got.kind in {"image", "stylesheet"}]
        assert any(biller.logo.search(got.url) for got in assets), f"{biller.name}: no logo was loaded"
        for got in assets:
            expected = "image/" if got.kind == "image" else "text/css"
            headers = got.headers
            if got.status != 200 or not headers.get("content-type", "").startswith(expected):
                problems.append(f"{redact(got.url)}: {got.status}, {headers.get('content-type')}")
            if not {"cache-control", "etag", "last-modified"} & set(headers) or "no-store" in headers.get(
                "cache-control", ""
            ):
                problems.append(f"{redact(got.url)} may not be cached")
            if got.host not in site.request_hosts:
                problems.append(f"{redact(got.url)} is from an unknown host")
        problems += _icon_problems(page, site)
    assert not problems, "\n".join(problems)


def _icon_problems(page: Page, site: Site) -> list[str]:
    """Return what is wrong with the page's icon, which a browser without windows does not load by itself."""
    icons = page.locator("link[rel~=icon]").evaluate_all("all => all.map(link => link.href)")
    icon = icons[0] if icons else urljoin(page.url, "/favicon.ico")
    host = urlsplit(icon).hostname or ""
    if host != site.host:
        return [] if host in site.request_hosts else [f"{icon} is from an unknown host"]
    status, kind = page.evaluate(
        "async url => { const got = await fetch(url); return [got.status, got.headers.get('content-type')]; }", icon
    )
    return [] if status == 200 and kind.startswith("image/") else [f"{icon}: {status}, {kind}"]


def test_r35_title_language_and_notice(go: Go, page: Page, site: Site) -> None:
    """Title, language and the biller's notice are as configured, and a notice is text, not HTML.

    Preconditions: none.
    Steps: open every biller's landing page.
    Expected: its title, the page's language, the notice word for word.
    """
    for biller in site.billers:
        go(site.landing(biller))
        expect(page).to_have_title(biller.title)
        lang = page.locator("html").get_attribute("lang") or "none"
        assert site.lang.fullmatch(lang), f"{biller.name}: the language is {lang}"
        if biller.notice:
            expect(page.get_by_text(biller.notice, exact=True)).to_be_visible()
