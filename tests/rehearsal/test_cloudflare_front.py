"""The twin's Cloudflare, spoken to by Cloudflare's own client, and what its records make www serve."""

import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from cloudflare import APIStatusError, Cloudflare

WWW, MY, ORIGIN = "www.invoicecloud.com", "my.invoicecloud.com", "pal.invoicecloud.com"
PAGE = "icmaintenance.azurewebsites.net"


@pytest.fixture
def sdk(world: dict[str, Any], tls: ssl.SSLContext) -> Iterator[Callable[..., Cloudflare]]:
    """Return a function that makes Cloudflare's client, which checks every answer against its own models."""
    with httpx.Client(verify=tls, trust_env=False) as http:

        def make(token: str) -> Cloudflare:
            return Cloudflare(
                api_token=token,
                base_url=f"{world['url']}/cloudflare/client/v4",
                http_client=http,
                max_retries=0,
                _strict_response_validation=True,
            )

        yield make


@pytest.fixture
def cf(sdk: Callable[..., Cloudflare]) -> Cloudflare:
    return sdk("rehearsal")


@pytest.fixture
def zone(cf: Cloudflare) -> str:
    return cf.zones.list(name="invoicecloud.com").result[0].id


def record(cf: Cloudflare, zone: str, name: str) -> Any:
    return cf.dns.records.list(zone_id=zone, name={"exact": name}, type="CNAME").result[0]


def point(cf: Cloudflare, zone: str, name: str, content: str) -> Any:
    found = record(cf, zone, name)
    return cf.dns.records.edit(
        found.id, zone_id=zone, type="CNAME", name=name, content=content, ttl=1, proxied=found.proxied
    )


def refusal(call: Callable[..., Any], **arguments: Any) -> tuple[int, int]:
    with pytest.raises(APIStatusError) as caught:
        call(**arguments)
    return caught.value.status_code, int(caught.value.errors[0].code or 0)


