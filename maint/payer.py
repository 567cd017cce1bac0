"""What a payer does on the site, in the words of its pages."""

import re
from collections.abc import Callable, Mapping

from playwright.sync_api import Locator, Page, Response

from maint.site import Biller, BillType, Site


class Payer:
    """A payer of one biller who pays one kind of bill; every page is found by its labels, never by its code."""

    def __init__(self, page: Page, go: Callable[[str], Response], site: Site, biller: Biller, kind: BillType) -> None:
        self.page, self.go, self.site, self.biller, self.kind = page, go, site, biller, kind
        self.labels = site.labels

    def button(self, label: str) -> Locator:
        """A button or link with this label: WebForms makes no difference, and neither do payers."""
        by_name = re.compile(rf"^\W*{re.escape(label)}\W*$")
        return self.page.get_by_role("button", name=by_name).or_(self.page.get_by_role("link", name=by_name))

    def field(self, label: str) -> Locator:
        """A field with this label, with or without a star for "required"."""
        return self.page.get_by_label(re.compile(rf"^\W*{re.escape(label)}\W*$"))

    def heading(self, text: str) -> Locator:
        """The page's main heading."""
        return self.page.get_by_role("heading", level=1, name=text)

    @property
    def alert(self) -> Locator:
        """The first message about something wrong."""
        return self.page.get_by_role("alert").first

    def row(self, text: str) -> Locator:
        """The row of a table that says `text`."""
        return self.page.get_by_role("row").filter(has_text=text)

    def line(self, label: str) -> Locator:
        """The line of the payment's sums with this label."""
        return self.page.get_by_role("row").filter(has=self.page.get_by_role("rowheader", name=label, exact=True))

    def search(self, values: Mapping[str, str]) -> None:
        """Open the search for the kind of bill and send `values`."""
        self.go(self.site.locator(self.biller, self.kind))
        for label, value in values.items():
            self.field(label).fill(value)
        self.button(self.labels.search).click()

    def find_invoices(self) -> None:
        """Search the test account, up to the results page."""
        assert self.kind.account, f"{self.kind.label} has no test account"  # noqa: S101 - the test's own claim
        self.search(self.kind.account.values)
        self.page.wait_for_url(self.site.paths.results_page)

    def choose(self, *numbers: str) -> None:
        """Find the invoices, select these, and go on to their total."""
        self.find_invoices()
        for number in numbers:
            self.row(number).get_by_role("checkbox").check()
        self.button(self.labels.pay_selected).click()
        self.button(self.labels.pay_today).wait_for()

    def to_option(self, *numbers: str) -> None:
        """Select these invoices and go on to the payment option."""
        self.choose(*numbers)
        self.button(self.labels.pay_today).click()
        self.heading(self.labels.option_heading).wait_for()

    def pay_with(self, method: str) -> None:
        """Choose the method of payment."""
        self.field(self.labels.method).select_option(label=method)

    def to_information(self, method: str, *numbers: str) -> None:
        """Select these invoices and go on to the payment information for `method`."""
        self.to_option(*numbers)
        self.pay_with(method)
        self.button(self.labels.to_information).click()
        self.heading(self.labels.information_heading).wait_for()

    def fill(self, values: Mapping[str, str]) -> None:
        """Enter `values` by label."""
        for label, value in values.items():
            self.field(label).fill(value)

    @property
    def billing(self) -> dict[str, str]:
        """The billing address and e-mail of nobody, by label."""
        return {**self.labels.billing, self.labels.email: self.site.sandbox.email}

    @property
    def card(self) -> dict[str, str]:
        """A test card, by label."""
        labels, sandbox = self.labels, self.site.sandbox
        return {
            labels.card_name: "Pat Example",
            labels.card_number: sandbox.card_number,
            labels.expiry: sandbox.expiry,
            labels.code: sandbox.code,
        }

    @property
    def bank(self) -> dict[str, str]:
        """A test bank account, by label."""
        labels, sandbox = self.labels, self.site.sandbox
        return {
            labels.routing: sandbox.routing,
            labels.account: sandbox.account,
            labels.account_again: sandbox.account,
        }
