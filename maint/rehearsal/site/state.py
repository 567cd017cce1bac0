"""What the stand-in site remembers: payers' sessions, and what is wrong with it."""

import random
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from maint.rehearsal.site.billers import BILLERS, Bill, Biller, BillType

SESSIONS_KEPT = 5000
SESSION_LETTERS = string.ascii_lowercase + "012345"

FLAGS: Mapping[str, str] = {
    "slow": "seconds that every page waits",
    "missing_header": "the name of a security header that is left out",
    "console_error": "true: every page writes an error to the console",
    "broken_logo": "true: the biller's logo answers 404",
    "unknown_script_host": "true: every page loads a script from another host",
    "wrong_branding": "true: every biller has the next biller's logo and colours",
    "error_page": "true: every page is the server's own error page",
    "maintenance_page": "true: every page says that the site is closed for maintenance",
}


@dataclass
class Session:
    """What one payer did so far; `details` are shown on the review page and hold no card or bank data."""

    id: str
    biller: Biller | None = None
    bill_type: BillType | None = None
    found: tuple[Bill, ...] = ()
    chosen: tuple[Bill, ...] = ()
    method: str = ""
    pays_other: bool = False
    other: str = ""
    details: dict[str, str] = field(default_factory=dict)
    paying_with: str = ""

    def choose(self, bills: tuple[Bill, ...]) -> None:
        """Begin a payment of these bills, forgetting what was entered for others."""
        self.chosen, self.method, self.other, self.pays_other = bills, "", "", False
        self.details, self.paying_with = {}, ""

    @property
    def balance(self) -> Decimal:
        """What the chosen invoices come to, in dollars."""
        return sum((bill.amount for bill in self.chosen), Decimal(0))


class SiteState:
    """Everything that the ten servers share, in memory; a new one is the site as new."""

    def __init__(self) -> None:
        self.billers: dict[str, Biller] = {biller.slug: biller for biller in BILLERS}
        self.sessions: dict[str, Session] = {}
        self.flags: dict[str, Any] = {}
        self._random = random.Random(1)

    def open_session(self) -> Session:
        """Return a new payer's session, forgetting the oldest beyond 5000."""
        session = Session("".join(self._random.choices(SESSION_LETTERS, k=24)))
        self.sessions[session.id] = session
        if len(self.sessions) > SESSIONS_KEPT:
            del self.sessions[next(iter(self.sessions))]
        return session

    def biller_of(self, guid: str) -> Biller | None:
        """Return the biller with this GUID, if there is one."""
        return next((biller for biller in self.billers.values() if biller.guid == guid.lower()), None)

    def dress_of(self, biller: Biller) -> str:
        """Return whose logo and colours the biller's pages have: its own slug unless branding is wrong."""
        slugs = list(self.billers)
        step = 1 if self.flags.get("wrong_branding") else 0
        return slugs[(slugs.index(biller.slug) + step) % len(slugs)]

    def set_flag(self, name: str, value: Any) -> None:
        """Make something wrong with the site, or right again with a value of false.

        Raises ValueError, naming what is allowed, and changes nothing when there is no such flag or the
        value is of the wrong kind.
        """
        if name not in FLAGS:
            known = "; ".join(f"{flag} ({means})" for flag, means in FLAGS.items())
            raise ValueError(f"the site has no flag {name!r}; its flags are {known}")
        if not value:
            self.flags.pop(name, None)
            return
        kinds: dict[str, tuple[type, ...]] = {"slow": (int, float), "missing_header": (str,)}
        if type(value) not in kinds.get(name, (bool,)):
            raise ValueError(f"the site's flag {name} takes {FLAGS[name]}, or false, not {value!r}")
        self.flags[name] = value

    def edit(self, change: Mapping[str, Any]) -> None:
        """Set the flags of `change`; raises ValueError as `set_flag` does, with the flags before it set."""
        for name, value in change.items():
            self.set_flag(name, value)