def until(look: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_records_are_listed_in_pages_that_end(cf: Cloudflare, zone: str) -> None:
    listed = list(cf.dns.records.list(zone_id=zone, per_page=3))
    assert len(listed) == len({r.id for r in listed}) == 10
    assert {r.name: (r.content, r.proxied) for r in listed if r.name in (WWW, MY)} == {
        WWW: (ORIGIN, True),
        MY: (ORIGIN, True),
    }
    assert [z.name for z in cf.zones.list(name="invoicecloud.com")] == ["invoicecloud.com"]
    assert list(cf.zones.list(name="example.org")) == []
    mail = list(cf.dns.records.list(zone_id=zone, content={"contains": "mail"}, proxied=False, match="all"))
    assert [(r.type, r.name) for r in mail] == [("MX", "invoicecloud.com"), ("TXT", "invoicecloud.com")]
    verified = cf.user.tokens.verify()
    assert verified
    assert verified.status == "active"


def test_a_record_is_made_changed_replaced_and_deleted(cf: Cloudflare, zone: str, control: httpx.Client) -> None:
    before = control.get("/state").json()["reversible"]["cloudflare"]
    made: Any = cf.dns.records.create(zone_id=zone, type="A", name="new", content="198.51.100.1", ttl=300, comment="x")
    assert (made.name, made.ttl, made.proxied) == ("new.invoicecloud.com", 300, False)
    edited: Any = cf.dns.records.edit(made.id, zone_id=zone, type="A", name="new", ttl=300, proxied=True)
    assert (edited.content, edited.ttl, edited.comment) == ("198.51.100.1", 1, "x")
    put: Any = cf.dns.records.update(made.id, zone_id=zone, type="A", name="new", content="198.51.100.2", ttl=60)
    assert (put.content, put.proxied, put.comment) == ("198.51.100.2", False, None), "a PUT replaces all of it"
    held = control.get("/state").json()["reversible"]["cloudflare"]["records"]
    assert held["new.invoicecloud.com A"] == ["198.51.100.2 (DNS only, ttl 60)"]
    deleted = cf.dns.records.delete(made.id, zone_id=zone)
    assert deleted
    assert deleted.id == made.id
    assert control.get("/state").json()["reversible"]["cloudflare"] == before


def test_a_batch_is_all_or_nothing(cf: Cloudflare, zone: str) -> None:
    www, my = record(cf, zone, WWW), record(cf, zone, MY)
    patches: Any = [{"id": www.id, "content": PAGE}, {"id": my.id, "content": PAGE}]
    bad: Any = {"type": "A", "name": "bad", "content": "no address", "ttl": 1}
    assert refusal(cf.dns.records.batch, zone_id=zone, patches=patches, posts=[bad]) == (400, 9005)
    assert record(cf, zone, WWW).content == ORIGIN
    done = cf.dns.records.batch(zone_id=zone, patches=patches)
    assert done
    assert [r.content for r in done.patches or []] == [PAGE, PAGE]


def test_it_refuses_what_cloudflare_refuses(cf: Cloudflare, zone: str, sdk: Callable[..., Cloudflare]) -> None:
    records = cf.dns.records
    assert refusal(sdk("wrong").zones.list) == (403, 9109)
    assert refusal(records.get, dns_record_id="0" * 32, zone_id=zone) == (404, 81044)
    assert refusal(records.list, zone_id="1" * 32) == (404, 7003)
    cname: Any = {"zone_id": zone, "type": "CNAME", "ttl": 1}
    assert refusal(records.create, **cname, name="www", content=PAGE) == (400, 81053)
    assert refusal(records.create, **cname, name="www", content=ORIGIN) == (400, 81058)
    assert refusal(records.create, **cname, name="x", content="http://icmaintenance.azurewebsites.net") == (400, 9007)
    assert refusal(records.create, zone_id=zone, type="A", name="www", content="198.51.100.1", ttl=1) == (400, 81054)
    assert refusal(records.create, zone_id=zone, type="A", name="y", content="198.51.100.1", ttl=5) == (400, 9021)
    assert refusal(cf.cache.purge, zone_id=zone) == (400, 1012)
    assert refusal(cf.cache.purge, zone_id=zone, hosts=[WWW], extra_body={"tags": ["a"]}) == (400, 1012)
    assert refusal(cf.dns.dnssec.get, zone_id=zone) == (404, 7000)


def test_the_records_decide_what_www_serves(
    cf: Cloudflare, zone: str, www: httpx.Client, control: httpx.Client
) -> None:
    control.post("/clock", json={"speed": 5})
    assert "Closed for maintenance" not in www.get("/").text
    point(cf, zone, WWW, PAGE)
    assert "Closed for maintenance" not in www.get("/").text, "the edge follows some seconds later"
    assert control.get("/state", params={"wait": 10}).json()["settled"]
    page = www.get("/harrowgatema")
    assert (page.status_code, page.headers["cf-cache-status"]) == (200, "MISS")
    assert "<h1>Closed for maintenance</h1>" in page.text
    assert www.get("/", headers={"host": MY}).headers["x-twin-server"] != "marketing", "my is another record"
    assert www.get("/", headers={"host": "www.invoicecloud.net"}).headers["x-twin-server"] == "marketing"
    servers = len([e for e in control.get("/requests").json()["requests"] if e["system"].startswith("IC-")])
    www.get("/")
    seen = control.get("/requests").json()["requests"]
    assert len([e for e in seen if e["system"].startswith("IC-")]) == servers
    assert seen[-1]["system"] == "www"


def test_a_kept_page_is_served_until_it_is_purged_or_old(
    cf: Cloudflare, zone: str, www: httpx.Client, control: httpx.Client
) -> None:
    point(cf, zone, WWW, PAGE)
    control.get("/state", params={"wait": 10})
    control.post("/clock", json={"speed": 1})
    assert [www.get("/").headers["cf-cache-status"] for _ in range(2)] == ["MISS", "HIT"]
    www.get("/old")
    point(cf, zone, WWW, ORIGIN)
    control.post("/clock", json={"speed": 20})
    control.get("/state", params={"wait": 10})
    control.post("/clock", json={"speed": 1})
    assert www.get("/").headers["cf-cache-status"] == "HIT", "the record is back, the page is still there"
    cf.cache.purge(zone_id=zone, files=[f"https://{WWW}/old"])
    assert "cf-cache-status" not in www.get("/old").headers
    assert www.get("/").headers["cf-cache-status"] == "HIT"
    purged = cf.cache.purge(zone_id=zone, purge_everything=True)
    assert purged
    assert purged.id == zone
    assert "Closed for maintenance" not in www.get("/").text
    point(cf, zone, WWW, PAGE)
    control.post("/clock", json={"speed": 20})
    control.get("/state", params={"wait": 10})
    www.get("/")
    point(cf, zone, WWW, ORIGIN)
    until(lambda: "Closed for maintenance" not in www.get("/").text)


def test_a_record_that_leads_nowhere_is_an_error_page(
    cf: Cloudflare, zone: str, www: httpx.Client, control: httpx.Client
) -> None:
    control.post("/clock", json={"speed": 20_000})
    for content, status in (
        ("nowhere.example.net", 530),
        ("mail.invoicecloud.com", 523),
        ("gone.invoicecloud.com", 530),
    ):
        point(cf, zone, WWW, content)
        control.get("/state", params={"wait": 10})
        assert www.get("/").status_code == status
    cf.dns.records.delete(record(cf, zone, WWW).id, zone_id=zone)
    control.get("/state", params={"wait": 10})
    assert www.get("/").status_code == 530


def test_my_is_answered_and_its_certificate_is_good(world: dict[str, Any], tls: ssl.SSLContext) -> None:
    with httpx.Client(verify=tls, trust_env=False) as visitor:
        answer = visitor.get(
            f"https://{world['www']}/", headers={"host": MY}, extensions={"sni_hostname": MY}, follow_redirects=True
        )
    assert answer.status_code == 200
    assert answer.headers["x-twin-server"].startswith("IC-Web")


@pytest.mark.usefixtures("world")
def test_others_edit_records_by_the_same_rules(control: httpx.Client) -> None:
    def edit(name: str, **change: Any) -> Any:
        return control.post("/edit", json={"resource": f"cloudflare/{name}", "change": change}).json()

    assert edit("www", content=PAGE, by="Lee Novak")["result"]["content"] == PAGE
    assert edit("careers", deleted=True)["success"]
    assert edit("careers", deleted=True)["errors"][0]["code"] == 81044
    assert edit("status", type="A", content="198.51.100.9")["result"]["name"] == "status.invoicecloud.com"
    assert edit("status", type="A", content="nine")["errors"][0]["code"] == 9005
    assert any("Lee Novak changed www.invoicecloud.com" in line for line in control.get("/state").json()["history"])
