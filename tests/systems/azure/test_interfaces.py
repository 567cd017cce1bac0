"""Members by network interface go and come as those by address do, and come back by the kind that they were."""

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from maint.actions.drain import Drain
from maint.errors import LostUpdate, VendorError
from maint.systems.azure import replacing as module
from maint.systems.azure.gateway import Gateway
from maint.systems.azure.gateway_view import GatewayView
from maint.systems.azure.interfaces import Interfaces
from maint.systems.azure.session import AzureSession
from maint.systems.azure.vms import VirtualMachines
from maint.waiting import Patience

NAME, POOL = "agw-pri-appgateway0-prd", "pool-www"
ALL = frozenset(f"10.0.1.{n}" for n in range(11, 21))
FIVE = frozenset(f"10.0.1.{n}" for n in range(11, 16))
CARD = r"networkInterfaces/[^/]+$"


@pytest.fixture
def gateway(azure: Callable[..., AzureSession]) -> Gateway:
    return Gateway(azure(), NAME)


def serving(live: Any) -> list[str]:
    return list(live.reversible()["azure"]["gateway"]["serving"][POOL])


def cards_of(view: GatewayView, addresses: frozenset[str]) -> dict[str, str]:
    return {address: one for address, one in view.by_interface[POOL].items() if address in addresses}


@pytest.mark.parametrize("kind", [("interface", 10, 5), ("mixed", 3, 4), ("address", 0, 1)])
def test_five_go_and_come_back_by_the_kind_that_they_were(
    live: Any, gateway: Gateway, patience: Patience, kind: tuple[str, int, int]
) -> None:
    members, cards, writes = kind
    live.mode(members=members)
    before, view = live.reversible(), gateway.read()
    assert (view.pools[POOL], len(view.by_interface[POOL])) == (ALL, cards)
    checked: list[int] = []
    out = gateway.change_members(POOL, remove=FIVE, patience=patience, check=lambda v: checked.append(len(v.pools)))
    assert (out.before, out.after, out.writes, len(checked)) == (ALL, ALL - FIVE, writes, writes)
    assert len(serving(live)) == 5
    assert gateway.change_members(POOL, remove=FIVE, patience=patience).put is False
    back = gateway.change_members(POOL, add=FIVE, patience=patience, interfaces=cards_of(view, FIVE))
    assert (back.before, back.after, back.writes) == (ALL - FIVE, ALL, writes)
    assert live.reversible() == before
    again = gateway.change_members(POOL, add=FIVE, patience=patience, interfaces=cards_of(view, FIVE))
    assert again.put is False


def test_health_is_asked_by_address_of_either_kind(live: Any, gateway: Gateway, patience: Patience) -> None:
    live.mode(members="mixed")
    assert gateway.health(POOL, patience) == dict.fromkeys(ALL, "healthy")


def test_a_guard_that_refuses_stops_the_write(live: Any, gateway: Gateway, patience: Patience) -> None:
    live.mode(members="interface")

    def refuse(view: GatewayView) -> None:
        raise ValueError(len(view.pools[POOL]))

    with pytest.raises(ValueError, match="10"):
        gateway.change_members(POOL, remove=FIVE, patience=patience, check=refuse)
    assert live.requests("azure", "PUT") == []


@pytest.mark.parametrize("if_match", ["honoured", "ignored"])
@pytest.mark.parametrize("busy", ["conflict", "throttle", "supersede"])
def test_a_colleagues_edit_of_the_interface_survives(
    live: Any, azure: Any, patience: Patience, busy: str, if_match: str
) -> None:
    live.mode(members="mixed", busy=busy, if_match=if_match)
    todo = [True]

    def edit() -> None:
        if todo and todo.pop():
            live.edit("networkInterfaces/nic-ic-web1", tags={"owner": "network"})

    one = frozenset({"10.0.1.11"})
    assert (
        Gateway(azure(before_write=edit), NAME).change_members(POOL, remove=one, patience=patience).after == ALL - one
    )
    card = plain_card(azure)
    assert (card["tags"]["owner"], "IC-Web1" in serving(live)) == ("network", False)
    assert card["properties"]["networkSecurityGroup"]
    assert card["properties"]["edgeTelemetry"] == {"level": "Basic"}


