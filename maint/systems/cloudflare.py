"""Cloudflare: the DNS records that decide what www serves, and the cache in front of it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from maint.errors import VendorError
from maint.redact import redact
from maint.systems.http import repeat

if TYPE_CHECKING:
    import httpx
    from cloudflare import APIStatusError
    from cloudflare import Cloudflare as Client

    from maint.environment import CloudflareSettings

WHERE = "Cloudflare"
DRIFTED = "drifted"
"""The code of the error that says that a record holds something unexpected: somebody else changed it."""

# How a bad token is answered varies: the vendor does not document its codes (10000 and 9109 were seen with 403).
_REFUSED_TOKEN = {"9106", "9109", "10000", "6003"}
_NEXT = {
    404: "compare the zone and the record's name in environment and window file",
    429: "wait five minutes, then run again",
}


@dataclass(frozen=True)
class Record:
    """One DNS record; ttl is in seconds, 1 for automatic."""

    id: str
    name: str
    type: str
    content: str
    ttl: int
    proxied: bool


class Cloudflare:
    """The records of one zone. secret: returns a secret by its name. before_write: the fence."""

    def __init__(
        self,
        settings: "CloudflareSettings",
        *,
        secret: Callable[[str], str],
        ca: str | None,
        before_write: Callable[[], None],
        timeout: float = 30.0,
    ) -> None:
        self._settings, self._secret, self._ca, self._timeout = settings, secret, ca, timeout
        self._before_write = before_write

    @cached_property
    def _client(self) -> "Client":
        import ssl  # noqa: PLC0415 - loads when first used

        import httpx  # noqa: PLC0415 - loads when first used
        from cloudflare import Cloudflare as Client  # noqa: PLC0415 - the SDK loads when first used

        http = httpx.Client(
            verify=ssl.create_default_context(cafile=self._ca),
            timeout=self._timeout,
            trust_env=self._ca is None,  # with a CA of its own the other side is on this machine: no proxy
        )
        client = Client(
            api_token=self._secret(self._settings.token),
            base_url=self._settings.url,
            http_client=http,
            timeout=self._timeout,
            max_retries=0,  # it would repeat writes too, and conflicts; what may be repeated is decided here
        )
        # A CLOUDFLARE_EMAIL or CLOUDFLARE_API_KEY in the process's environment would be sent instead of the token.
        client.api_key = client.api_email = client.user_service_key = None
        return client

    @cached_property
    def _zone(self) -> str:
        """The zone's id: it never changes while a process runs."""
        name = self._settings.zone
        zones = self._read("looking for the zone", lambda: self._client.zones.list(name=name).result)
        found = next((zone for zone in zones if zone.name == name), None)
        if found is None:
            raise VendorError(
                f"the zone {name} is not there, or this token may not see it",
                where=WHERE,
                next="compare the zone in the environment file, and what this token may see",
                status=404,
            )
        return str(found.id)

    def record(self, name: str, type: str = "CNAME") -> Record | None:  # noqa: A002 - the DNS's own word
        """Return the record of this name and type, None when there is none.

        Raises VendorError, also when there are several: which of them would be meant is not known.
        """
        what, kind = f"looking for {name} {type}", type.upper()
        # One page, not the SDK's iterator: that one asks for pages until it gets an empty one.
        records = self._read(
            what,
            lambda: (
                self._client.dns.records.list(
                    zone_id=self._zone,
                    name={"exact": name},
                    type=kind,  # type: ignore[arg-type]  # a Literal of every type there is
                    per_page=100,
                ).result
            ),
        )
        found = [r for r in records if r.name.lower() == name.lower() and r.type == kind]
        if len(found) > 1:
            held = ", ".join(str(r.content) for r in found)
            raise VendorError(
                f"{what}: there are {len(found)} of them ({held})",
                where=WHERE,
                next="remove all but one, or change them",
            )
        return _record(what, found[0]) if found else None

    def change(self, record_id: str, expected: str, new: str) -> Record:
        """Let the record hold `new` if it holds `expected`; return it as read back.

        One that holds `new` already is left alone, so that this is safe to repeat; names are compared without regard
        to case. Everything else of the record stays. Raises VendorError, with the code DRIFTED when the record holds
        something else before or after: somebody else changed it, and nothing is written over that.
        """
        changed: Record = repeat(lambda: self._change(record_id, expected, new))
        return changed

    def _change(self, record_id: str, expected: str, new: str) -> Record:
        before = self._get(record_id)
        if _same(before.content, new):
            return before
        what = f"changing {before.name} to {new}"
        if not _same(before.content, expected):
            raise VendorError(
                f"{what}: it holds {before.content}, not {expected}; somebody else changed it",
                where=WHERE,
                next="find out who changed it; nothing was written",
                code=DRIFTED,
                status=409,
            )
        self._before_write()
        # The SDK wants all of it; what is not named here (comment, tags) stays as it is.
        self._ask(
            what,
            lambda: self._client.dns.records.edit(  # type: ignore[call-overload]  # a signature for each type
                record_id,
                zone_id=self._zone,
                type=before.type,
                name=before.name,
                content=new,
                ttl=before.ttl,
                proxied=before.proxied,
            ),
        )
        after = self._get(record_id)
        wanted = Record(before.id, before.name, before.type, after.content, before.ttl, before.proxied)
        if not _same(after.content, new) or after != wanted:
            raise VendorError(
                f"{what}: it was accepted, but {after.name} now holds {after.content} (proxied: {after.proxied}, "
                f"ttl: {after.ttl}); somebody else changed it at the same time",
                where=WHERE,
                next="look at the record in Cloudflare, then run again",
                code=DRIFTED,
                status=409,
            )
        return after

    def _get(self, record_id: str) -> Record:
        what = f"reading record {record_id}"
        return _record(what, self._read(what, lambda: self._client.dns.records.get(record_id, zone_id=self._zone)))

    def purge(self) -> None:
        """Empty the zone's cache, all of it. Safe to repeat. Raises VendorError."""
        what, zone = "purging the cache", self._zone

        def empty() -> None:
            self._before_write()
            answer = self._ask(what, lambda: self._client.cache.purge(zone_id=zone, purge_everything=True))
            if answer.id != zone:
                raise VendorError(f"{what}: answered for another zone, {answer.id}", where=WHERE, status=200)

        repeat(empty)

    def _read(self, what: str, call: Callable[[], Any]) -> Any:
        return repeat(lambda: self._ask(what, call))

    def _ask(self, what: str, call: Callable[[], Any]) -> Any:
        """Make one call and return its result; turn what goes wrong into one sentence of ours."""
        from cloudflare import APIError, APIStatusError  # noqa: PLC0415 - the SDK loads when first used

        try:
            result = call()
        except APIStatusError as error:
            raise _problem(what, error) from error
        except APIError as error:
            raise VendorError(
                f"{what}: no answer ({redact(str(error.__cause__ or error))})",
                where=WHERE,
                next=f"look whether {WHERE} is reachable, then run again",
            ) from error
        except (AttributeError, ValueError) as error:
            # Something in between (a proxy, a sign-in page) answered 200 with what is no JSON of the vendor's.
            raise _no_result(what) from error
        if result is None:
            raise _no_result(what)
        return result


