"""What the browser suites expect of the web site: data, so that they run against the twin and the real one."""

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _compiled(pattern: object) -> re.Pattern[str]:
    if not isinstance(pattern, str) or pattern.startswith("(?i"):
        # The browser's own regular expressions know no (?i).
        raise ValueError(f"{pattern!r} must be a regular expression without (?i): case never matters")
    try:
        return re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error


Pattern = Annotated[re.Pattern[str], BeforeValidator(_compiled)]


class Part(BaseModel):
    """A part of the site's expectations: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Invoice(Part):
    """An open invoice of a test account, as the results page shows it; dates are MM/DD/YYYY, amounts dollars."""

    number: str
    date: str
    due: str
    amount: Decimal

    @property
    def shown(self) -> str:
        """The amount as a page shows it."""
        return f"${self.amount:,.2f}"


class Account(Part):
    """A test account: what to enter to find it, by field, and what is open. Never somebody's real account."""

    values: dict[str, str]
    invoices: tuple[Invoice, ...]


class BillType(Part):
    """A kind of bill: its link on the biller's page, its numbers in addresses, the fields of its search.

    account is a test account; nobody is what to enter, by field, to find nothing.
    """

    label: str
    iti: int
    vsii: int
    fields: tuple[str, ...] = Field(min_length=1)
    account: Account | None = None
    nobody: dict[str, str] = {}


class Fee(Part):
    """What a biller adds to a payment: a percentage of a card payment, at least `minimum`; `bank` for a bank's."""

    card_percent: Decimal = Decimal(0)
    minimum: Decimal = Decimal(0)
    bank: Decimal = Decimal(0)

    def card(self, amount: Decimal) -> Decimal:
        """Return the fee of a card payment in dollars, rounded to the cent."""
        share = (amount * self.card_percent / 100).quantize(Decimal("0.01"), ROUND_HALF_UP)
        return max(share, self.minimum)


class Biller(Part):
    """One biller's pages; the first of the list is the one that the suites look at most closely."""

    slug: str
    guid: str
    name: str
    title: Pattern
    logo: Pattern
    color: str | None = None
    phone: str
    email: str
    notice: str | None = None
    methods: tuple[str, ...]
    fee: Fee = Fee()
    card_limit: Decimal | None = None
    bill_types: tuple[BillType, ...] = Field(min_length=1)

    @property
    def bill_type(self) -> BillType:
        """The kind of bill that the suites search: the first."""
        return self.bill_types[0]


class Paths(Part):
    """Where pages are, below base_url; {guid}, {iti} and {vsii} stand for the biller's and the bill type's."""

    login: str = "/portal/2/customerlogin.aspx?billerguid={guid}"
    locator: str = "/portal/2/customerlocator.aspx?iti={iti}&bg={guid}&vsii={vsii}"
    locator_page: Pattern = _compiled(r"/customerlocator\.aspx")
    results_page: Pattern = _compiled(r"/customerlocatorresults1?\.aspx")
    stale: str = "/portal/(S(aaaaaaaaaaaaaaaaaaaaaaaa))/2/customerlogin.aspx?billerguid={guid}"
    unknown: tuple[str, ...] = ("/no-such-biller-here", "/portal/2/nosuchpage.aspx")
    api_status: str = "/api/v1/biller/status"


class Labels(Part):
    """The words on links, buttons, fields and headings, as public pages of billers name them."""

    sign_in: str = "Sign In"
    register_link: str = "Register Now"
    register_heading: str = "Register"
    one_time: str = "One-Time Payment"
    support: str = "Customer Support"
    email: str = "Email Address"
    password: str = "Password"  # noqa: S105 - a label
    forgotten: str = "Forgotten Password?"
    search: str = "Search Invoices"
    view_invoice: str = "View Invoice"
    pay_selected: str = "Pay Selected"
    pay_today: str = "Pay Today"
    total: str = "Total"
    option_heading: str = "Payment Option"
    method: str = "Payment Method"
    card: str = "Credit/Debit Card"
    bank: str = "Bank Account"
    other_amount: str = "Pay Other Amount"
    amount: str = "Other Amount"
    fee: str = "Service Fee"
    total_payment: str = "Total Payment"
    to_information: str = "Continue to Payment Information"
    information_heading: str = "Payment Information"
    card_name: str = "Name on Card"
    card_number: str = "Card Number"
    expiry: str = "Expiration Date"
    code: str = "Security Code"
    routing: str = "Routing Number"
    account: str = "Account Number"
    account_again: str = "Confirm Account Number"
    billing: dict[str, str] = {
        "Billing Address": "1 Main Street",
        "City": "Springfield",
        "State": "MA",
        "ZIP Code": "00501",
    }
    to_review: str = "Continue to Review Payment"
    review_heading: str = "Review Payment"
    terms: Pattern = _compiled("I agree to the .*terms and conditions")
    process: str = "Process Payment"


