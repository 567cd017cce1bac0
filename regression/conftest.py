"""The fixtures of the regression suite."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Response

from maint.payer import Payer
from maint.site import Biller, BillType, Site


@pytest.fixture(scope="session")
def kind(biller: Biller) -> BillType:
    """The kind of bill that the suite searches and pays."""
    return biller.bill_type


@pytest.fixture
def payer(page: Page, go: Callable[[str], Response], site: Site, biller: Biller, kind: BillType) -> Payer:
    """A payer of the first biller."""
    return Payer(page, go, site, biller, kind)
