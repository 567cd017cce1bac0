"""The portal as such: sessions, sizes, accessibility, addresses that lead nowhere."""

import re
from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Locator, Page, Response, expect

from maint.payer import Payer
from maint.redact import redact
from maint.site import Biller, BillType, Site

Go = Callable[[str], Response]
pytestmark = pytest.mark.production_safe


@pytest.fixture
def main_pages(site: Site, biller: Biller, kind: BillType) -> list[str]:
    """The addresses of landing, sign-in and search."""
    return [site.landing(biller), site.login(biller), site.locator(biller, kind)]


def test_r20_an_old_session_becomes_a_new_one(payer: Payer, page: Page, site: Site, biller: Biller) -> None:
    """A bookmark with a session that is long gone still works.

    Preconditions: none.
    Steps: open the sign-in page with a session in its address that never was.
    Expected: 200, another session, a page that can be used.
    """
    stale = site.paths.stale.format(guid=biller.guid)
    assert payer.go(site.base_url + stale).status == 200
    new, old = site.session.search(page.url), site.session.search(stale)
    assert new, f"no session in {redact(page.url)}"
    assert old is None or new[0] != old[0], "the old session was taken for a new one"
    expect(payer.field(site.labels.email)).to_be_editable()


def test_r21_two_payers_do_not_meet(
    new_context: Callable[[], BrowserContext],
    site: Site,
    biller: Biller,
    refuse_maintenance: Callable[[Page], None],
) -> None:
    """Two browsers get two sessions, and neither sees what is open in the other.

    Preconditions: none.
    Steps: open the landing page in two fresh contexts; open the results page in one of them without a search.
    Expected: two sessions; no invoices.
    """
    sessions = []
    for _ in range(2):
        page = new_context().new_page()
        page.goto(site.landing(biller))
        refuse_maintenance(page)
        found = site.session.search(page.url)
        assert found, f"no session in {redact(page.url)}"
        sessions.append(found[0])
    assert sessions[0] != sessions[1], "both payers have the same session"
    page.goto(f"{site.base_url}{sessions[1]}customerlocatorresults.aspx")
    expect(page.get_by_role("checkbox")).to_have_count(0)


def test_r22_fits_every_screen(go: Go, page: Page, main_pages: list[str], site: Site) -> None:
    """The main pages fit a telephone, a tablet and a desktop.

    Preconditions: none.
    Steps: open landing, sign-in and search page at 390, 768 and 1280 pixels.
    Expected: nothing to scroll sideways; the way to sign in, or a menu that has it, is there.
    """
    for url in main_pages:
        go(url)
        for width in (390, 768, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, f"{redact(page.url)} is {wide} pixels too wide at {width}"
            menu = page.get_by_role("link", name=site.labels.sign_in).or_(
                page.get_by_role("button", name=re.compile("menu|navigation", re.IGNORECASE))
            )
            expect(menu.first).to_be_in_viewport()


def test_r23_accessible(go: Go, page: Page, main_pages: list[str], site: Site) -> None:
    """No serious or critical barrier on the main pages.

    Preconditions: approved exceptions, if there are any, are in the site's data.
    Steps: let axe look at landing, sign-in and search page.
    Expected: nothing serious or critical beyond what is approved.
    """
    axe, problems = Axe(), []
    for url in main_pages:
        go(url)
        for found in axe.run(page).response["violations"]:
            if found["impact"] in {"serious", "critical"} and found["id"] not in site.axe_approved:
                where = ", ".join(str(node["target"][0]) for node in found["nodes"])
                problems.append(f"{redact(page.url)}: {found['id']} ({found['impact']}) at {where}")
    assert not problems, "\n".join(problems)


def test_r23_keyboard_is_enough(payer: Payer, page: Page, site: Site, biller: Biller, kind: BillType) -> None:
    """The keyboard reaches sign-in and search, and the focus can be seen.

    Preconditions: none.
    Steps: on sign-in and search page, press Tab until the main button has the focus; send nothing.
    Expected: it gets there, and has an outline or a shadow then.
    """
    payer.go(site.locator(biller, kind))
    _reach(page, payer.button(site.labels.search))
    payer.go(site.login(biller))
    form = page.locator("form").filter(has=payer.field(site.labels.password))
    button = form.get_by_role("button", name=site.labels.sign_in).or_(
        form.get_by_role("link", name=site.labels.sign_in)
    )
    _reach(page, button)


def _reach(page: Page, target: Locator) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if target.evaluate("element => element === document.activeElement"):
            break
    expect(target).to_be_focused()
    style = target.evaluate("element => { const s = getComputedStyle(element); return [s.outlineStyle, s.boxShadow]; }")
    assert style != ["none", "none"], f"{redact(page.url)}: the focus cannot be seen"


def test_r25_unknown_addresses_are_friendly(go: Go, page: Page, site: Site) -> None:
    """An address that does not exist leads to a page for people.

    Preconditions: none.
    Steps: open a biller and a page that do not exist.
    Expected: 404 or a way back, a heading, and nothing of the server's inside.
    """
    for path in site.paths.unknown:
        response = go(site.base_url + path)
        assert response.status == 404 or response.ok, f"{path} answered {response.status}"
        expect(page.get_by_role("heading").first).to_be_visible()
        text = page.locator("body").inner_text()
        found = [marker.pattern for marker in site.server_errors if marker.search(text)]
        assert not found, f"{path} says {', '.join(found)}"
