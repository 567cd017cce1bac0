"""A one-time payment, up to the review and never beyond: no payment is ever made."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from playwright.sync_api import Page, Response, expect

from maint.payer import Payer
from maint.site import Biller, BillType, Invoice, Site

pytestmark = pytest.mark.test_biller


@pytest.fixture(scope="session")
def invoices(kind: BillType) -> tuple[Invoice, ...]:
    """The open invoices of the test account."""
    assert kind.account, f"{kind.label} has no test account"
    return kind.account.invoices


def test_r7_the_fee_is_shown_before_anything_is_sent(
    payer: Payer, biller: Biller, invoices: tuple[Invoice, ...], site: Site
) -> None:
    """The fee follows the biller's rule, for a card and for a bank account.

    Preconditions: an open invoice; the biller's fees as data.
    Steps: pay it, up to the payment option; choose card, then bank account.
    Expected: the fee by the rule, and a total of amount and fee.
    """
    amount = invoices[0].amount
    payer.to_option(invoices[0].number)
    for method, fee in ((site.labels.card, biller.fee.card(amount)), (site.labels.bank, biller.fee.bank)):
        payer.pay_with(method)
        expect(payer.line(site.labels.fee)).to_contain_text(f"${fee:,.2f}")
        expect(payer.line(site.labels.total_payment)).to_contain_text(f"${amount + fee:,.2f}")


def test_r8_another_amount_must_make_sense(
    payer: Payer, biller: Biller, invoices: tuple[Invoice, ...], site: Site
) -> None:
    """No amount of nothing, less than nothing, more than is owed or more than is allowed.

    Preconditions: open invoices that come to more than the limit of a card payment.
    Steps: pay them, up to the payment option; choose card and Pay Other Amount; try each amount.
    Expected: a message by the field, and no way on.
    """
    balance = sum((invoice.amount for invoice in invoices), Decimal(0))
    payer.to_option(*(invoice.number for invoice in invoices))
    payer.pay_with(site.labels.card)
    amounts = [Decimal(0), Decimal("-5.00"), balance + Decimal("0.01")]
    if biller.card_limit and biller.card_limit < balance:
        amounts.append(biller.card_limit + Decimal("0.01"))
    for amount in amounts:
        payer.field(site.labels.other_amount).check()
        payer.field(site.labels.amount).fill(f"{amount:.2f}")
        payer.button(site.labels.to_information).click()
        refused = payer.page.locator("[aria-invalid=true]")
        expect(refused).to_have_value(f"{amount:.2f}")
        expect(payer.alert).to_be_visible()
        expect(payer.heading(site.labels.option_heading)).to_be_visible()


def test_r9_wrong_card_data_is_refused(payer: Payer, invoices: tuple[Invoice, ...], site: Site) -> None:
    """Each mistake in a card's data is told by its field, and nothing goes on.

    Preconditions: an open invoice; test numbers.
    Steps: pay it by card, up to the payment information; make one mistake at a time.
    Expected: the wrong field is marked, a message is shown, the page stays.
    """
    labels, sandbox = site.labels, site.sandbox
    payer.to_information(labels.card, invoices[0].number)
    payer.fill(payer.billing)
    for label, value in (
        (labels.card_number, sandbox.bad_card_number),
        (labels.expiry, "01/20"),
        (labels.code, "12"),
        (labels.email, ""),
    ):
        _refused(payer, {**payer.card, label: value}, label)


def test_r10_wrong_bank_data_is_refused(payer: Payer, invoices: tuple[Invoice, ...], site: Site) -> None:
    """Each mistake in a bank account's data is told by its field, and nothing goes on.

    Preconditions: an open invoice; test numbers.
    Steps: pay it from a bank account, up to the payment information; make one mistake at a time.
    Expected: the wrong field is marked, a message is shown, the page stays.
    """
    labels, sandbox = site.labels, site.sandbox
    payer.to_information(labels.bank, invoices[0].number)
    payer.fill(payer.billing)
    for label, value in (
        (labels.routing, sandbox.routing[:8]),
        (labels.routing, sandbox.bad_routing),
        (labels.account_again, sandbox.account[:-1]),
    ):
        _refused(payer, {**payer.bank, label: value}, label)


def _refused(payer: Payer, values: dict[str, str], label: str) -> None:
    payer.fill(values)
    payer.button(payer.labels.to_review).click()
    wrong = payer.page.locator("[aria-invalid=true]")
    payer.field(label).and_(wrong).wait_for()
    expect(wrong).to_have_count(1)
    expect(payer.alert).to_be_visible()
    expect(payer.heading(payer.labels.information_heading)).to_be_visible()


def test_r11_no_payment_without_agreeing_to_the_terms(
    payer: Payer, page: Page, invoices: tuple[Invoice, ...], site: Site
) -> None:
    """Process Payment does nothing until the terms are agreed to.

    Preconditions: an open invoice; a test card.
    Steps: pay it by card, up to the review; leave the terms unticked; Process Payment, if it can be pressed.
    Expected: the review with invoice and last digits of the card; the button is disabled, or a message says why.
    """
    labels = site.labels
    payer.to_information(labels.card, invoices[0].number)
    payer.fill({**payer.card, **payer.billing})
    payer.button(labels.to_review).click()
    expect(payer.heading(labels.review_heading)).to_be_visible()
    expect(page.get_by_text(invoices[0].number)).to_be_visible()
    assert site.sandbox.card_number not in page.content(), "the whole card number is shown"
    expect(page.get_by_label(labels.terms)).not_to_be_checked()
    if payer.button(labels.process).is_enabled():
        payer.button(labels.process).click()
        expect(payer.alert).to_be_visible()
        expect(payer.heading(labels.review_heading)).to_be_visible()


def test_r15_only_the_billers_own_methods(page: Page, go: Callable[[str], Response], site: Site) -> None:
    """Wallets and other methods are offered only where the biller takes them.

    Preconditions: an open invoice of every biller with a test account.
    Steps: for each biller, pay it, up to the payment option.
    Expected: the methods of that biller, and no others.
    """
    for biller in site.billers:
        kind = biller.bill_type
        if kind.account:
            payer = Payer(page, go, site, biller, kind)
            payer.to_option(kind.account.invoices[0].number)
            methods = payer.field(site.labels.method).get_by_role("option")
            expect(methods).to_have_text(list(biller.methods))