class Sandbox(Part):
    """Test numbers that no bank knows, for the twin and for a test biller."""

    card_number: str = "4111111111111111"
    bad_card_number: str = "4111111111111112"
    expiry: str = "12/49"
    code: str = "123"
    routing: str = "110000000"
    bad_routing: str = "110000001"
    account: str = "000123456789"
    email: str = "payer@example.com"


class Article(Part):
    """A page of the company's own site: its path and its main heading."""

    path: str
    heading: Pattern


class Marketing(Part):
    """The company's own site: pages for payers, the pages that sell, and where its log-in button may lead."""

    payer_pages: tuple[Article, ...] = ()
    pages: tuple[Article, ...] = ()
    support_path: str = "/payer-support"
    questions: tuple[str, ...] = ()
    contact_path: str | None = None
    login_link: str = "Log In"
    login_hosts: tuple[str, ...] = ()


class Headers(Part):
    """The approved baseline: each name with what its whole value must match, and names that must not be there."""

    expected: dict[str, Pattern] = {}
    absent: tuple[str, ...] = ("x-aspnet-version", "x-aspnetmvc-version", "x-powered-by")


class Budget(Part):
    """Milliseconds: up to `good` nothing is said, up to `poor` a warning, beyond it the check fails."""

    good: float
    poor: float


class Budgets(Part):
    """How fast a page answers (first byte, from the start of the navigation) and is complete."""

    first_byte: Budget = Budget(good=800, poor=1800)
    load: Budget = Budget(good=2500, poor=4000)


class Site(Part):
    """Everything that the suites expect; no page, name or number of the site is written anywhere else.

    hosts: where TLS is checked, and in rehearsal what leads to the twin. request_hosts: where a page may send
    requests. script_hosts: where its scripts may come from. maintenance: what only the maintenance page says.
    """

    base_url: str
    marketing_url: str
    hosts: tuple[str, ...] = Field(min_length=1)
    request_hosts: tuple[str, ...] = ()
    script_hosts: tuple[str, ...] = ()
    root_final_url: Pattern
    session: Pattern = _compiled(r"/portal/\(S\([a-z0-9]{20,30}\)\)/2/")
    lang: Pattern = _compiled("en(-US)?")
    color_selector: str | None = None
    user_agent_suffix: str = "invoicecloud-maintenance"
    tls_min_days: int = 21
    paths: Paths = Paths()
    labels: Labels = Labels()
    headers: Headers = Headers()
    budgets: Budgets = Budgets()
    maintenance: tuple[Pattern, ...] = ()
    server_errors: tuple[Pattern, ...] = tuple(map(_compiled, ("Server Error in", "Runtime Error", "stack trace")))
    console_ignore: tuple[Pattern, ...] = ()
    axe_approved: tuple[str, ...] = ()
    sandbox: Sandbox = Sandbox()
    marketing: Marketing = Marketing()
    billers: tuple[Biller, ...] = Field(min_length=1)

    @property
    def biller(self) -> Biller:
        """The biller that the suites look at most closely: the first."""
        return self.billers[0]

    @property
    def host(self) -> str:
        """The portal's host name."""
        return urlsplit(self.base_url).hostname or ""

    def landing(self, biller: Biller) -> str:
        """Return the address that a biller hands out."""
        return f"{self.base_url}/{biller.slug}"

    def login(self, biller: Biller) -> str:
        """Return the address of a biller's sign-in page."""
        return self.base_url + self.paths.login.format(guid=biller.guid)

    def locator(self, biller: Biller, kind: BillType) -> str:
        """Return the address of the search for one kind of bill."""
        return self.base_url + self.paths.locator.format(guid=biller.guid, iti=kind.iti, vsii=kind.vsii)
