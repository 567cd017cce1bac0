"""What we hang into the Azure SDK's own pipeline; imports the SDK, so import this only when it is used."""

from collections.abc import Callable
from typing import Any

from azure.core.exceptions import AzureError, ServiceRequestError, ServiceResponseError
from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.core.polling.base_polling import BadStatus
from azure.mgmt.core.polling.arm_polling import ARMPolling

from maint.waiting import Patience

PASSING = frozenset({408, 429, 500, 502, 503, 504})


def passing(error: AzureError) -> bool:
    """Say whether the same call may well succeed a little later."""
    status = getattr(error, "status_code", None)
    return isinstance(error, ServiceRequestError | ServiceResponseError) or status in PASSING


class FencePolicy(SansIOHTTPPolicy[Any, Any]):
    """Calls the fence after the token was fetched and right before a changing request goes out.

    It sits in the pipeline, not beside each call, so that no request of the SDK's own making slips past it.
    A call may add `last_look=`, which is called after the fence and may still stop the request by raising.
    """

    def __init__(self, before_write: Callable[[], None]) -> None:
        self._before_write = before_write

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Ask the fence, which raises LeaseLost when this run may write no more."""
        last_look = request.context.options.pop("last_look", None)
        method, path = request.http_request.method, request.http_request.url.split("?")[0].lower()
        if method not in {"GET", "HEAD"} and not path.endswith("/backendhealth"):
            self._before_write()
            if last_look:
                last_look()


class PatientPolling(ARMPolling):
    """The SDK's polling of a long-running operation, with our deadline, our stop and our progress.

    A poll that fails in passing is no failed operation: it is asked again until the deadline.
    """

    def __init__(self, what: str, patience: Patience) -> None:
        super().__init__(patience.poll, retry_total=0)
        self._what, self._patience = what, patience

    def _sleep(self, delay: float) -> None:
        self._patience.tell(f"{self._what}: {self.status()}")
        self._patience.pause(self._what, delay)

    def update_status(self) -> None:
        """Ask once how the operation stands."""
        try:
            super().update_status()
        except (ServiceRequestError, ServiceResponseError):
            return
        except BadStatus:
            if self._pipeline_response.http_response.status_code not in PASSING:
                raise


class StartOnly(ARMPolling):
    """Starts a long-running operation and leaves the waiting to whoever resumes it by its token."""

    def run(self) -> None:
        """Wait for nothing."""
