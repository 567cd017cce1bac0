"""Finding a bill: from the biller's page to the invoices."""

import pytest
from playwright.sync_api import Page, expect

from maint.payer import Payer
from maint.site import Account, Biller, BillType, Site


@pytest.fixture(scope="session")
def account(kind: BillType) -> Account:
    """The test account of the first kind of bill."""
    assert kind.account, f"{kind.label} has no test account"
    return kind.account


@pytest.mark.production_safe
def test_r1_every_kind_of_bill_has_its_search(payer: Payer, page: Page, site: Site, biller: Biller) -> None:
    """Each kind of bill leads to a search with its own fields.

    Preconditions: none.
    Steps: open the landing page; follow each kind of bill in turn; send nothing.
    Expected: the search page, with the fields of that kind.
    """
    for kind in biller.bill_types:
        payer.go(site.landing(biller))
        payer.button(kind.label).first.click()
        expect(page).to_have_url(site.paths.locator_page)
        for label in kind.fields:
            expect(payer.field(label)).to_be_editable()


@pytest.mark.needs_consent
def test_r2_a_search_in_vain_says_so(payer: Payer, page: Page, kind: BillType, account: Account, site: Site) -> None:
    """Who finds nothing stays on the search, is told so, and sees nobody's data.

    Preconditions: an account that does not exist.
    Steps: search it.
    Expected: still the search page, a message, no invoice and no amount.
    """
    payer.search(kind.nobody)
    expect(payer.alert).to_be_visible()
    expect(page).to_have_url(site.paths.locator_page)
    text = page.locator("body").inner_text()
    assert not [invoice.number for invoice in account.invoices if invoice.number in text]
    assert "$" not in text


@pytest.mark.test_biller
def test_r3_open_invoices_are_shown(payer: Payer, page: Page, account: Account) -> None:
    """A search shows the account's open invoices, and nothing else.

    Preconditions: the test account with its open invoices.
    Steps: search it.
    Expected: the results page; one row per invoice with its number, dates and amount.
    """
    payer.find_invoices()
    expect(page.get_by_role("row").filter(has=page.get_by_role("checkbox"))).to_have_count(len(account.invoices))
    for invoice in account.invoices:
        row = payer.row(invoice.number)
        for text in (invoice.date, invoice.due, invoice.shown):
            expect(row).to_contain_text(text)


@pytest.mark.test_biller
def test_r4_forgives_how_a_number_is_written(payer: Payer, page: Page, account: Account) -> None:
    """Spaces, dashes and small letters do not keep a payer from the bill.

    Preconditions: the test account.
    Steps: search it with spaces around, without dashes, in small letters.
    Expected: the same invoice, or a message that says how to write it.
    """
    number = account.invoices[0].number
    for change in (lambda v: f"  {v} ", lambda v: v.replace("-", ""), str.lower):
        payer.search({label: change(value) for label, value in account.values.items()})
        expect(payer.row(number).or_(page.get_by_role("alert")).first).to_be_visible()


@pytest.mark.test_biller
def test_r5_an_invoice_can_be_viewed(payer: Payer, page: Page, account: Account, site: Site) -> None:
    """View Invoice shows that invoice.

    Preconditions: the test account.
    Steps: search it; fetch what View Invoice of the first invoice leads to.
    Expected: 200; a PDF, or a page with the invoice's number.
    """
    payer.find_invoices()
    first = account.invoices[0]
    link = payer.row(first.number).get_by_role("link", name=site.labels.view_invoice)
    status, kind, body = page.evaluate(
        "async url => { const got = await fetch(url); "
        "return [got.status, got.headers.get('content-type'), await got.text()]; }",
        link.get_attribute("href"),
    )
    assert status == 200
    assert body.startswith("%PDF") if "pdf" in kind else first.number in body


@pytest.mark.test_biller
def test_r6_two_invoices_make_one_total(payer: Payer, account: Account, site: Site) -> None:
    """The total of several invoices is their sum, to the cent.

    Preconditions: a test account with two open invoices.
    Steps: search it; select both; Pay Selected.
    Expected: the sum of both.
    """
    both = account.invoices[:2]
    payer.choose(*(invoice.number for invoice in both))
    total = sum(invoice.amount for invoice in both)
    expect(payer.line(site.labels.total)).to_contain_text(f"${total:,.2f}")