def _problem(what: str, error: "APIStatusError") -> VendorError:
    said = [e for e in error.errors or [] if e is not None]
    code = str(said[0].code) if said and said[0].code is not None else ""
    words = "; ".join(str(e.message) for e in said) or error.response.reason_phrase
    status = error.status_code
    if status in (401, 403) or code in _REFUSED_TOKEN:
        following = "replace the secret, or give it the right to read and edit the zone's DNS and to purge its cache"
    else:
        following = _NEXT.get(status, "")
    return VendorError(
        f"{what}: answered {status}: {redact(words)}{f' ({code})' if code else ''}",
        where=WHERE,
        next=following,
        status=status,
        code=code,
        retry_after=_retry_after(error.response),
    )


def _no_result(what: str) -> VendorError:
    return VendorError(
        f"{what}: answered 200 without a result",
        where=WHERE,
        next="look at it in Cloudflare, then run again",
        status=200,
    )


def _retry_after(answer: "httpx.Response") -> float | None:
    try:
        return max(0.0, float(answer.headers.get("Retry-After", ""))) or None
    except ValueError:
        return None


def _record(what: str, raw: Any) -> Record:
    """Return a record as we see it, from the SDK's model, which checks nothing by itself."""
    values = [getattr(raw, key, None) for key in ("id", "name", "type", "content")]
    if not all(isinstance(value, str) and value for value in values):
        raise _no_result(what)
    identity, name, kind, content = (str(value) for value in values)
    return Record(identity, name, kind, content, int(getattr(raw, "ttl", 1) or 1), bool(getattr(raw, "proxied", False)))


def _same(one: str, other: str) -> bool:
    """Say whether two names are the same to the DNS."""
    return one.rstrip(".").lower() == other.rstrip(".").lower()
