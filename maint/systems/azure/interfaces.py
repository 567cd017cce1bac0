"""Network interfaces: who is in a gateway's pool through one, and going out of and into the pool that way."""

import copy
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from maint.errors import VendorError
from maint.systems.azure.documents import plain
from maint.systems.azure.replacing import Edit, Replacing
from maint.waiting import Patience

if TYPE_CHECKING:
    from maint.systems.azure.session import AzureSession

_ID = re.compile(r"/resourceGroups/([^/]+)/.*/networkInterfaces/([^/]+)/ipConfigurations/([^/]+)$", re.IGNORECASE)
_POOLS = "applicationGatewayBackendAddressPools"


class Interfaces:
    """The network interfaces that ip configuration ids lead to, in whichever resource group they are."""

    def __init__(self, session: "AzureSession") -> None:
        self._session = session
        self._addresses: dict[str, str] = {}

    def addresses(self, ids: Iterable[str], patience: Patience | None = None) -> dict[str, str]:
        """Return the private address of each ip configuration by its id, the id itself where there is none.

        An address once read is not read again: it is the interface's for as long as the machine runs.
        Raises VendorError.
        """
        wanted = list(ids)
        groups = {m.group(1).lower() for one in wanted if one.lower() not in self._addresses and (m := _ID.search(one))}
        interfaces = self._session.network.network_interfaces
        for group in sorted(groups):
            found = self._session.repeat(
                f"reading the network interfaces of {group}",
                lambda group=group: list(interfaces.list(group)),  # type: ignore[misc] # bound now
                patience,
            )
            for configuration in (c for card in found for c in _configurations(plain(card))):
                address = (configuration.get("properties") or {}).get("privateIPAddress")
                self._addresses[str(configuration.get("id", "")).lower()] = str(address or configuration.get("id"))
        return {one: self._addresses.get(one.lower(), one) for one in wanted}

    def leave(self, configuration: str, pool: str, patience: Patience, check: Callable[[], None] | None = None) -> int:
        """Take an ip configuration out of a pool (both by id); returns how often the interface was written.

        check is called before each write and refuses by raising. Raises as Replacing.change does.
        """
        return self._change(configuration, pool, patience, check, inside=False)

    def join(self, configuration: str, pool: str, patience: Patience, check: Callable[[], None] | None = None) -> int:
        """Put an ip configuration into a pool (both by id); the same otherwise."""
        return self._change(configuration, pool, patience, check, inside=True)

    def inside(self, configuration: str, pool: str, patience: Patience) -> bool:
        """Say whether an ip configuration names the pool (both by id), as its interface has it now."""
        group, card, name = _parts(configuration)
        interfaces = self._session.network.network_interfaces
        what = f"reading the network interface {card}"
        document = self._session.repeat(what, lambda: interfaces.get(group, card), patience)
        return any(_same(p, pool) for p in _pools(_one(document, card, name)))

    def _change(
        self, configuration: str, pool: str, patience: Patience, check: Callable[[], None] | None, *, inside: bool
    ) -> int:
        group, card, name = _parts(configuration)
        interfaces = self._session.network.network_interfaces

        def made(document: Any) -> Any:
            changed = copy.deepcopy(document)
            mine = _one(changed, card, name)
            mine["properties"][_POOLS] = [p for p in _pools(mine) if not _same(p, pool)] + [{"id": pool}] * inside
            return changed

        def done(document: Any) -> bool:
            return any(_same(p, pool) for p in _pools(_one(document, card, name))) == inside

        def begin(document: Any, **options: Any) -> Any:
            return interfaces.begin_create_or_update(group, card, document, **options)

        writing = Replacing(self._session, f"network interface {card}", lambda: interfaces.get(group, card), begin)
        asked = (lambda _: check()) if check else None
        return writing.change(Edit(made, done), patience=patience, check=asked)


def _parts(configuration: str) -> tuple[str, str, str]:
    if not (match := _ID.search(configuration)):
        raise VendorError(f"{configuration} is no ip configuration of a network interface", where="Azure")
    group, card, name = match.groups()
    return group, card, name


def _pools(configuration: Any) -> list[Any]:
    return list((configuration.get("properties") or {}).get(_POOLS) or [])


def _same(reference: Any, identity: str) -> bool:
    return str(reference.get("id", "")).lower() == identity.lower()


def _configurations(card: Any) -> Iterator[Any]:
    yield from (card.get("properties") or {}).get("ipConfigurations") or []


def _one(document: Any, card: str, name: str) -> Any:
    for configuration in _configurations(document):
        if str(configuration.get("name", "")).lower() == name.lower():
            return configuration
    raise VendorError(
        f"there is no ip configuration {name} any more",
        where=f"Azure network interface {card}",
        next="put the server back into the pool in the portal, then run maint release on its hold",
    )
