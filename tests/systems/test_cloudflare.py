"""Cloudflare: a record is changed only from what it was expected to hold, however the answers get lost."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from maint.clock import TwinClock
from maint.environment import load_environment
from maint.errors import LeaseLost, UsageProblem, VendorError
from maint.systems import Systems
from maint.systems.cloudflare import DRIFTED, Cloudflare, Record
from maint.twin import Handover, Twin

WWW, ORIGIN, PAGE = "www.invoicecloud.com", "pal.invoicecloud.com", "icmaintenance.azurewebsites.net"


def client(
    live: Any,
    before_write: Callable[[], None] = lambda: None,
    key: str = "cloudflare-rehearsal",
    zone: str = "invoicecloud.com",
    timeout: float = 5.0,
) -> Cloudflare:
    settings: Any = SimpleNamespace(url=f"{live.url}/cloudflare/client/v4", zone=zone, token="CLOUDFLARE_API_TOKEN")
    return Cloudflare(settings, secret=lambda _: key, ca=live.ca, before_write=before_write, timeout=timeout)


@pytest.fixture
def cloudflare(live: Any) -> Cloudflare:
    return client(live)


def www(cloudflare: Cloudflare) -> Record:
    record = cloudflare.record(WWW)
    assert record
    return record


def writes(live: Any) -> int:
    return len(live.requests("cloudflare", "PATCH"))


def test_a_record_is_found_changed_and_changed_back(live: Any, cloudflare: Cloudflare) -> None:
    before = live.reversible()["cloudflare"]
    record = www(cloudflare)
    assert (record.name, record.type, record.content, record.ttl, record.proxied) == (WWW, "CNAME", ORIGIN, 1, True)
    assert cloudflare.record("nobody.invoicecloud.com") is None
    assert cloudflare.record(WWW, "A") is None
    changed = cloudflare.change(record.id, ORIGIN, PAGE)
    assert changed == Record(record.id, WWW, "CNAME", PAGE, 1, True) == www(cloudflare)
    held = live.reversible()["cloudflare"]["records"]
    assert {name for name in held if held[name] != before["records"][name]} == {f"{WWW} CNAME"}
    cloudflare.change(record.id, ORIGIN, PAGE)
    assert writes(live) == 1, "what is so already is not written again"
    cloudflare.change(record.id, PAGE, ORIGIN)
    assert live.reversible()["cloudflare"] == before


def test_somebody_elses_value_is_not_written_over(live: Any, cloudflare: Cloudflare) -> None:
    record = www(cloudflare)
    live.edit(f"cloudflare/{WWW}", content="elsewhere.example.net")
    with pytest.raises(VendorError, match=r"it holds elsewhere\.example\.net, not pal\.invoicecloud.com") as caught:
        cloudflare.change(record.id, ORIGIN, PAGE)
    assert caught.value.code == DRIFTED
    assert writes(live) == 0


def test_a_change_that_is_lost_at_once_is_noticed(live: Any, cloudflare: Cloudflare) -> None:
    record = www(cloudflare)
    body = {"success": True, "errors": [], "messages": [], "result": {"id": record.id}}
    live.fault("status", system="cloudflare", method="PATCH", status=200, body=body)
    with pytest.raises(VendorError, match=r"it was accepted, but www\.invoicecloud\.com now holds pal") as caught:
        cloudflare.change(record.id, ORIGIN, PAGE)
    assert caught.value.code == DRIFTED


@pytest.mark.parametrize("do", [{"do": "reset"}, {"do": "status", "status": 502}, {"do": "hang"}])
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_answer_that_is_lost_does_no_harm(live: Any, do: dict[str, Any], when: str) -> None:
    record = www(client(live))
    live.fault(**do, system="cloudflare", method="PATCH", when=when)
    assert client(live, timeout=0.3).change(record.id, ORIGIN, PAGE).content == PAGE
    assert writes(live) == (2 if when == "before" else 1)


def test_success_false_with_200_is_an_error(live: Any, cloudflare: Cloudflare) -> None:
    record = www(cloudflare)
    live.fault("fail", system="cloudflare", method="PATCH")
    with pytest.raises(VendorError, match="answered 200 without a result"):
        cloudflare.change(record.id, ORIGIN, PAGE)
    live.fault("fail", system="cloudflare", path="purge_cache")
    with pytest.raises(VendorError, match="purging the cache: answered 200 without a result"):
        cloudflare.purge()


def test_what_is_no_json_is_one_sentence(live: Any, cloudflare: Cloudflare) -> None:
    page = {"status": 200, "body": "<html>sign in</html>", "headers": {"content-type": "text/html"}}
    live.fault("status", system="cloudflare", **page)
    with pytest.raises(VendorError, match="looking for the zone: answered 200 without a result"):
        cloudflare.record(WWW)


def test_several_records_of_one_name_are_not_guessed_between(live: Any, cloudflare: Cloudflare) -> None:
    live.edit("cloudflare/mail2", type="A", content="198.51.100.26")
    live.edit("cloudflare/mail2", type="AAAA", content="2001:db8::26")
    found = cloudflare.record("mail2.invoicecloud.com", "A")
    assert found
    assert found.content == "198.51.100.26"
    added = {"type": "A", "name": "mail2", "content": "198.51.100.27"}
    cloudflare._client.dns.records.create(zone_id=cloudflare._zone, ttl=1, **added)  # type: ignore[call-overload]
    with pytest.raises(VendorError, match=r"there are 2 of them \(198.51.100.26, 198.51.100.27\)"):
        cloudflare.record("mail2.invoicecloud.com", "A")


def test_the_cache_is_purged_even_when_the_answer_is_lost(live: Any, cloudflare: Cloudflare) -> None:
    live.fault("reset", system="cloudflare", path="purge_cache", when="after")
    cloudflare.purge()
    assert len(live.requests("cloudflare", "POST")) == 2


def test_a_busy_vendor_is_waited_for(live: Any, cloudflare: Cloudflare) -> None:
    live.fault("status", system="cloudflare", status=429, headers={"Retry-After": "1"}, times=2)
    assert www(cloudflare).content == ORIGIN


def test_a_refused_token_and_an_unknown_zone_are_one_sentence_each(live: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(VendorError) as caught:
        client(live, key="wrong").record(WWW)
    assert str(caught.value).startswith(
        "Cloudflare: looking for the zone: answered 403: Invalid access token (9109). Next: replace the secret"
    )
    with pytest.raises(VendorError, match=r"the zone example\.org is not there"):
        client(live, zone="example.org").record(WWW)
    monkeypatch.setenv("CLOUDFLARE_EMAIL", "somebody@example.com")
    assert client(live).record(WWW), "somebody's own login in the environment is not sent instead of the token"


def test_without_the_lease_nothing_is_changed_or_purged(live: Any) -> None:
    def lost() -> None:
        raise LeaseLost("another run took over")

    fenced = client(live, lost)
    with pytest.raises(LeaseLost):
        fenced.change(www(fenced).id, ORIGIN, PAGE)
    with pytest.raises(LeaseLost):
        fenced.purge()
    assert live.requests("cloudflare", "PATCH") == live.requests("cloudflare", "POST") == []


def test_the_rehearsal_environment_leads_to_the_twin_and_nowhere_else(
    world: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MAINT_ENV", raising=False)
    handover, folder = Handover.model_validate(world), Path(__file__).parents[2] / "environments"
    environment = load_environment(folder, handover)
    systems = Systems(environment, TwinClock(Twin(handover, tmp_path)))
    assert systems.cloudflare.record(WWW)
    assert systems.pingdom.check_ids(["www"]) == {"www": 6801001}
    assert systems.pingdom.find("nothing of this name") is None
    assert systems.jira.issue("PLAT-1980")
    with pytest.raises(PermissionError):
        systems.cloudflare.purge()
    bare = Systems(environment.model_copy(update={"jira": None}), systems.clock)
    with pytest.raises(UsageProblem, match="there is no section 'jira'"):
        _ = bare.jira
    text = (folder / "rehearsal.yaml").read_text()
    for system in ("cloudflare", "pingdom", "jira"):
        (tmp_path / "rehearsal.yaml").write_text(text.replace(f"{{twin}}/{system}", f"https://{system}.example.com"))
        with pytest.raises(UsageProblem, match="is not the twin"):
            load_environment(tmp_path, handover)
