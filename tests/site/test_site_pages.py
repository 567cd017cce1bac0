"""The stand-in site's pages, over HTTP."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from maint.rehearsal.site import SiteState, marketing_app
from maint.rehearsal.site.app import SECURITY
from maint.rehearsal.site.billers import BANK, BILLERS, CARD, HARROWGATE
from maint.rehearsal.site.page import PREFIX
from maint.rehearsal.site.state import FLAGS

Visitor = Callable[..., httpx.AsyncClient]
SESSION = re.compile(r"/portal/\(S\([a-z0-5]{24}\)\)/2/")
LOCATOR = f"/portal/2/customerlocator.aspx?iti=101&bg={HARROWGATE.guid}&vsii=1"


def run(story: Awaitable[None]) -> None:
    async def play() -> None:
        await story

    asyncio.run(play())


async def press(client: httpx.AsyncClient, page: httpx.Response, key: str, **values: Any) -> httpx.Response:
    """Send the page's form as __doPostBack does; `ticked` goes without ASP.NET's prefix."""
    ticked = values.pop("ticked", [])
    form: dict[str, Any] = {f"{PREFIX}{name}": value for name, value in values.items()}
    form |= {"__EVENTTARGET": PREFIX + key, "__EVENTARGUMENT": "", "__VIEWSTATE": "x", "ticked": ticked}
    return await client.post(str(page.url), data=form, follow_redirects=True)


async def search(client: httpx.AsyncClient, parcel: str) -> httpx.Response:
    page = await client.get(LOCATOR, follow_redirects=True)
    return await press(client, page, "btnSearch", **{"ctrlVSInputs$rptInputs$ctl01$txtValue": parcel})


async def to_information(client: httpx.AsyncClient, method: str) -> httpx.Response:
    page = await search(client, "R014-0027-C")
    page = await press(client, page, "btnPaySelected", ticked=["RE-250301"])
    page = await press(client, page, "btnPayToday")
    return await press(client, page, "btnContinue", ddlPaymentMethod=method, rblAmount="full")


def test_a_biller_is_found_by_its_address_in_any_case(client: Visitor) -> None:
    async def story() -> None:
        async with client() as visitor:
            answer = await visitor.get("/HarrowgateMA")
            assert answer.status_code == 302
            assert SESSION.match(answer.headers["location"])
            page = await visitor.get(answer.headers["location"])
        assert page.status_code == 200
        assert all(kind.label in page.text for kind in HARROWGATE.bill_types)
        assert "&lt;account number&gt;" in page.text

    run(story())


def test_sessions_come_by_redirect_and_old_ones_become_new_ones(client: Visitor) -> None:
    async def story() -> None:
        async with client() as visitor:
            fresh = await visitor.get(LOCATOR)
            old = "/portal/(S(aaaaaaaaaaaaaaaaaaaaaaaa))/2/Site2.aspx?G=" + HARROWGATE.guid
            renewed = await visitor.get(old)
            assert fresh.status_code == renewed.status_code == 302
            assert SESSION.match(fresh.headers["location"])
            assert renewed.headers["location"].endswith(f"/2/Site2.aspx?G={HARROWGATE.guid}")
            assert "aaaaaaaa" not in renewed.headers["location"]
            assert (await visitor.get(renewed.headers["location"])).status_code == 200

    run(story())


def test_what_begins_on_one_server_goes_on_on_another(client: Visitor) -> None:
    async def story() -> None:
        async with client("IC-Web1") as one, client("IC-Web2") as two:
            found = await search(one, " r014 0027 c ")
            assert found.url.path.endswith("/customerlocatorresults.aspx")
            again = await two.get(str(found.url))
        assert found.headers["x-twin-server"] == "IC-Web1"
        assert again.headers["x-twin-server"] == "IC-Web2"
        assert "RE-250301" in again.text
        assert "$3,184.37" in again.text

    run(story())


def test_a_search_in_vain_stays_and_shows_nothing(client: Visitor) -> None:
    async def story() -> None:
        async with client() as visitor:
            page = await search(visitor, "R014-0027")
        assert page.url.path.endswith("/customerlocator.aspx")
        assert "No open bill was found" in page.text
        assert "RE-2503" not in page.text

    run(story())


@pytest.mark.parametrize(
    ("method", "wrong", "says"),
    [
        (CARD, {"txtCardNumber": "4111 1111 1111 1112"}, "not a card number"),
        (CARD, {"txtExpiry": "01/20"}, "month that is not over"),
        (CARD, {"txtCode": "12"}, "3 or 4 digits."),
        (BANK, {"txtRouting": "110000001"}, "not a routing number"),
        (BANK, {"txtAccountNumber2": "1"}, "not the same"),
        (BANK, {"txtEmailAddress": "nobody"}, "name@example.com"),
    ],
)
def test_payment_data_is_checked_and_never_kept(
    client: Visitor, state: SiteState, method: str, wrong: dict[str, str], says: str
) -> None:
    right = {
        "txtName": "Pat",
        "txtCardNumber": "4111111111111111",
        "txtExpiry": "12/49",
        "txtCode": "123",
        "ddlAccountType": "Personal Checking",
        "txtRouting": "110000000",
        "txtAccountNumber": "000123456789",
        "txtAccountNumber2": "000123456789",
        **dict.fromkeys(("txtAddress", "txtCity", "txtState", "txtZip"), "x"),
        "txtEmailAddress": "payer@example.com",
    }

    async def story() -> None:
        async with client() as visitor:
            page = await to_information(visitor, method)
            refused = await press(visitor, page, "btnContinue", **{**right, **wrong})
            assert says in refused.text
            review = await press(visitor, page, "btnContinue", **right)
            assert "<h1>Review Payment</h1>" in review.text
            assert right["txtCardNumber"] not in refused.text + review.text
            unticked = await press(visitor, review, "btnProcess")
            assert "Agree to the terms" in unticked.text
            done = await press(visitor, review, "btnProcess", ticked=["terms"])
            assert "The twin does not take payments" in done.text

    run(story())
    kept = repr(state.sessions)
    assert "4111111111111111" not in kept
    assert "000123456789" not in kept


def test_every_answer_carries_the_security_headers(client: Visitor) -> None:
    async def story() -> None:
        async with client() as visitor:
            for path in ("/", "/harrowgatema", "/nobody", "/portal/2/nothing.aspx", "/content/site.css"):
                answer = await visitor.get(path)
                assert {name: answer.headers.get(name) for name in SECURITY} == SECURITY, path

    run(story())


def test_what_does_not_exist_is_said_in_a_friendly_way(client: Visitor) -> None:
    async def story() -> None:
        async with client() as visitor:
            for path in ("/nobody", "/portal/2/nothing.aspx", f"/portal/2/Site2.aspx?G={HARROWGATE.guid[:-1]}f"):
                answer = await visitor.get(path, follow_redirects=True)
                assert answer.status_code == 404
                assert "Page not found" in answer.text
            status = await visitor.get("/api/v1/biller/status")
        assert status.status_code == 401
        assert status.json()["code"] == 401

    run(story())


def test_the_company_has_its_pages(state: SiteState) -> None:
    async def story() -> None:
        transport = httpx.ASGITransport(marketing_app(state))
        async with httpx.AsyncClient(transport=transport, base_url="https://invoicecloud.net") as visitor:
            for path in ("/", "/payer-support", "/payer-terms-conditions", "/privacy-policy", "/sla"):
                assert (await visitor.get(path)).status_code == 200, path
            assert (await visitor.get("/nothing")).status_code == 404

    run(story())


def test_each_flag_breaks_what_it_says_and_false_mends_it(client: Visitor, state: SiteState) -> None:
    async def landing() -> tuple[httpx.Response, httpx.Response]:
        async with client() as visitor:
            page = await visitor.get("/harrowgatema", follow_redirects=True)
            return page, await visitor.get("/content/logo-harrowgatema.svg")

    def look(**change: Any) -> tuple[httpx.Response, httpx.Response]:
        state.edit(change)
        found = asyncio.run(landing())
        state.edit(dict.fromkeys(change, False))
        return found

    whole, logo = look()
    assert logo.status_code == 200
    assert "console.error" not in whole.text
    assert "referrer-policy" not in look(missing_header="Referrer-Policy")[0].headers
    assert "console.error" in look(console_error=True)[0].text
    assert look(broken_logo=True)[1].status_code == 404
    assert "unknown-host.example" in look(unknown_script_host=True)[0].text
    assert "logo-aldercreekwater.svg" in look(wrong_branding=True)[0].text
    assert "Server Error in" in look(error_page=True)[0].text
    assert look(maintenance_page=True)[0].status_code == 503
    assert look(slow=0.01)[0].status_code == 200
    again, _ = look()
    assert SESSION.sub("", again.text) == SESSION.sub("", whole.text)


def test_a_wrong_flag_is_refused_and_names_the_right_ones(state: SiteState) -> None:
    with pytest.raises(ValueError, match="broken_logo") as unknown:
        state.edit({"brokn_logo": True})
    assert all(flag in str(unknown.value) for flag in FLAGS)
    for name, value in (("slow", True), ("missing_header", True), ("broken_logo", "yes")):
        with pytest.raises(ValueError, match=name):
            state.set_flag(name, value)
    assert state.flags == {}


def test_two_new_sites_are_the_same_and_sessions_are_bounded() -> None:
    one, other = SiteState(), SiteState()
    assert [one.open_session().id for _ in range(3)] == [other.open_session().id for _ in range(3)]
    for _ in range(6000):
        one.open_session()
    assert len(one.sessions) == 5000
    assert [biller.slug for biller in BILLERS] == list(one.billers)
