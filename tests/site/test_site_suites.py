"""The suites' checks see what is wrong: each fault of the site turns its check red, in a real browser."""

import importlib.util
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from maint.payer import Payer
from maint.site import Budget, Budgets, Site

ROOT = Path(__file__).parents[2]
Check = Callable[..., None]
Break = Callable[..., None]
RED = (AssertionError, pytest.fail.Exception)
SMOKE, BRANDING = "smoke/test_smoke.py", "regression/test_branding.py"


@pytest.fixture
def check(request: pytest.FixtureRequest) -> Check:
    """A function that runs one check of a suite by its name, with other fixtures where they are given."""

    def run(path: str, name: str, **instead: Any) -> None:
        spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        function = getattr(module, name)
        wanted = inspect.signature(function).parameters
        function(**{name: instead.get(name) or request.getfixturevalue(name) for name in wanted})

    return run


@pytest.fixture
def break_site(control: httpx.Client) -> Iterator[Break]:
    """A function that sets flags of the shared twin's site; all of them are off afterwards."""
    changed: dict[str, Any] = {}

    def edit(**change: Any) -> None:
        changed.update(change)
        control.post("/edit", json={"resource": "site", "change": change}).raise_for_status()

    yield edit
    edit(**dict.fromkeys(changed, False))


@dataclass(frozen=True)
class Fault:
    flag: dict[str, Any]
    suite: str
    check: str
    says: str


FAULTS = [
    Fault({"broken_logo": True}, SMOKE, "test_s3_landing_page_is_the_billers", "no image that matches"),
    Fault({"error_page": True}, SMOKE, "test_s4_no_error_page", "Server Error in"),
    Fault(
        {"missing_header": "Referrer-Policy"},
        SMOKE,
        "test_s8_security_headers",
        "referrer-policy is missing (land",
    ),
    Fault({"console_error": True}, SMOKE, "test_s9_nothing_breaks_in_the_browser", "console_error is on"),
    Fault({"broken_logo": True}, SMOKE, "test_s9_nothing_breaks_in_the_browser", "answered 404"),
    Fault(
        {"unknown_script_host": True},
        SMOKE,
        "test_s10_scripts_are_the_known_ones",
        "from scripts.unknown-host.example",
    ),
    Fault({"wrong_branding": True}, BRANDING, "test_r33_every_biller_has_its_own_brand", "its logo is not there"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{next(iter(fault.flag))}-{fault.check[5:8]}")
def test_a_fault_turns_its_check_red(check: Check, break_site: Break, fault: Fault) -> None:
    break_site(**fault.flag)
    with pytest.raises(RED) as red:
        check(fault.suite, fault.check)
    assert fault.says in str(red.value)
    assert "(S(" not in str(red.value).replace("(S(...))", "")


def test_a_slow_page_turns_its_check_red(check: Check, break_site: Break, site: Site) -> None:
    break_site(slow=0.1)
    tight = Budgets(first_byte=Budget(good=50, poor=80), load=Budget(good=9000, poor=9000))
    with pytest.raises(RED, match="first byte took"):
        check(SMOKE, "test_s11_fast_enough", site=site.model_copy(update={"budgets": tight}))


def test_the_maintenance_page_is_red_outside_the_window(check: Check, break_site: Break) -> None:
    break_site(maintenance_page=True)
    with pytest.raises(pytest.fail.Exception, match="maintenance page, outside the window"):
        check(SMOKE, "test_s4_no_error_page")


class TestInTheWindow:
    @pytest.fixture
    def maintenance_expected(self) -> str:
        return "until 11:00"

    def test_the_maintenance_page_skips_the_check(self, check: Check, break_site: Break) -> None:
        break_site(maintenance_page=True)
        with pytest.raises(pytest.skip.Exception, match="maintenance page: until 11:00"):
            check(SMOKE, "test_s4_no_error_page")


def test_no_page_up_to_the_review_has_a_barrier(payer: Payer, page: Page, site: Site) -> None:
    axe = Axe()
    found: list[str] = []

    def look() -> None:
        violations = axe.run(page).response["violations"]
        found.extend(f"{page.title()}: {violation['id']} ({violation['impact']})" for violation in violations)

    for url in (site.base_url, site.marketing_url, site.marketing_url + "/payer-support", site.base_url + "/nobody"):
        page.goto(url)
        look()
    payer.go(site.landing(site.biller))
    payer.button(site.labels.support).click()
    expect(page.get_by_text(site.biller.email).first).to_be_visible()
    look()
    payer.search({"Parcel Number": ""})
    expect(payer.alert).to_be_visible()
    look()
    account = site.biller.bill_type.account
    assert account
    payer.find_invoices()
    look()
    payer.to_information(site.labels.bank, account.invoices[0].number)
    look()
    payer.fill({**payer.bank, **payer.billing})
    payer.button(site.labels.to_review).click()
    expect(payer.heading(site.labels.review_heading)).to_be_visible()
    look()
    assert not found
