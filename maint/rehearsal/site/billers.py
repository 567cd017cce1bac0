"""The billers of the stand-in site: what one is, and three made-up ones with their open bills."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

CARD, BANK = "Credit/Debit Card", "Bank Account"
CENT = Decimal("0.01")


@dataclass(frozen=True)
class Fee:
    """What a biller adds to a payment: percent of a card payment, at least `minimum`; `bank` for a bank's."""

    percent: Decimal
    minimum: Decimal
    bank: Decimal

    def of(self, method: str, amount: Decimal) -> Decimal:
        """Return the fee in dollars, rounded to the cent."""
        if method == BANK:
            return self.bank
        return max((amount * self.percent / 100).quantize(CENT, ROUND_HALF_UP), self.minimum)


@dataclass(frozen=True)
class Bill:
    """An open invoice; `keys` are what a payer must enter to find it, in the order of its type's fields."""

    number: str
    keys: tuple[str, ...]
    customer: str
    date: str
    due: str
    amount: Decimal


@dataclass(frozen=True)
class BillType:
    """One kind of bill on a biller's page: iti and vsii are its numbers in the address."""

    label: str
    iti: int
    vsii: int
    about: str
    fields: tuple[str, ...]
    bills: tuple[Bill, ...]

    def find(self, values: list[str]) -> tuple[Bill, ...]:
        """Return the bills that these values name, whatever their spaces, dashes and capitals."""
        wanted = [_plain(value) for value in values]
        return tuple(bill for bill in self.bills if [_plain(key) for key in bill.keys] == wanted)


@dataclass(frozen=True)
class Biller:
    """A town or utility that bills through the site; limits are the most per payment, by method."""

    slug: str
    guid: str
    name: str
    place: str
    phone: str
    email: str
    hours: str
    notice: str
    methods: tuple[str, ...]
    fee: Fee
    limits: Mapping[str, Decimal]
    bill_types: tuple[BillType, ...]

    def bill_type(self, iti: str) -> BillType | None:
        """Return the kind of bill with this number, if there is one."""
        return next((kind for kind in self.bill_types if str(kind.iti) == iti), None)


def _plain(value: str) -> str:
    return re.sub(r"[^a-z0-9]", "", value.lower())


def _bill(number: str, keys: tuple[str, ...], date: str, due: str, amount: str) -> Bill:
    return Bill(number, keys, "A. Example", date, due, Decimal(amount))


HARROWGATE = Biller(
    slug="harrowgatema",
    guid="3f6d1c52-0000-4000-8000-0000000000a1",
    name="Town of Harrowgate",
    place="Town Hall, 14 Common Street, Harrowgate",
    phone="(555) 010-2100",
    email="collector@harrowgate.example",
    hours="Monday to Friday, 8:30 AM to 4:30 PM",
    notice="Paying by phone? Have your bill at hand and say <account number> when you are asked.",
    methods=(CARD, BANK),
    fee=Fee(Decimal("2.95"), Decimal("1.00"), Decimal("0.40")),
    limits={CARD: Decimal(5000), BANK: Decimal(125000)},
    bill_types=(
        BillType(
            "Real Estate Taxes",
            101,
            1,
            "Quarterly taxes on land and buildings",
            ("Parcel Number",),
            (
                _bill("RE-250301", ("R014-0027-C",), "01/02/2025", "05/01/2025", "3184.37"),
                _bill("RE-250302", ("R014-0027-C",), "03/03/2025", "08/01/2025", "2955.12"),
                _bill("RE-250417", ("R022-0109-A",), "01/02/2025", "05/01/2025", "1207.90"),
            ),
        ),
        BillType(
            "Motor Vehicle Excise",
            102,
            2,
            "Yearly excise on cars, trucks and motorcycles",
            ("Bill Number", "Bill Year"),
            (_bill("MV-25-8841", ("8841", "2025"), "02/14/2025", "03/31/2025", "142.50"),),
        ),
        BillType(
            "Water and Sewer",
            103,
            3,
            "Usage of water and sewer, every three months",
            ("Account Number", "Last Name"),
            (_bill("WS-77120", ("40-1182", "Example"), "02/28/2025", "04/15/2025", "88.06"),),
        ),
    ),
)

ALDER_CREEK = Biller(
    slug="aldercreekwater",
    guid="3f6d1c52-0000-4000-8000-0000000000a2",
    name="Alder Creek Water District",
    place="800 Weir Road, Alder Creek",
    phone="(555) 010-2200",
    email="billing@aldercreek.example",
    hours="Monday to Thursday, 7:00 AM to 5:30 PM",
    notice="",
    methods=(CARD, BANK, "Apple Pay", "Google Pay"),
    fee=Fee(Decimal(0), Decimal("2.95"), Decimal(0)),
    limits={CARD: Decimal(1000), BANK: Decimal(125000)},
    bill_types=(
        BillType(
            "Water Bill",
            201,
            1,
            "Homes and businesses, every month",
            ("Account Number", "Last Name"),
            (_bill("AC-90311", ("7-0042-19", "Example"), "03/01/2025", "03/28/2025", "64.18"),),
        ),
        BillType(
            "Irrigation",
            202,
            2,
            "Meters that serve gardens and fields",
            ("Meter Number",),
            (_bill("IR-1206", ("M-5581",), "03/01/2025", "03/28/2025", "31.75"),),
        ),
    ),
)

QUILLON = Biller(
    slug="quilloncountypayments",
    guid="3f6d1c52-0000-4000-8000-0000000000a3",
    name="Quillon County Treasurer",
    place="County Building, 3 Court Square, Quillon",
    phone="(555) 010-2300",
    email="treasurer@quilloncounty.example",
    hours="Monday to Friday, 8:00 AM to 5:00 PM",
    notice="The treasurer's office is closed on the last Friday of every month.",
    methods=(CARD, BANK, "Google Pay"),
    fee=Fee(Decimal(2), Decimal("1.50"), Decimal("0.50")),
    limits={CARD: Decimal(5000), BANK: Decimal(50000)},
    bill_types=(
        BillType(
            "Property Tax",
            301,
            1,
            "Spring and fall instalments",
            ("Parcel Number",),
            (_bill("PT-2025-1", ("88-120-004",), "02/01/2025", "04/30/2025", "905.66"),),
        ),
        BillType(
            "Dog Licence",
            302,
            2,
            "Renewals for the calendar year",
            ("Tag Number", "Billing ZIP"),
            (_bill("DL-3310", ("3310", "00501"), "01/15/2025", "03/31/2025", "18.00"),),
        ),
    ),
)

BILLERS = (HARROWGATE, ALDER_CREEK, QUILLON)
