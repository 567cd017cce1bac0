"""An Application Gateway: who is in its pools, who of them is healthy, and how members come and go.

A pool can only be changed by writing the whole gateway again. So every write starts from a fresh read, is
conditional on it, and is compared with what is read afterwards: somebody else's change is never overwritten
in silence.
"""

import contextlib
import copy
import ipaddress
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

from maint.errors import MaintError, VendorError
from maint.systems.azure.documents import differences, plain
from maint.waiting import Patience

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError
    from azure.mgmt.network.models import ApplicationGateway

    from maint.systems.azure.session import AzureSession

Health = Literal["healthy", "unhealthy", "unknown"]

_HEALTH: dict[str, Health] = {
    "healthy": "healthy",
    "up": "healthy",
    "unhealthy": "unhealthy",
    "down": "unhealthy",
}
_MOVING = frozenset({"Updating", "Creating", "Deleting"})
_BUSY = frozenset({409, 412, 429})
_DEFAULT_DRAIN = 30  # seconds; Azure's own when draining is switched off
_WATCH = 0.5  # seconds between two looks while a write is on its way
_NIC = re.compile(r"/resourceGroups/([^/]+)/.*/networkInterfaces/([^/]+)/ipConfigurations/([^/]+)$", re.IGNORECASE)


class LostUpdate(VendorError):
    """A change of the gateway, ours or another's, was overwritten; what was lost is in the sentence."""


@dataclass(frozen=True)
class GatewayView:
    """The gateway as one read found it.

    pools: addresses (IP or name) by pool. by_interface: for each pool, the members that are in it through a
    network interface, which the gateway shows but cannot change. draining: seconds by backend settings.
    """

    etag: str
    provisioning_state: str
    operational_state: str
    document: "ApplicationGateway"
    pools: Mapping[str, frozenset[str]]
    by_interface: Mapping[str, frozenset[str]]
    draining: Mapping[str, int]

    def drain_seconds(self, pool: str) -> int:
        """Return how long a removed member of this pool may still be finishing, in seconds."""
        used = set()
        for part in _referring(plain(self.document).get("properties", {})):
            if _last(part.get("backendAddressPool")) == pool.lower():
                used.add(_last(part.get("backendHttpSettings")))
        seconds = [value for name, value in self.draining.items() if name.lower() in used]
        return max(seconds or self.draining.values(), default=_DEFAULT_DRAIN)


@dataclass(frozen=True)
class Change:
    """What a change of members came to: membership before and after, and whether anything was written."""

    before: frozenset[str]
    after: frozenset[str]
    put: bool


class _Outcome(Enum):
    DONE = "done"
    AGAIN = "again"
    UNKNOWN = "unknown"


class _Moved(Exception):
    """The gateway is no longer as it was read; nothing was sent."""


@dataclass
class _Attempt:
    """What was sent last and on top of what, and which states of others were seen while it was on its way."""

    base: Any
    sent: Any
    seen: dict[str, Any] = field(default_factory=dict)


