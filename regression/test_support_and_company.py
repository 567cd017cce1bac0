"""Support for payers, the API's front door, and the company's own pages."""

import re
from collections.abc import Callable
from urllib.parse import urljoin, urlsplit

import pytest
from playwright.sync_api import Page, Response, expect

from maint.payer import Payer
from maint.site import Biller, Site

Go = Callable[[str], Response]


@pytest.mark.production_safe
def test_r40_support_is_the_billers(payer: Payer, page: Page, site: Site, biller: Biller) -> None:
    """Who asks for support gets the biller's telephone and e-mail.

    Preconditions: none.
    Steps: open the landing page; follow the link to support.
    Expected: the biller's telephone and e-mail.
    """
    payer.go(site.landing(biller))
    payer.button(site.labels.support).first.click()
    expect(page.get_by_role("heading", name=site.labels.support)).to_be_visible()
    for contact in (biller.phone, biller.email):
        expect(page.get_by_role("main").get_by_text(contact).first).to_be_visible()


@pytest.mark.production_safe
def test_r40_questions_open_by_keyboard(go: Go, page: Page, site: Site) -> None:
    """The questions of the support page open without a mouse.

    Preconditions: none.
    Steps: open the support page; put the focus on each question; press Enter.
    Expected: the question says that it is open, and its answer is seen.
    """
    go(site.marketing_url + site.marketing.support_path)
    for question in site.marketing.questions:
        button = page.get_by_role("button", name=question)
        expect(button).to_have_attribute("aria-expanded", "false")
        button.focus()
        page.keyboard.press("Enter")
        expect(button).to_have_attribute("aria-expanded", "true")
        expect(page.locator(f"#{button.get_attribute('aria-controls')}")).to_be_visible()


@pytest.mark.needs_consent
def test_r41_the_api_says_no_without_a_key(go: Go, site: Site) -> None:
    """Without a key the API refuses in JSON, and tells nothing about itself.

    Preconditions: the owner's consent.
    Steps: ask for the status without a key.
    Expected: 401 or 403, JSON, no version of anything.
    """
    answer = go(site.base_url + site.paths.api_status)
    assert answer.status in {401, 403}
    assert isinstance(answer.json(), dict)
    told = " ".join([answer.text(), answer.headers.get("server", "")])
    assert not re.search(r"\d+\.\d+", told), f"it tells a version: {told}"
    assert not [name for name in site.headers.absent if name in answer.headers]


@pytest.mark.production_safe
def test_r43_company_pages(go: Go, page: Page, site: Site) -> None:
    """The company's pages are there, each with a title and one main heading.

    Preconditions: none.
    Steps: open each page of the list; send nothing.
    Expected: 200, a title, exactly one main heading with the expected words; a contact form where one belongs.
    """
    for article in site.marketing.pages:
        assert go(site.marketing_url + article.path).status == 200, article.path
        assert page.title(), f"{article.path} has no title"
        expect(page.get_by_role("heading", level=1)).to_have_text([article.heading])
        if article.path == site.marketing.contact_path:
            expect(page.locator("form").get_by_role("textbox").first).to_be_editable()


@pytest.mark.production_safe
def test_r43_company_links(go: Go, page: Page, site: Site) -> None:
    """No link of the company's home page is broken, and logging in leads to the portal.

    Preconditions: none.
    Steps: open the home page; ask for every page of the same host that it links to; look where Log In leads.
    Expected: no answer of 400 or more; a known host.
    """
    go(site.marketing_url + "/")
    links = page.locator("a[href]").evaluate_all("all => all.map(link => link.href)")
    host = urlsplit(page.url).hostname
    inside = sorted({urljoin(link, urlsplit(link).path) for link in links if urlsplit(link).hostname == host})
    answers = page.evaluate("urls => Promise.all(urls.map(url => fetch(url).then(got => [url, got.status])))", inside)
    assert not [f"{url} answered {status}" for url, status in answers if status >= 400]
    login = page.get_by_role("link", name=site.marketing.login_link).first.get_attribute("href")
    assert urlsplit(login or "").hostname in site.marketing.login_hosts, f"{site.marketing.login_link} leads to {login}"
