"""An Application Gateway: who is in its pools, who of them is healthy, and how members come and go.

A member is an address that the gateway names, or a network interface that names the pool; the second kind the
gateway shows but cannot change. Both are changed by writing a whole resource again: see replacing.py.
"""

import copy
import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from maint.errors import LostUpdate, VendorError
from maint.systems.azure import gateway_view
from maint.systems.azure.documents import plain
from maint.systems.azure.gateway_view import GatewayView, Health
from maint.systems.azure.interfaces import Interfaces
from maint.systems.azure.replacing import Edit, Replacing
from maint.waiting import Patience

if TYPE_CHECKING:
    from azure.mgmt.network.models import ApplicationGateway

    from maint.systems.azure.session import AzureSession

Check = Callable[[GatewayView], None]
_NONE: Mapping[str, str] = {}


@dataclass(frozen=True)
class Change:
    """What a change of members came to: membership before and after, and how often anything was written."""

    before: frozenset[str]
    after: frozenset[str]
    writes: int

    @property
    def put(self) -> bool:
        """Say whether anything was written."""
        return self.writes > 0


@dataclass(frozen=True)
class _Wish:
    """What a change is to come to. interfaces: ip configuration ids of those that join by interface."""

    pool: str
    patience: Patience
    remove: frozenset[str] = frozenset()
    add: frozenset[str] = frozenset()
    check: Check | None = None
    interfaces: Mapping[str, str] = field(default_factory=dict)


