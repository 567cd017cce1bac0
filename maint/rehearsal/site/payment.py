"""The pages of a one-time payment, as far as the review: the twin never takes a payment."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from starlette.responses import Response

from maint.rehearsal.site.billers import BANK, CARD, CENT, Biller
from maint.rehearsal.site.page import Input, PageRequest, is_email
from maint.rehearsal.site.state import Session

ACCOUNT_TYPES = ("Personal Checking", "Personal Savings", "Commercial Checking")


def _with_bills(page: Callable[[PageRequest, Biller], Response]) -> Callable[[PageRequest], Response]:
    """Send who comes without chosen invoices back to the search."""

    def guarded(ask: PageRequest) -> Response:
        biller = ask.session.biller
        if biller is None:
            return ask.show("not_found.html", status=404)
        return page(ask, biller) if ask.session.chosen else ask.go("Site2", G=biller.guid)

    return guarded


@_with_bills
def summary(ask: PageRequest, _biller: Biller) -> Response:
    """What was chosen and its total."""
    if ask.pressed == "btnPayToday":
        return ask.go("paymentoption")
    return ask.show("summary.html", bills=ask.session.chosen, total=ask.session.balance)


@_with_bills
def option(ask: PageRequest, biller: Biller) -> Response:
    """Method and amount, with the fee before anything is submitted."""
    session = ask.session
    if ask.pressed == "btnCancel":
        return ask.go("customerlocatorresults")
    if ask.pressed:
        wanted = ask.form.get("ddlPaymentMethod", "")
        session.method = wanted if wanted in biller.methods else ""
        session.pays_other = ask.form.get("rblAmount") == "other"
        session.other = ask.form.get("txtOther", "").strip() if session.pays_other else ""
    session.method = session.method or biller.methods[0]
    method = Input("ddlPaymentMethod", "Payment Method", session.method, options=biller.methods)
    other = Input("txtOther", "Other Amount", session.other, required=False)
    error = _amount_error(session, biller) if ask.pressed == "btnContinue" else ""
    if ask.pressed == "btnContinue" and not error:
        return ask.go("paymentinformation")
    if session.pays_other:
        other.error = error
    amount = _amount(session)
    fee = biller.fee.of(session.method, amount)
    return ask.show(
        "option.html",
        method=method,
        other=other,
        full_error="" if session.pays_other else error,
        balance=session.balance,
        pays_other=session.pays_other,
        amount=amount,
        fee=fee,
        total=amount + fee,
    )


@_with_bills
def information(ask: PageRequest, biller: Biller) -> Response:
    """Card or bank data and the billing address; card and account numbers are checked and forgotten."""
    session = ask.session
    if ask.pressed == "btnBack" or not session.method:
        return ask.go("paymentoption")
    how, where = _how(session.method), _where()
    if ask.pressed == "btnContinue":
        ask.values_of([*how, *where])
        _check(how, where)
        if not any(one.error for one in (*how, *where)):
            session.details = {one.label: one.value for one in where}
            numbers = [one.value for one in how if one.key in {"txtCardNumber", "txtAccountNumber"}]
            session.paying_with = f"{session.method} ending in {numbers[0][-4:]}" if numbers else session.method
            return ask.go("paymentreview")
        for one in how:
            one.value = "" if one.kind == "text" else one.value  # never sent back to the page
    return ask.show("information.html", how=how, where=where, method=session.method)


@_with_bills
def review(ask: PageRequest, biller: Biller) -> Response:
    """Everything once more, and the terms; the last button says that the twin takes no payments."""
    session = ask.session
    if not session.paying_with:
        return ask.go("paymentinformation")
    terms_error = ""
    if ask.pressed == "btnProcess":
        if "terms" in ask.ticked:
            lines = ["The twin does not take payments. Nothing was charged and no invoice was changed."]
            return ask.show("message.html", heading="No payment was made", lines=lines)
        terms_error = "Agree to the terms and conditions to go on."
    amount = _amount(session)
    fee = biller.fee.of(session.method, amount)
    return ask.show(
        "review.html",
        bills=session.chosen,
        amount=amount,
        fee=fee,
        total=amount + fee,
        paying_with=session.paying_with,
        details=session.details,
        terms_error=terms_error,
    )


def _amount(session: Session) -> Decimal:
    """Return what is paid: the other amount where one can be read, else the whole balance."""
    try:
        other = Decimal(session.other.replace(",", "").removeprefix("$"))
    except InvalidOperation:
        return session.balance
    return other.quantize(CENT) if other.is_finite() and abs(other) < 10**9 else session.balance


def _amount_error(session: Session, biller: Biller) -> str:
    if session.pays_other and not re.fullmatch(r"\$?-?[\d,]+(\.\d{1,2})?", session.other):
        return "Enter an amount in dollars, such as 25.00."
    amount, limit = _amount(session), biller.limits.get(session.method, biller.limits[CARD])
    if amount <= 0:
        return "Enter an amount of more than $0.00."
    if amount > session.balance:
        return f"Enter no more than the balance of ${session.balance:,.2f}."
    if amount > limit:
        return f"{session.method} payments are limited to ${limit:,.2f}. Pay another amount or in another way."
    return ""


def _how(method: str) -> list[Input]:
    if method == CARD:
        return [
            Input("txtName", "Name on Card"),
            Input("txtCardNumber", "Card Number"),
            Input("txtExpiry", "Expiration Date", hint="MM/YY"),
            Input("txtCode", "Security Code", hint="3 or 4 digits"),
        ]
    if method == BANK:
        return [
            Input("ddlAccountType", "Account Type", ACCOUNT_TYPES[0], kind="select", options=ACCOUNT_TYPES),
            Input("txtRouting", "Routing Number", hint="9 digits"),
            Input("txtAccountNumber", "Account Number"),
            Input("txtAccountNumber2", "Confirm Account Number"),
        ]
    return []


def _where() -> list[Input]:
    return [
        Input("txtAddress", "Billing Address", autocomplete="street-address"),
        Input("txtCity", "City", autocomplete="address-level2"),
        Input("txtState", "State", autocomplete="address-level1"),
        Input("txtZip", "ZIP Code", autocomplete="postal-code"),
        Input("txtEmailAddress", "Email Address", kind="email", autocomplete="email"),
    ]


def _check(how: list[Input], where: list[Input]) -> None:
    """Say by each field what is wrong with it."""
    fields = {one.key: one for one in (*how, *where)}
    for one in fields.values():
        if not one.value:
            one.error = f"{one.label} is required."
    rules: dict[str, tuple[Callable[[str], bool], str]] = {
        "txtCardNumber": (_is_card, "This is not a card number."),
        "txtExpiry": (_is_ahead, "Enter a month that is not over, such as 04/31."),
        "txtCode": (lambda code: re.fullmatch(r"\d{3,4}", code) is not None, "Enter its 3 or 4 digits."),
        "txtRouting": (_is_routing, "This is not a routing number: it has 9 digits."),
        "txtAccountNumber": (lambda number: re.fullmatch(r"\d{4,17}", number) is not None, "Enter its digits."),
        "txtEmailAddress": (is_email, "Enter an e-mail address such as name@example.com."),
    }
    for key, (is_right, error) in rules.items():
        if key in fields and fields[key].value and not is_right(fields[key].value):
            fields[key].error = error
    again = fields.get("txtAccountNumber2")
    if again and again.value and again.value != fields["txtAccountNumber"].value:
        again.error = "The account numbers are not the same."


def _is_card(text: str) -> bool:
    """Say whether `text` is a card number, by its length and its check digit."""
    digits = [int(letter) for letter in re.sub(r"[ -]", "", text) if letter.isdigit()]
    doubled = [sum(divmod(digit * 2, 10)) for digit in digits[-2::-2]]
    return 12 <= len(digits) <= 19 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_ahead(text: str) -> bool:
    """Say whether MM/YY is this month or a later one."""
    match = re.fullmatch(r"(0[1-9]|1[0-2]) ?/ ?(\d\d)", text)
    now = datetime.now(UTC)
    return match is not None and (2000 + int(match[2]), int(match[1])) >= (now.year, now.month)


def _is_routing(text: str) -> bool:
    """Say whether `text` is a bank's routing number, by its length and its check digit."""
    if not re.fullmatch(r"\d{9}", text):
        return False
    return sum(int(digit) * weight for digit, weight in zip(text, (3, 7, 1) * 3, strict=True)) % 10 == 0


PAGES: dict[str, Callable[[PageRequest], Response]] = {
    "paymentsummary": summary,
    "paymentoption": option,
    "paymentinformation": information,
    "paymentreview": review,
}