def plain_card(azure: Any) -> Any:
    return azure().network.network_interfaces.get("rg-payments-prd", "nic-ic-web1").as_dict()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_answer_is_looked_into_before_writing_again(
    live: Any, azure: Any, patience: Patience, when: str
) -> None:
    live.mode(members="interface")
    live.fault("reset", system="azure", method="PUT", path=CARD, when=when)
    one = frozenset({"10.0.1.11"})
    change = Gateway(azure(timeout=0.3), NAME).change_members(POOL, remove=one, patience=patience)
    assert change.after == ALL - one
    assert len(live.requests("azure", "PUT")) == (2 if when == "before" else 1)


def test_an_operation_that_fails_is_an_error_and_the_next_call_goes_on(
    live: Any, gateway: Gateway, patience: Patience
) -> None:
    live.mode(members="interface")
    live.fault("fail", system="azure", method="PUT", path=CARD)
    one = frozenset({"10.0.1.11"})
    cards = cards_of(gateway.read(), one)
    with pytest.raises(VendorError, match="InternalServerError"):
        gateway.change_members(POOL, remove=one, patience=patience)
    assert len(serving(live)) == 10
    gateway.change_members(POOL, remove=one, patience=patience, interfaces=cards)
    assert len(serving(live)) == 9


def test_a_change_that_ours_overwrote_is_loud(
    live: Any, gateway: Gateway, patience: Patience, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If-Match ignored, and the other write slips in while ours is on its way."""
    monkeypatch.setattr(module, "_WATCH", 0.05)
    live.mode(members="interface", if_match="ignored", busy="supersede")
    live.fault("slow", system="azure", method="PUT", path=CARD, seconds=0.6)
    colleague = threading.Timer(0.2, lambda: live.edit("networkInterfaces/nic-ic-web1", tags={"owner": "network"}))
    monkeypatch.setattr(module.Replacing, "_unmoved", lambda *_: colleague.start())
    with pytest.raises(LostUpdate, match=r"overwrote another writer's change: .*tags/owner"):
        gateway.change_members(POOL, remove=frozenset({"10.0.1.11"}), patience=patience)
    colleague.join()


@pytest.mark.parametrize("members", ["interface", "address"])
def test_a_hold_gives_back_by_what_was_captured_then_or_before_interfaces_were_known(
    live: Any, gateway: Gateway, patience: Patience, azure: Any, members: str
) -> None:
    live.mode(members=members)
    before = live.reversible()
    systems: Any = SimpleNamespace(
        gateway=lambda _: gateway, patience=lambda *_: patience, vms=VirtualMachines(azure())
    )
    drain = Drain(NAME, POOL, "IC-Web1", "IC-Web1", "10.0.1.11", tuple(ALL), 5, 5)
    captured = drain.capture(systems)
    assert (captured["by"], bool(captured["interface"])) == (members, members == "interface")
    if members == "address":
        captured = {"address": "10.0.1.11", "installation": None}
    gateway.change_members(POOL, remove=frozenset({"10.0.1.11"}), patience=patience)
    assert drain.state(systems, captured).condition == "in force"
    drain.revert(systems, captured)
    assert drain.state(systems, captured).condition == "normal"
    assert live.reversible() == before


def test_an_interface_that_is_gone_is_one_sentence(azure: Any, patience: Patience) -> None:
    group = "/subscriptions/x/resourceGroups/rg-payments-prd/providers/Microsoft.Network"
    cards = Interfaces(azure())
    with pytest.raises(VendorError, match="no ip configuration ipconfig9 any more"):
        cards.join(f"{group}/networkInterfaces/nic-ic-web1/ipConfigurations/ipconfig9", "/pool", patience)
    with pytest.raises(VendorError, match="404 ResourceNotFound"):
        cards.leave(f"{group}/networkInterfaces/nic-none/ipConfigurations/ipconfig1", "/pool", patience)
    with pytest.raises(VendorError, match="is no ip configuration"):
        cards.leave("10.0.1.11", "/pool", patience)
