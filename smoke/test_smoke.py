"""Twelve checks in less than a minute: is the site there, and is it whole? Nothing is typed or sent."""

import socket
import ssl
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Request, Response, expect

from maint.payer import Payer
from maint.redact import redact
from maint.site import Biller, Site
from maint.visit import NAMES, Problems, Visits

Go = Callable[[str], Response]
# browser_name: what needs no browser stays in its place among the rest.
pytestmark = [pytest.mark.production_safe, pytest.mark.usefixtures("browser_name")]


@pytest.fixture
def payer(page: Page, go: Go, site: Site, biller: Biller) -> Payer:
    """A payer who only looks."""
    return Payer(page, go, site, biller, biller.bill_type)


def test_s1_http_leads_to_https(page: Page, site: Site, refuse_maintenance: Callable[[Page], None]) -> None:
    """The bare address leads to the right page over HTTPS.

    Preconditions: none.
    Steps: open http:// and the portal's host.
    Expected: at most three redirects, the configured final address, HTTPS from the first redirect on.
    """
    response = page.goto(f"http://{site.host}/")
    refuse_maintenance(page)
    hops: list[str] = []
    request: Request | None = response.request if response else None
    while request:
        hops.insert(0, request.url)
        request = request.redirected_from
    assert 2 <= len(hops) <= 4, f"expected one to three redirects: {' -> '.join(hops)}"
    assert all(urlsplit(hop).scheme == "https" for hop in hops[1:]), f"not HTTPS all along: {hops}"
    assert site.root_final_url.search(page.url), f"ended at {redact(page.url)}"


def test_s2_certificates_and_protocols(
    site: Site, address_of: Callable[[str], tuple[str, int]], authority: Path | None
) -> None:
    """Every host has a valid certificate that lasts, and speaks TLS 1.2 or 1.3 only.

    Preconditions: none.
    Steps: shake hands with each host; shake hands once more, offering TLS 1.1 at most.
    Expected: chain and name are valid, enough days are left, the old protocol is refused.
    """
    for host in site.hosts:
        context = ssl.create_default_context(cafile=authority)
        with (
            socket.create_connection(address_of(host), 10) as plain,
            context.wrap_socket(plain, server_hostname=host) as tls,
        ):
            assert tls.version() in {"TLSv1.2", "TLSv1.3"}, f"{host} chose {tls.version()}"
            ends = ssl.cert_time_to_seconds(str((tls.getpeercert() or {})["notAfter"]))
        days = (ends - time.time()) / 86400
        assert days >= site.tls_min_days, f"{host}: the certificate ends in {days:.0f} days"
        with socket.create_connection(address_of(host), 10) as plain, pytest.raises(OSError):
            _only_old_tls().wrap_socket(plain, server_hostname=host)


def _only_old_tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")  # else OpenSSL itself refuses, and says nothing about the host
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def test_s3_landing_page_is_the_billers(visits: Visits, payer: Payer, page: Page, site: Site, biller: Biller) -> None:
    """The biller's address leads to its own page.

    Preconditions: none.
    Steps: open the biller's address.
    Expected: 200, a session in the address, the biller's title and name, its logo, its kinds of bill.
    """
    landing = visits.open("landing")
    assert landing.status == 200
    assert site.session.search(landing.url), f"no session in {landing}"
    expect(page).to_have_title(biller.title)
    expect(page.get_by_text(biller.name).first).to_be_visible()
    assert _logo_width(page, biller) > 0, f"no image that matches {biller.logo.pattern} is shown"
    for kind in biller.bill_types:
        expect(payer.button(kind.label).first).to_be_visible()


def _logo_width(page: Page, biller: Biller) -> int:
    """Return the pixels of the biller's logo, 0 when it is not there or not an image."""
    images = page.locator("img").evaluate_all("all => all.map(image => [image.currentSrc, image.naturalWidth])")
    return max((width for source, width in images if biller.logo.search(source)), default=0)


def test_s4_no_error_page(visits: Visits, site: Site) -> None:
    """The landing page is neither the maintenance page nor the server's own error page.

    Preconditions: none.
    Steps: read the landing page.
    Expected: none of the configured markers. Inside the window the maintenance page skips the check.
    """
    landing = visits.seen("landing")
    found = [marker.pattern for marker in site.server_errors if marker.search(landing.text)]
    assert not found, f"{landing} says {', '.join(found)}"


def test_s5_sign_in_page(visits: Visits, payer: Payer, page: Page, site: Site) -> None:
    """The sign-in page is ready for a payer.

    Preconditions: none.
    Steps: open the sign-in page; type nothing.
    Expected: labelled e-mail and password, an enabled Sign In, the way to a new password, a form over HTTPS.
    """
    assert visits.open("login").status == 200
    labels = site.labels
    expect(payer.field(labels.email)).to_be_editable()
    expect(payer.field(labels.password)).to_have_attribute("type", "password")
    form = page.locator("form").filter(has=payer.field(labels.password))
    button = form.get_by_role("button", name=labels.sign_in).or_(form.get_by_role("link", name=labels.sign_in))
    expect(button).to_be_enabled()
    expect(payer.button(labels.forgotten)).to_be_visible()
    action = form.evaluate("form => form.action")
    assert action.startswith("https://"), f"the form goes to {redact(action)}"