class Gateway:
    """One Application Gateway by name, in the session's resource group."""

    def __init__(self, session: "AzureSession", name: str) -> None:
        gateways = session.network.application_gateways

        def begin(document: Any, **options: Any) -> Any:
            return gateways.begin_create_or_update(session.group, name, document, **options)

        self._session, self.name = session, name
        self._writing = Replacing(session, f"gateway {name}", lambda: gateways.get(session.group, name), begin)
        self._interfaces = Interfaces(session)
        self.where = self._writing.where

    def read(self, patience: Patience | None = None) -> GatewayView:
        """Read the gateway now, and the addresses of its members by interface. Raises VendorError."""
        return self._view(self._writing.read(patience))

    def health(self, pool: str, patience: Patience) -> dict[str, Health]:
        """Ask the gateway's own probes about each member of the pool, by address.

        A member behind several backend settings is healthy only if it is in all of them.
        Raises VendorError, Stopped, DeadlinePassed.
        """
        session, what = self._session, f"asking the gateway {self.name} for backend health"

        def ask() -> Any:
            poller = session.network.application_gateways.begin_backend_health(
                session.group, self.name, polling=session.polling(what, patience)
            )
            return session.result(poller)

        return gateway_view.health(plain(session.when_free(what, ask, patience) or {}), pool)

    def change_members(
        self,
        pool: str,
        *,
        patience: Patience,
        remove: frozenset[str] = frozenset(),
        add: frozenset[str] = frozenset(),
        check: Check | None = None,
        interfaces: Mapping[str, str] = _NONE,
    ) -> Change:
        """Take members out of a pool and put members in, on top of whatever is there; wait until in effect.

        Those that leave do so by the kind that they are. interfaces: the ip configuration ids, by address, of those
        that were (and shall be again) members by interface. Members by address are one write of the gateway, members by
        interface one write of each interface, one after the other.

        check is called with a fresh view before each write and refuses by raising. One deadline, the
        patience's, covers all attempts. Raises LostUpdate when a change was overwritten (ours or another's),
        VendorError when Azure refuses or an operation fails (the resource is then as it says), Stopped and
        DeadlinePassed (a write may still be in progress: call again to go on from there).
        """
        wish = _Wish(pool, patience, remove, add, check, interfaces)
        first = self._view(self._writing.settled(patience))
        before = self._members(first, pool)
        writes = self._change_addresses(wish) + self._change_interfaces(wish)
        return Change(before, self._in_effect(wish, moved=writes > 0), writes)

    def _members(self, view: GatewayView, pool: str) -> frozenset[str]:
        if pool not in view.pools:
            raise VendorError(
                f"there is no pool {pool}; it has {', '.join(sorted(view.pools))}",
                where=self.where,
                next="correct the pool's name in the window file",
            )
        return view.pools[pool]

    def _change_addresses(self, wish: _Wish) -> int:
        """Move the members by address, in one write of the gateway."""

        def wanted(document: Any) -> tuple[frozenset[str], frozenset[str]]:
            view = self._view(document)
            members, others = self._members(view, wish.pool), wish.interfaces.keys()
            named = _named(document, wish.pool)
            return named, (named - wish.remove) | (wish.add - (members - named) - others)

        def made(document: Any) -> Any:
            return _edited(document, wish.pool, wanted(document)[1])

        def done(document: Any) -> bool:
            named, then = wanted(document)
            return named == then

        check = wish.check
        asked = (lambda document: check(self._view(document))) if check else None
        return self._writing.change(Edit(made, done), patience=wish.patience, check=asked)

    def _change_interfaces(self, wish: _Wish) -> int:
        """Move the members by interface, one after the other: each holds the gateway while it goes on."""
        patience, check = wish.patience, wish.check
        view = self.read(patience)
        members, inside = self._members(view, wish.pool), view.by_interface[wish.pool]
        pool = _pool_id(view, wish.pool)

        def asked() -> None:
            now = self._view(self._writing.settled(patience))
            if check:
                check(now)

        # One whose former write failed is told by its interface, not by the gateway.
        leaving = {a: inside.get(a) or wish.interfaces[a] for a in wish.remove if a in inside or a in wish.interfaces}
        by_address = members - inside.keys()
        coming = {a: wish.interfaces[a] for a in wish.add & wish.interfaces.keys() if a not in by_address}
        writes = sum(self._interfaces.leave(leaving[a], pool, patience, asked) for a in sorted(leaving))
        return writes + sum(self._interfaces.join(coming[a], pool, patience, asked) for a in sorted(coming))

    def _in_effect(self, wish: _Wish, *, moved: bool) -> frozenset[str]:
        """Wait until the gateway shows what its interfaces say, and return its members."""
        patience = wish.patience
        while True:
            view = self._view(self._writing.settled(patience))
            members = self._members(view, wish.pool)
            astray = (members & wish.remove) | (wish.add - members)
            if not astray:
                return members
            if not moved or not self._lagging(wish, view, astray):
                raise LostUpdate(
                    f"our change was overwritten by another writer right after it: {', '.join(sorted(astray))}",
                    where=self.where,
                    next="find out who else changes this gateway now, then run again",
                )
            patience.pause(f"{self.where} to show {', '.join(sorted(astray))} as its network interface has it")

    def _lagging(self, wish: _Wish, view: GatewayView, astray: frozenset[str]) -> bool:
        """Say whether the interfaces themselves are as wanted, so that it is the gateway that is behind."""
        known = {**wish.interfaces, **view.by_interface[wish.pool]}
        if not astray <= known.keys():
            return False
        pool = _pool_id(view, wish.pool)
        return all(
            self._interfaces.inside(known[address], pool, wish.patience) == (address in wish.add) for address in astray
        )

    def _view(self, document: Any) -> GatewayView:
        return gateway_view.view(document, self._interfaces.addresses)


def _pool_id(view: GatewayView, pool: str) -> str:
    pools = plain(view.document)["properties"]["backendAddressPools"]
    return next(str(entry["id"]) for entry in pools if entry["name"] == pool)


def _named(document: Any, pool: str) -> frozenset[str]:
    entry = next(e for e in document["properties"]["backendAddressPools"] if e["name"] == pool)
    return frozenset(map(gateway_view.address, (entry.get("properties") or {}).get("backendAddresses") or []))


def _edited(document: "ApplicationGateway", pool: str, wanted: frozenset[str]) -> "ApplicationGateway":
    """Return a copy of the document with this pool's addresses as wanted and everything else untouched."""
    changed = copy.deepcopy(document)
    for entry in changed["properties"]["backendAddressPools"]:
        if entry["name"] == pool:
            addresses = entry["properties"].get("backendAddresses") or []
            kept = [one for one in addresses if gateway_view.address(one) in wanted]
            new = wanted - set(map(gateway_view.address, kept))
            entry["properties"]["backendAddresses"] = kept + [_entry(one) for one in sorted(new)]
    return changed


def _entry(address: str) -> dict[str, str]:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return {"fqdn": address}
    return {"ipAddress": address}
