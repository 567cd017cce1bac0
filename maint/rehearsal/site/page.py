"""One request for a page of the portal: who asks, for which biller, and how the answer is made."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse, Response

from maint.rehearsal.site.billers import Biller
from maint.rehearsal.site.state import Session, SiteState

PREFIX = "ctl00$ctl00$cphBody$cphBodyLeft$"
TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    auto_reload=False,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters["dollars"] = lambda amount: f"${amount:,.2f}"


@dataclass
class Input:
    """A labelled field of a form; `name` and `id` have the shape that ASP.NET gives them."""

    key: str
    label: str
    value: str = ""
    error: str = ""
    kind: str = "text"
    autocomplete: str = "off"
    required: bool = True
    options: tuple[str, ...] = ()
    hint: str = ""

    @property
    def name(self) -> str:
        """Its name in the form."""
        return PREFIX + self.key

    @property
    def id(self) -> str:
        """Its id in the page."""
        return self.name.replace("$", "_")


@dataclass(frozen=True)
class PageRequest:
    """What a page of the portal is made from; `form` is empty unless the payer pressed something.

    The keys of `form` are without ASP.NET's prefix, and so is `pressed`, the control that was pressed.
    """

    state: SiteState
    session: Session
    page: str
    query: Mapping[str, str]
    form: Mapping[str, str] = field(default_factory=dict)
    ticked: tuple[str, ...] = ()
    pressed: str = ""

    @property
    def biller(self) -> Biller | None:
        """The biller whom the address names, else the one of the session."""
        for name, value in self.query.items():
            if name.lower() in {"g", "bg", "billerguid"}:
                return self.state.biller_of(value)
        return self.session.biller

    def url(self, page: str, **query: Any) -> str:
        """Return the address of another page of this session."""
        address = f"/portal/(S({self.session.id}))/2/{page}.aspx"
        return f"{address}?{urlencode(query)}" if query else address

    def go(self, page: str, **query: Any) -> Response:
        """Send the payer to another page of this session."""
        return RedirectResponse(self.url(page, **query), 302)

    def show(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """Return the page that `template` makes of `values`."""
        values = {"biller": self.biller, "url": self.url, "action": self._action(), **values}
        return render(self.state, template, status=status, **values)

    def values_of(self, inputs: list[Input]) -> None:
        """Put what the payer entered into `inputs`, without spaces around it."""
        for one in inputs:
            one.value = self.form.get(one.key, "").strip()

    def _action(self) -> str:
        return self.url(self.page, **self.query)


def render(state: SiteState, template: str, *, status: int = 200, **values: Any) -> Response:
    """Return the page that `template` makes of `values`, with what is wrong with the site today."""
    biller = values.setdefault("biller", None)
    dress = state.dress_of(biller) if biller else ""
    page = TEMPLATES.get_template(template).render(flags=state.flags, dress=dress, **values)
    return HTMLResponse(page, status)


def pressed_and_entered(form: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Return which control was pressed and what was entered, without ASP.NET's prefix."""
    entered = {name.removeprefix(PREFIX): value for name, value in form.items()}
    return entered.pop("__EVENTTARGET", "").removeprefix(PREFIX), entered


def is_email(text: str) -> bool:
    """Say whether `text` looks like an e-mail address."""
    return re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", text) is not None