def test_s6_bill_search_page(visits: Visits, payer: Payer, page: Page, site: Site, biller: Biller) -> None:
    """The search for a bill is ready for a payer.

    Preconditions: none.
    Steps: open the search for the first kind of bill; send nothing.
    Expected: its labelled fields, an enabled search, and the hidden fields without which it cannot be sent.
    """
    assert visits.open("locator").status == 200
    for label in biller.bill_type.fields:
        expect(payer.field(label)).to_be_editable()
    expect(payer.button(site.labels.search)).to_be_enabled()
    for name in ("__VIEWSTATE", "__EVENTTARGET", "__EVENTARGUMENT"):
        expect(page.locator(f"input[type=hidden][name={name}]")).to_have_count(1)


def test_s7_ways_in(payer: Payer, page: Page, site: Site, biller: Biller) -> None:
    """Registration and one-time payment can be reached from the landing page.

    Preconditions: none.
    Steps: open the landing page; follow the link to registration; go back; follow the first kind of bill.
    Expected: the registration page; the search for that bill.
    """
    payer.go(site.landing(biller))
    expect(page.get_by_text(site.labels.one_time).first).to_be_visible()
    payer.button(site.labels.register_link).click()
    expect(page.get_by_role("heading", name=site.labels.register_heading).first).to_be_visible()
    page.go_back()
    payer.button(biller.bill_type.label).first.click()
    expect(payer.button(site.labels.search)).to_be_visible()
    expect(page).to_have_url(site.paths.locator_page)


def test_s8_security_headers(visits: Visits, site: Site) -> None:
    """The security headers are the approved ones.

    Preconditions: none.
    Steps: read the headers of landing, sign-in and search page.
    Expected: every header of the baseline with its value; none of those that must not be there.
    """
    problems = Problems()
    for page in visits.all():
        for name, pattern in site.headers.expected.items():
            value = page.headers.get(name)
            if value is None:
                problems.add(page, f"{name} is missing")
            elif not pattern.fullmatch(value):
                problems.add(page, f"{name} is {value!r}, approved is {pattern.pattern!r}")
        problems.add(page, *(f"{name} is there" for name in site.headers.absent if name in page.headers))
    problems.refuse()


def test_s9_nothing_breaks_in_the_browser(visits: Visits, site: Site) -> None:
    """No errors in page, console or network on the main pages.

    Preconditions: none.
    Steps: look at what landing, sign-in and search page logged and asked for.
    Expected: no errors but those on the ignore list, nothing of ours that failed, nothing over plain http.
    """
    problems = Problems()
    for page in visits.all():
        ignored = {error for error in page.errors for pattern in site.console_ignore if pattern.search(error)}
        problems.add(page, *(error for error in page.errors if error not in ignored))
        problems.add(page, *(failed for failed in page.failed if _is_ours(failed, site)))
        problems.add(page, *(f"asked for {url}" for url in page.asked if url.startswith("http://")))
        bad = [got for got in page.fetched if got.status >= 400 and _is_ours(got.url, site)]
        problems.add(page, *(f"{got.url} answered {got.status}" for got in bad))
    problems.refuse()


def _is_ours(url: str, site: Site) -> bool:
    return urlsplit(url).hostname == site.host


def test_s10_scripts_are_the_known_ones(visits: Visits, site: Site) -> None:
    """Scripts come from known hosts only, as PCI DSS 6.4.3 asks for.

    Preconditions: the list of script hosts is approved.
    Steps: list the scripts of landing, sign-in and search page.
    Expected: their hosts are on the list, and none of them answered with an error.
    """
    problems = Problems()
    for page in visits.all():
        answered = [got for got in page.fetched if got.kind == "script"]
        hosts = {urlsplit(source).hostname or "" for source in (*page.scripts, *(got.url for got in answered))}
        problems.add(page, *(f"a script comes from {host}" for host in sorted(hosts - set(site.script_hosts))))
        bad = [got for got in answered if got.status >= 400 and got.host in site.script_hosts]
        problems.add(page, *(f"the script {got.url} answered {got.status}" for got in bad))
    problems.refuse()


def test_s11_fast_enough(visits: Visits, site: Site) -> None:
    """The main pages are fast enough for a payer.

    Preconditions: none.
    Steps: take the times of landing, sign-in and search page; a slow one is a warm-up and is opened again.
    Expected: first byte and load within "poor"; a warning beyond "good".
    """
    problems, budgets = Problems(), site.budgets
    for where in NAMES:
        page = visits.seen(where)
        if page.first_byte > budgets.first_byte.good or page.load > budgets.load.good:
            page = visits.open(where)
        for what, took, budget in (
            ("first byte", page.first_byte, budgets.first_byte),
            ("load", page.load, budgets.load),
        ):
            if took > budget.poor:
                problems.add(page, f"{what} took {took:.0f} ms, allowed are {budget.poor:.0f}")
            elif took > budget.good:
                warnings.warn(f"{page}: {what} took {took:.0f} ms, good is {budget.good:.0f}", stacklevel=1)
    problems.refuse()


def test_s12_pages_for_payers_and_api(page: Page, go: Go, site: Site) -> None:
    """Support, terms, privacy and accessibility are there; the API answers without a key, and says no.

    Preconditions: none.
    Steps: open each page; open the API's status without a key.
    Expected: 200 and the expected heading; 401 or 403 and no inside of the server.
    """
    for article in site.marketing.payer_pages:
        assert go(site.marketing_url + article.path).status == 200, article.path
        expect(page.get_by_role("heading", level=1)).to_have_text(article.heading)
    answer = go(site.base_url + site.paths.api_status)
    assert answer.status in {401, 403}
    assert not [marker.pattern for marker in site.server_errors if marker.search(answer.text())]
