"""One signed-in way into Azure Resource Manager, shared by the clients of this folder."""

import itertools
import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from maint.errors import VendorError
from maint.redact import redact
from maint.waiting import Patience

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential
    from azure.core.exceptions import AzureError
    from azure.core.polling import LROPoller
    from azure.mgmt.alertprocessingrules import AlertProcessingRulesMgmtClient
    from azure.mgmt.compute import ComputeManagementClient
    from azure.mgmt.containerservice import ContainerServiceClient
    from azure.mgmt.network import NetworkManagementClient

    from maint.environment import AzureSettings
    from maint.systems.azure.pipeline import PatientPolling

T = TypeVar("T")

_ATTEMPTS = 8
_UNREACHABLE = "look whether Azure is reachable, then run again"
_NEXT = {
    401: "sign in again (az login, or the identity that this machine runs as)",
    403: "give this identity the right on the resource group, then run again",
    404: "compare the name with the environment file and the portal",
    409: "wait until the other operation is over, then run again",
    412: "run again: it starts from a fresh read",
    429: "wait a minute, then run again",
}


def static_credential(token: str) -> "TokenCredential":
    """Return a credential that always gives this token: for the twin, which has no one to sign in to."""
    return _StaticCredential(token)


class _StaticCredential:
    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *_: str, **__: Any) -> "AccessToken":
        from azure.core.credentials import AccessToken  # noqa: PLC0415 - the SDK loads when first used

        return AccessToken(self._token, int(time.time()) + 3600)


