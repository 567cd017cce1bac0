"""The expectations of environments/rehearsal.yaml are what the stand-in site really is."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from maint.rehearsal.site.billers import BANK, BILLERS, CARD
from maint.site import Site

FILE = Path(__file__).parents[2] / "environments" / "rehearsal.yaml"


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(FILE.read_text())["site"]
    return found


def test_billers_bills_and_fees_are_the_same(data: dict[str, Any]) -> None:
    site = Site.model_validate(data)
    assert [biller.slug for biller in site.billers] == [biller.slug for biller in BILLERS]
    for expected, real in zip(site.billers, BILLERS, strict=True):
        assert (expected.guid, expected.name, expected.phone) == (real.guid, real.name, real.phone)
        assert (expected.email, expected.notice or "", expected.methods) == (real.email, real.notice, real.methods)
        assert expected.card_limit == real.limits[CARD]
        for kind, its in zip(expected.bill_types, real.bill_types, strict=True):
            assert (kind.label, kind.iti, kind.vsii, kind.fields) == (its.label, its.iti, its.vsii, its.fields)
            if kind.account:
                found = its.find([kind.account.values[field] for field in kind.fields])
                assert [(bill.number, bill.date, bill.due, bill.amount) for bill in found] == [
                    (invoice.number, invoice.date, invoice.due, invoice.amount) for invoice in kind.account.invoices
                ]
                assert expected.fee.card(found[0].amount) == real.fee.of(CARD, found[0].amount)
                assert expected.fee.bank == real.fee.of(BANK, found[0].amount)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"root_final_url": "(unfinished"}, "not a regular expression"),
        ({"root_final_url": "(?i)https"}, "case never matters"),
        ({"hosts": []}, "at least 1"),
        ({"billers": []}, "at least 1"),
        ({"bugdets": {}}, "Extra inputs"),
    ],
)
def test_a_mistake_in_the_expectations_is_named(data: dict[str, Any], change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as wrong:
        Site.model_validate({**data, **change})
    assert says in str(wrong.value)
    assert next(iter(change)) in str(wrong.value)
