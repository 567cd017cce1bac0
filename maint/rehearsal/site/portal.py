"""The portal's pages up to the invoices: landing, sign-in, registration, search, support."""

from collections.abc import Callable

from starlette.responses import Response

from maint.rehearsal.site import payment
from maint.rehearsal.site.page import Input, PageRequest, is_email


def site(ask: PageRequest) -> Response:
    """The biller's own page: its notice and the kinds of bill."""
    return ask.show("landing.html")


def login(ask: PageRequest) -> Response:
    """Sign-in; nobody has an account here, and the answer does not tell who might."""
    email = Input("txtEmailAddress", "Email Address", kind="email", autocomplete="username")
    password = Input("txtPassword", "Password", kind="password", autocomplete="current-password")
    failed = False
    if ask.pressed == "btnLogin":
        email.value = ask.form.get(email.key, "").strip()
        failed = True
    return ask.show("login.html", inputs=[email, password], failed=failed)


def forgot(ask: PageRequest) -> Response:
    """Forgotten password: the same answer whether the account is known or not."""
    inputs = [
        Input("txtAccountNumber", "Account Number"),
        Input("txtEmailAddress", "Email Address", kind="email", autocomplete="email"),
    ]
    if ask.pressed == "btnRetrieveMyPassword" and _complete(ask, inputs):
        return ask.show(
            "message.html",
            heading="Check your e-mail",
            lines=["If we know this account, a link to a new password is on its way to its e-mail address."],
        )
    return ask.show("forgot.html", inputs=inputs)


def register(ask: PageRequest) -> Response:
    """Registration, as far as the last button: the twin keeps no accounts."""
    inputs = [
        Input("txtEmailAddress", "Email Address", kind="email", autocomplete="email"),
        Input("txtPassword", "Password", kind="password", autocomplete="new-password"),
        Input("txtConfirm", "Confirm Password", kind="password", autocomplete="new-password"),
    ]
    if ask.pressed == "btnRegister" and _complete(ask, inputs):
        return ask.show("message.html", heading="Not registered", lines=["The twin keeps no accounts."])
    return ask.show("register.html", inputs=inputs, chosen=ask.session.chosen)


def support(ask: PageRequest) -> Response:
    """How to reach the biller."""
    return ask.show("support.html")


def locator(ask: PageRequest) -> Response:
    """Search for a bill: found ones are on the results page, and a search in vain stays here."""
    biller = ask.biller
    kind = biller.bill_type(ask.query.get("iti", "")) if biller else None
    if biller is None or kind is None:
        return not_found(ask)
    inputs = [
        Input(f"ctrlVSInputs$rptInputs$ctl{number:02d}$txtValue", label) for number, label in enumerate(kind.fields, 1)
    ]
    nothing = False
    if ask.pressed == "btnSearch" and _complete(ask, inputs):
        session = ask.session
        session.biller, session.bill_type = biller, kind
        session.found = kind.find([one.value for one in inputs])
        session.choose(())
        if session.found:
            return ask.go("customerlocatorresults")
        nothing = True
    return ask.show("locator.html", kind=kind, inputs=inputs, nothing=nothing)


def results(ask: PageRequest) -> Response:
    """The invoices that the search found; some of them chosen, to pay or to register."""
    session = ask.session
    if session.biller is None or not session.found:
        return ask.go("Site2", G=session.biller.guid) if session.biller else not_found(ask)
    error = ""
    if ask.pressed:
        session.choose(tuple(bill for bill in session.found if bill.number in ask.ticked))
        if session.chosen:
            return ask.go("paymentsummary" if ask.pressed == "btnPaySelected" else "customerregistration")
        error = "Select at least one invoice."
    return ask.show("results.html", kind=session.bill_type, found=session.found, error=error)


def invoice(ask: PageRequest) -> Response:
    """One of the found invoices, as it was sent."""
    bill = next((bill for bill in ask.session.found if bill.number == ask.query.get("invoice")), None)
    return ask.show("invoice.html", bill=bill, kind=ask.session.bill_type) if bill else not_found(ask)


def not_found(ask: PageRequest) -> Response:
    """A page that does not exist, said in a friendly way."""
    return ask.show("not_found.html", status=404)


def _complete(ask: PageRequest, inputs: list[Input]) -> bool:
    """Fill `inputs` from the form, and say by each what is missing; return whether nothing is."""
    ask.values_of(inputs)
    for one in inputs:
        if not one.value:
            one.error = f"Enter the {one.label.lower()}."
        elif one.kind == "email" and not is_email(one.value):
            one.error = "Enter an e-mail address such as name@example.com."
    return not any(one.error for one in inputs)


PAGES: dict[str, Callable[[PageRequest], Response]] = {
    "site": site,
    "site2": site,
    "customerlogin": login,
    "customerregistration": register,
    "forgotpassword": forgot,
    "customersupport": support,
    "customerlocator": locator,
    "customerlocatorresults": results,
    "pdfviewer": invoice,
    **payment.PAGES,
}
