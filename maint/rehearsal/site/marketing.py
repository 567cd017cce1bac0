"""The company's own pages: made-up words, and only the addresses and headings of the kind that are checked."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import Response

from maint.rehearsal.site.page import render
from maint.rehearsal.site.state import SiteState


@dataclass(frozen=True)
class Article:
    """A page of text: `questions` are shown one below the other, each with an answer that opens."""

    heading: str
    lines: tuple[str, ...]
    questions: tuple[tuple[str, str], ...] = ()
    template: str = "marketing_page.html"


MARKETING: Mapping[str, Article] = {
    "/": Article(
        "Bills that people like to pay",
        ("Towns, utilities and counties send bills with us; their residents pay them in a minute or two.",),
        template="marketing_home.html",
    ),
    "/solutions": Article(
        "Solutions",
        (
            "Bills on paper, by e-mail and by text message, from one file that a biller sends once a month.",
            "Payments by card and from bank accounts, posted to the biller's own books on the next day.",
        ),
    ),
    "/resources": Article(
        "Resources",
        ("Guides for billers who begin, letters to send along with a bill, and a calendar of our courses.",),
    ),
    "/contact": Article(
        "Contact",
        ("Are you a biller, or do you want to become one? Write to us and we call you back.",),
        template="marketing_contact.html",
    ),
    "/payer-support": Article(
        "Payer Support",
        ("Most questions are about one bill: the biller who sent it knows most about it.",),
        (
            (
                "Why can I not find my bill?",
                "Enter just what is printed on the bill. A bill that is paid is not found any more.",
            ),
            (
                "Which fees are there?",
                "Some billers pass on what a payment costs them. The fee is shown before you submit anything.",
            ),
            (
                "When does my payment arrive?",
                "A card payment on the same day, a payment from a bank account after two or three days.",
            ),
            (
                "How do I stop paper bills?",
                "Sign in at your biller's page, choose Paperless, and confirm the e-mail that we send you.",
            ),
        ),
    ),
    "/payer-terms-conditions": Article(
        "Terms and Conditions",
        (
            "These are the terms of a twin: it was made to rehearse with, and binds nobody.",
            "Payments cannot be made here. Nothing that is entered here is kept beyond the rehearsal.",
        ),
    ),
    "/privacy-policy": Article(
        "Privacy Policy",
        ("This twin runs on the machine that you look at. It sends nothing anywhere, and forgets at its end.",),
    ),
    "/accessibility-statement": Article(
        "Accessibility Statement",
        (
            "Every page can be used with the keyboard alone and with a screen reader.",
            "Text has enough contrast, and pages fit a telephone as well as a wide screen.",
        ),
    ),
    "/sla": Article(
        "Service Level",
        ("The portal is promised to be there 99.9 % of every month, planned maintenance not counted.",),
    ),
}


def marketing_page(state: SiteState, path: str) -> Response:
    """Return the page at `path`, which must be one of MARKETING's."""
    article = MARKETING[path]
    return render(state, article.template, article=article)