class Gateway:
    """One Application Gateway by name, in the session's resource group."""

    def __init__(self, session: "AzureSession", name: str) -> None:
        self._session, self.name = session, name
        self.where = f"Azure gateway {name}"

    def read(self, patience: Patience | None = None) -> GatewayView:
        """Read the gateway now. Raises VendorError."""
        session = self._session
        document = session.repeat(
            f"reading the gateway {self.name}",
            lambda: session.network.application_gateways.get(session.group, self.name),
            patience,
        )
        return self._view(document)

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

        answer = plain(session.when_free(what, ask, patience) or {})
        found: dict[str, set[Health]] = {}
        for entry in answer.get("backendAddressPools") or []:
            if _last(entry.get("backendAddressPool")) != pool.lower():
                continue
            for setting in entry.get("backendHttpSettingsCollection") or []:
                for server in setting.get("servers") or []:
                    state = _HEALTH.get(str(server.get("health", "")).lower(), "unknown")
                    found.setdefault(str(server.get("address", "")), set()).add(state)
        return {address: _worst(states) for address, states in found.items()}

    def change_members(
        self,
        pool: str,
        *,
        patience: Patience,
        remove: frozenset[str] = frozenset(),
        add: frozenset[str] = frozenset(),
        check: Callable[[GatewayView], None] | None = None,
    ) -> Change:
        """Take members out of a pool and put members in, on top of whatever is there; wait until in effect.

        check is called with a fresh view before each write and refuses by raising. One deadline, the
        patience's, covers all attempts. Raises LostUpdate when a change was overwritten (ours or another's),
        VendorError when Azure refuses or the operation fails (the gateway is then as it says), Stopped and
        DeadlinePassed (a write may still be in progress: call again to go on from there).
        """
        before: frozenset[str] | None = None
        attempt: _Attempt | None = None
        while True:
            view = self._settled(patience)
            members = self._members(view, pool, remove)
            before = members if before is None else before
            wanted = (members - remove) | add
            if members == wanted and view.provisioning_state != "Failed":
                if attempt:
                    self._compare(attempt, view, ours_lost=False)
                return Change(before, members, put=attempt is not None)
            if view.provisioning_state == "Failed":
                patience.tell(f"{self.where} is in state Failed: an earlier write did not succeed; writing again")
            if check:
                check(view)
            attempt, outcome = self._put(view, _edited(view, pool, wanted), patience)
            if outcome is _Outcome.DONE:
                after = self._settled(patience)
                members = after.pools.get(pool, frozenset())
                self._compare(attempt, after, ours_lost=bool(members & remove) or not add <= members)
                return Change(before, members, put=True)
            if outcome is _Outcome.AGAIN:
                attempt = None

    def _members(self, view: GatewayView, pool: str, remove: frozenset[str]) -> frozenset[str]:
        if pool not in view.pools:
            raise VendorError(
                f"there is no pool {pool}; it has {', '.join(sorted(view.pools))}",
                where=self.where,
                next="correct the pool's name in the window file",
            )
        if fixed := view.by_interface[pool] & remove:
            raise VendorError(
                f"{', '.join(sorted(fixed))} is in {pool} through a network interface, which a write of the "
                "gateway cannot change",
                where=self.where,
                next="take it out of the pool at its network interface, or make it a member by address",
            )
        return view.pools[pool]

    def _settled(self, patience: Patience) -> GatewayView:
        """Read until no operation is in progress, whoever started it."""
        while (view := self.read(patience)).provisioning_state in _MOVING:
            patience.tell(f"{self.where}: {view.provisioning_state}, waiting until that is over")
            patience.pause(f"{self.where} to settle")
        return view

    def _put(self, view: GatewayView, document: "ApplicationGateway", patience: Patience) -> tuple[_Attempt, _Outcome]:
        """Write once, never silently twice, and wait until the operation is over."""
        from azure.core.exceptions import AzureError  # noqa: PLC0415 - the SDK loads when first used

        session, what = self._session, f"writing the gateway {self.name}"
        attempt = _Attempt(plain(view.document), plain(document))
        accepted = False
        try:
            with self._watching(view, attempt):
                poller = session.network.application_gateways.begin_create_or_update(
                    session.group,
                    self.name,
                    document,
                    headers={"If-Match": view.etag},
                    retry_total=0,
                    last_look=lambda: self._unmoved(view, patience),
                    polling=session.polling(what, patience),
                )
            accepted = True
            session.result(poller)
        except _Moved:
            patience.pause(what, 0)  # nothing to wait for, but stop and deadline hold
            return attempt, _Outcome.AGAIN
        except AzureError as error:
            return attempt, self._judge(error, what, patience, accepted=accepted)
        return attempt, _Outcome.DONE

    def _unmoved(self, view: GatewayView, patience: Patience) -> None:
        """Stop a write whose ground has moved while guards, fence and sign-in took their time."""
        if self.read(patience).etag != view.etag:
            raise _Moved

    def _judge(self, error: "AzureError", what: str, patience: Patience, *, accepted: bool) -> _Outcome:
        """Decide what a failed write means: start again, look what became of it, or give up (raises)."""
        from maint.systems.azure.pipeline import passing  # noqa: PLC0415 - imports the SDK

        problem = self._session.problem(error, what)
        if problem.status in _BUSY and not accepted:
            patience.tell(f"{problem.what}; reading again")
            patience.pause(what, problem.retry_after)
            return _Outcome.AGAIN
        superseded = 0 < problem.status < 400 and problem.code.lower().startswith("cancel")
        unfollowed = accepted and problem.status >= 400  # it goes on, but we may not (or no longer) ask about it
        if passing(error) or superseded or unfollowed:
            patience.tell(f"{problem.what}; looking whether it took effect")
            patience.pause(what, problem.retry_after or min(1.0, patience.poll))
            return _Outcome.UNKNOWN
        raise problem from error

    @contextlib.contextmanager
    def _watching(self, view: GatewayView, attempt: _Attempt) -> Iterator[None]:
        """Look at the gateway while the write is on its way: another's write may slip in before ours.

        Azure does not promise that the gateway honours If-Match, and afterwards nothing would show it.
        """
        over = threading.Event()

        def look() -> None:
            while not over.wait(_WATCH):
                with contextlib.suppress(MaintError):
                    found = self.read(Patience(time.monotonic() + 5.0, poll=1.0, stop=over))
                    if found.etag != view.etag:
                        attempt.seen[found.etag] = plain(found.document)

        watcher = threading.Thread(target=look, name=f"watch {self.name}", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join(5.0)

    def _compare(self, attempt: _Attempt, view: GatewayView, *, ours_lost: bool) -> None:
        """Raise LostUpdate when our change is gone again, or when ours overwrote another's."""
        now = plain(view.document)
        if ours_lost:
            changed = "; ".join(differences(attempt.sent, now)) or "nothing else"
            raise LostUpdate(
                f"our change was overwritten by another writer right after it: {changed}",
                where=self.where,
                next="find out who else changes this gateway now, then run again",
            )
        for other in list(attempt.seen.values()):  # a late look may still add one
            if not list(differences(attempt.sent, other)):
                continue  # our own write, seen before it was answered
            theirs = set(differences(attempt.base, other))
            if lost := sorted(theirs - set(differences(attempt.base, now))):
                raise LostUpdate(
                    f"our write overwrote another writer's change: {'; '.join(lost)}",
                    where=self.where,
                    next="tell whoever made it, and make it again; ours is in effect",
                )

    def _view(self, document: "ApplicationGateway") -> GatewayView:
        raw = plain(document)
        properties = raw.get("properties") or {}
        pools: dict[str, frozenset[str]] = {}
        by_interface: dict[str, frozenset[str]] = {}
        for pool in properties.get("backendAddressPools") or []:
            inner = pool.get("properties") or {}
            pools[pool["name"]] = frozenset(map(_address, inner.get("backendAddresses") or []))
            by_interface[pool["name"]] = frozenset(
                self._interface_address(str(entry.get("id"))) for entry in inner.get("backendIPConfigurations") or []
            )
        return GatewayView(
            etag=str(raw.get("etag") or ""),
            provisioning_state=str(properties.get("provisioningState") or "Succeeded"),
            operational_state=str(properties.get("operationalState") or ""),
            document=document,
            pools=pools,
            by_interface=by_interface,
            draining={
                settings["name"]: _drain_seconds(settings.get("properties") or {})
                for settings in properties.get("backendHttpSettingsCollection") or []
            },
        )

    def _interface_address(self, identity: str) -> str:
        """Return the address behind a network interface's ip configuration, else the id itself."""
        if not (match := _NIC.search(identity)):
            return identity
        group, name, configuration = match.groups()
        interfaces = self._session.network.network_interfaces
        found = self._session.repeat(f"reading the network interface {name}", lambda: interfaces.get(group, name))
        for entry in plain(found).get("properties", {}).get("ipConfigurations") or []:
            if str(entry.get("name", "")).lower() == configuration.lower():
                return str((entry.get("properties") or {}).get("privateIPAddress") or identity)
        return identity


def _edited(view: GatewayView, pool: str, wanted: frozenset[str]) -> "ApplicationGateway":
    """Return a copy of the document with this pool's addresses as wanted and everything else untouched."""
    document = copy.deepcopy(view.document)
    for entry in document["properties"]["backendAddressPools"]:
        if entry["name"] == pool:
            kept = [one for one in entry["properties"].get("backendAddresses") or [] if _address(one) in wanted]
            new = wanted - set(map(_address, kept))
            entry["properties"]["backendAddresses"] = kept + [_entry(one) for one in sorted(new)]
    return document


def _entry(address: str) -> dict[str, str]:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return {"fqdn": address}
    return {"ipAddress": address}


def _address(entry: Any) -> str:
    return str(entry.get("ipAddress") or entry.get("fqdn") or "")


def _drain_seconds(settings: dict[str, Any]) -> int:
    draining = settings.get("connectionDraining") or {}
    return int(draining.get("drainTimeoutInSec") or _DEFAULT_DRAIN) if draining.get("enabled") else _DEFAULT_DRAIN


def _last(reference: Any) -> str:
    """Return the name at the end of a reference such as {"id": ".../backendAddressPools/pool-www"}."""
    return str((reference or {}).get("id", "")).rsplit("/", 1)[-1].lower()


def _referring(part: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of the document that names a pool together with backend settings."""
    if isinstance(part, dict):
        if "backendAddressPool" in part and "backendHttpSettings" in part:
            yield part
        for value in part.values():
            yield from _referring(value)
    elif isinstance(part, list):
        for value in part:
            yield from _referring(value)


def _worst(states: set[Health]) -> Health:
    return "unhealthy" if "unhealthy" in states else "unknown" if "unknown" in states else "healthy"
