"""The gateway as one read found it: states, pools and their members of both kinds, drain times, health."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from maint.systems.azure.documents import plain

if TYPE_CHECKING:
    from azure.mgmt.network.models import ApplicationGateway

Health = Literal["healthy", "unhealthy", "unknown"]

_HEALTH: dict[str, Health] = {
    "healthy": "healthy",
    "up": "healthy",
    "unhealthy": "unhealthy",
    "down": "unhealthy",
}
_DEFAULT_DRAIN = 30  # seconds; Azure's own when draining is switched off


@dataclass(frozen=True)
class GatewayView:
    """The gateway as one read found it.

    pools: every member's address (IP or name) by pool, of either kind. by_interface: for each pool, those members
    that are in it through a network interface, with the id of its ip configuration; the gateway shows them but
    cannot change them. draining: seconds by backend settings.
    """

    etag: str
    provisioning_state: str
    operational_state: str
    document: "ApplicationGateway"
    pools: Mapping[str, frozenset[str]]
    by_interface: Mapping[str, Mapping[str, str]]
    draining: Mapping[str, int]

    def drain_seconds(self, pool: str) -> int:
        """Return how long a removed member of this pool may still be finishing, in seconds."""
        used = set()
        for part in _referring(plain(self.document).get("properties", {})):
            if last(part.get("backendAddressPool")) == pool.lower():
                used.add(last(part.get("backendHttpSettings")))
        seconds = [value for name, value in self.draining.items() if name.lower() in used]
        return max(seconds or self.draining.values(), default=_DEFAULT_DRAIN)


def view(document: Any, resolve: Callable[[Iterable[str]], Mapping[str, str]]) -> GatewayView:
    """Return what a gateway's document says; resolve gives the addresses of ip configurations, by id."""
    raw = plain(document)
    properties = raw.get("properties") or {}
    pools: dict[str, frozenset[str]] = {}
    by_interface: dict[str, dict[str, str]] = {}
    for pool in properties.get("backendAddressPools") or []:
        inner = pool.get("properties") or {}
        ids = [str(entry.get("id")) for entry in inner.get("backendIPConfigurations") or []]
        by_interface[pool["name"]] = {address: one for one, address in resolve(ids).items()} if ids else {}
        named = frozenset(map(address, inner.get("backendAddresses") or []))
        pools[pool["name"]] = named | frozenset(by_interface[pool["name"]])
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


def health(answer: dict[str, Any], pool: str) -> dict[str, Health]:
    """Return the health of a pool's members, by address; one is healthy only if it is behind all its settings."""
    found: dict[str, set[Health]] = {}
    for entry in answer.get("backendAddressPools") or []:
        if last(entry.get("backendAddressPool")) != pool.lower():
            continue
        for setting in entry.get("backendHttpSettingsCollection") or []:
            for server in setting.get("servers") or []:
                state = _HEALTH.get(str(server.get("health", "")).lower(), "unknown")
                found.setdefault(str(server.get("address", "")), set()).add(state)
    return {address: _worst(states) for address, states in found.items()}


def address(entry: Any) -> str:
    """Return the address of one of a pool's backendAddresses."""
    return str(entry.get("ipAddress") or entry.get("fqdn") or "")


def last(reference: Any) -> str:
    """Return the name at the end of a reference such as {"id": ".../backendAddressPools/pool-www"}."""
    return str((reference or {}).get("id", "")).rsplit("/", 1)[-1].lower()


def _drain_seconds(settings: dict[str, Any]) -> int:
    draining = settings.get("connectionDraining") or {}
    return int(draining.get("drainTimeoutInSec") or _DEFAULT_DRAIN) if draining.get("enabled") else _DEFAULT_DRAIN


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
