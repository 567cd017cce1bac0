"""JSON over HTTPS, as our clients without an SDK speak it: fenced, and repeated only where that is safe."""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from maint.errors import VendorError
from maint.redact import redact

if TYPE_CHECKING:
    import httpx

PASSING = frozenset({408, 429, 500, 502, 503, 504})
_ATTEMPTS = 5
_LONGEST = 60.0  # seconds: a longer Retry-After is told instead of waited for
_NEXT = {
    401: "replace the secret: it was refused",
    403: "give the owner of the secret the right that the answer names",
    404: "compare the names and ids in the environment file",
    429: "wait a minute, then run again",
}


def outcome_unknown(problem: VendorError) -> bool:
    """Say whether a request that ended like this may have taken effect all the same."""
    return problem.status == 0 or problem.status >= 500 or problem.status == 408


def passing(problem: VendorError) -> bool:
    """Say whether the same request may well succeed a little later."""
    return problem.status == 0 or problem.status in PASSING


def repeat(call: Callable[[], Any]) -> Any:
    """Make a call that may be made twice: up to 5 times, with growing pauses or the vendor's own."""
    import stamina  # noqa: PLC0415 - loads when first used

    def pause(error: Exception) -> bool | float:
        if not (isinstance(error, VendorError) and passing(error)):
            return False
        if error.retry_after is None:
            return True
        return error.retry_after if error.retry_after <= _LONGEST else False

    for attempt in stamina.retry_context(
        on=pause, attempts=_ATTEMPTS, timeout=_LONGEST, wait_initial=0.2, wait_jitter=0.2
    ):
        with attempt:
            return call()
    raise AssertionError  # pragma: no cover - the last attempt returns or raises


class JsonHttp:
    """One vendor's address.

    where: its name for a person. headers: called when first used, since it asks for secrets. ca: path of
    the only certificate authority to trust, None for the system's. timeout: seconds for one answer.
    """

    def __init__(
        self,
        where: str,
        url: str,
        headers: Callable[[], dict[str, str]],
        *,
        ca: str | None,
        before_write: Callable[[], None],
        timeout: float = 30.0,
    ) -> None:
        self.where = where
        self._url, self._headers, self._ca, self._timeout = url, headers, ca, timeout
        self._before_write = before_write

    @cached_property
    def _client(self) -> "httpx.Client":
        import ssl  # noqa: PLC0415 - loads when first used

        import httpx  # noqa: PLC0415 - loads when first used

        return httpx.Client(
            headers=self._headers(),
            timeout=self._timeout,
            verify=ssl.create_default_context(cafile=self._ca),
            trust_env=self._ca is None,  # with a CA of its own the other side is on this machine: no proxy
        )

    def send(
        self,
        what: str,
        method: str,
        path: str = "",
        *,
        json: Any = None,
        params: dict[str, str] | None = None,
        writes: bool = False,
        judge: Callable[["httpx.Response"], Any] | None = None,
    ) -> Any:
        """Send one request and return its answer as `judge` reads it, else its JSON.

        A request that does not write is repeated, up to 5 times, when it fails in passing; one that writes
        goes through the fence and is never repeated here. Raises VendorError (status 0: no answer).
        """
        if writes:
            self._before_write()
            return self._once(what, method, path, judge, json=json, params=params)
        return self.repeat(lambda: self._once(what, method, path, judge, json=json, params=params))

    def repeat(self, call: Callable[[], Any]) -> Any:
        """Make a call that may be made twice; see `repeat`."""
        return repeat(call)

    def _once(
        self, what: str, method: str, path: str, judge: Callable[["httpx.Response"], Any] | None, **body: Any
    ) -> Any:
        import httpx  # noqa: PLC0415 - loads when first used

        try:
            answer = self._client.request(method, self._url + path, **body)
        except httpx.HTTPError as error:
            raise VendorError(
                f"{what}: no answer ({redact(str(error) or type(error).__name__)})",
                where=self.where,
                next=f"look whether {self.where} is reachable, then run again",
            ) from error
        if judge and answer.status_code < 400:
            return judge(answer)
        if answer.status_code >= 300 or "json" not in answer.headers.get("Content-Type", ""):
            raise self.problem(what, answer)
        return answer.json()

    def problem(self, what: str, answer: "httpx.Response") -> VendorError:
        """Return an answer that we cannot go on with as one sentence."""
        status, kind = answer.status_code, answer.headers.get("Content-Type", "")
        if "html" in kind or status in {203, 302}:
            words, following = "a sign-in page instead of an answer", _NEXT[401]
        else:
            words, following = _message(answer), _NEXT.get(status, "")
        return VendorError(
            f"{what}: answered {status}: {words}",
            where=self.where,
            next=following,
            status=status,
            retry_after=_retry_after(answer),
        )


def _message(answer: "httpx.Response") -> str:
    try:
        body = answer.json()
    except ValueError:
        body = answer.text
    if isinstance(body, dict):
        body = _words(body) or body
    return redact(" ".join(str(body).split())[:300]) or answer.reason_phrase


def _words(body: dict[str, Any]) -> Any:
    """Return what an error's JSON says, wherever the vendor puts it; nothing when it says nothing."""
    errors, error = body.get("errors"), body.get("error")
    if isinstance(errors, dict):  # Jira: general sentences, and one for each field
        return "; ".join([*body.get("errorMessages", []), *(f"{field}: {words}" for field, words in errors.items())])
    if isinstance(error, dict) and "errormessage" in error:  # Pingdom
        return error["errormessage"]
    first = (errors or [{}])[0]
    return body.get("message") or (first.get("message") if isinstance(first, dict) else first)


def _retry_after(answer: "httpx.Response") -> float | None:
    try:
        return max(0.0, float(answer.headers.get("Retry-After", ""))) or None  # "0" is no pause to go by
    except ValueError:
        return None