class AzureSession:
    """Holds the SDK's clients for one subscription and resource group; they load when first used.

    credential: azure-identity's in production, `static_credential` on the twin. ca: path of the only
    certificate authority to trust, None for the system's. before_write: the fence, called right before
    every request that changes something. poll: seconds between two looks at a quick answer. timeout:
    seconds for one answer. The SDK's own silent retries are off: it would repeat a PUT with an old body.
    """

    def __init__(
        self,
        settings: "AzureSettings",
        credential: "TokenCredential",
        *,
        ca: str | None,
        before_write: Callable[[], None],
        poll: float = 10.0,
        timeout: float = 30.0,
    ) -> None:
        self.settings, self.poll = settings, poll
        self._credential, self._ca, self._timeout = credential, ca, timeout
        self._before_write = before_write

    @cached_property
    def network(self) -> "NetworkManagementClient":
        """The SDK's client for gateways and network interfaces."""
        from azure.mgmt.network import NetworkManagementClient  # noqa: PLC0415 - 0.7 s, when first used

        return NetworkManagementClient(self._credential, self.settings.subscription, **self._options())

    @cached_property
    def compute(self) -> "ComputeManagementClient":
        """The SDK's client for virtual machines."""
        from azure.mgmt.compute import ComputeManagementClient  # noqa: PLC0415 - 0.7 s, when first used

        return ComputeManagementClient(self._credential, self.settings.subscription, **self._options())

    @cached_property
    def alert_rules(self) -> "AlertProcessingRulesMgmtClient":
        """The SDK's client for alert processing rules."""
        from azure.mgmt.alertprocessingrules import (  # noqa: PLC0415 - when first used
            AlertProcessingRulesMgmtClient,
        )

        return AlertProcessingRulesMgmtClient(self._credential, self.settings.subscription, **self._options())

    @cached_property
    def containers(self) -> "ContainerServiceClient":
        """The SDK's client for Kubernetes clusters."""
        from azure.mgmt.containerservice import ContainerServiceClient  # noqa: PLC0415 - when first used

        return ContainerServiceClient(self._credential, self.settings.subscription, **self._options())

    def _options(self) -> dict[str, Any]:
        from maint.systems.azure.pipeline import FencePolicy  # noqa: PLC0415 - imports the SDK

        url = self.settings.url.rstrip("/")
        return {
            "base_url": url,
            "credential_scopes": ["https://management.azure.com/.default"],
            "connection_verify": self._ca or True,
            # With a CA of its own the other side is on this machine: no proxy belongs in between.
            "use_env_settings": self._ca is None,
            "custom_hook_policy": FencePolicy(self._before_write),
            "retry_total": 0,
            "connection_timeout": min(10.0, self._timeout),
            "read_timeout": self._timeout,
        }

    @property
    def group(self) -> str:
        """The resource group that everything of ours is in."""
        return self.settings.resource_group

    def resource_id(self, kind: str, name: str) -> str:
        """Return the full id of a resource, such as ("Microsoft.Compute/virtualMachines", "IC-Web1")."""
        return f"/subscriptions/{self.settings.subscription}/resourceGroups/{self.group}/providers/{kind}/{name}"

    def polling(self, what: str, patience: Patience) -> "PatientPolling":
        """Return how to wait for one long-running operation."""
        from maint.systems.azure.pipeline import PatientPolling  # noqa: PLC0415 - imports the SDK

        return PatientPolling(what, patience)

    @staticmethod
    def result(poller: "LROPoller[T]") -> T | None:
        """Wait for a poller made with `polling`; return what the vendor gave, None for an empty answer.

        Raises what the SDK raises, Stopped, DeadlinePassed; the operation itself goes on in Azure.
        """
        while not poller.done():
            # A join without end would keep Ctrl-C waiting on some platforms.
            poller.wait(1.0)
        return poller.result()

    def patience(self) -> Patience:
        """Return the patience for a quick answer: one minute."""
        return Patience(time.monotonic() + 60.0, poll=self.poll)

    def repeat(self, what: str, call: Callable[[], T], patience: Patience | None = None) -> T:
        """Make a call that may be made twice, up to 8 times with growing pauses, and return its answer.

        For reads, and for writes of a whole resource that is ours alone. Raises VendorError.
        """
        from azure.core.exceptions import AzureError  # noqa: PLC0415 - the SDK loads when first used

        from maint.systems.azure.pipeline import passing  # noqa: PLC0415 - imports the SDK

        patience = patience or self.patience()
        for attempt in itertools.count(1):
            try:
                return call()
            except AzureError as error:
                if not passing(error) or attempt >= _ATTEMPTS or not patience.left:
                    raise self.problem(error, what) from error
                pause = retry_after(error) or min(patience.poll, 0.25 * 2**attempt)
                patience.tell(f"{what}: {_words(error)}; asked again")
            patience.pause(what, pause)
        raise AssertionError  # pragma: no cover - count() never ends

    def when_free(self, what: str, call: Callable[[], T], patience: Patience) -> T:
        """Make a call that may be made twice as soon as no other operation holds its resource (409).

        Raises VendorError, Stopped, DeadlinePassed.
        """
        while True:
            try:
                return self.repeat(what, call, patience)
            except VendorError as problem:
                if problem.status != 409:
                    raise
                patience.tell(f"{problem.what}; waiting")
                patience.pause(what, problem.retry_after)

    @staticmethod
    def problem(error: "AzureError", what: str) -> VendorError:
        """Return the SDK's error as one sentence of ours, naming the resource and what was answered."""
        from azure.core.exceptions import ClientAuthenticationError  # noqa: PLC0415 - the SDK loads when first used

        status = int(getattr(error, "status_code", None) or 0)
        unsigned = status == 0 and isinstance(error, ClientAuthenticationError)
        return VendorError(
            f"{what}: {_words(error)}",
            where="Azure",
            next=_NEXT.get(401 if unsigned else status, "" if status else _UNREACHABLE),
            status=status,
            code=error_code(error),
            retry_after=retry_after(error),
        )


def error_code(error: "AzureError") -> str:
    """Return the vendor's own code, such as "PreconditionFailed", empty when it gave none."""
    return str(getattr(getattr(error, "error", None), "code", None) or "")


def retry_after(error: "AzureError") -> float | None:
    """Return the seconds that the vendor asked us to wait, None when it did not."""
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    try:
        return max(0.0, float(headers.get("Retry-After", ""))) or None  # "0" is no pause to go by
    except ValueError:
        return None


def _words(error: "AzureError") -> str:
    status, code = getattr(error, "status_code", None), error_code(error)
    if status is None:
        return f"no answer ({redact(str(error)).splitlines()[0]})"
    message = getattr(getattr(error, "error", None), "message", None) or error.message
    answered = " ".join(part for part in (str(status), code) if part)
    return f"Azure answered {answered}: {redact(' '.join(str(message).split()))}"
