"""One way into Azure: what goes wrong is one sentence, and the SDK's silent retries are off."""

from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError

from maint.errors import VendorError
from maint.redact import register
from maint.systems.azure.gateway import Gateway
from maint.systems.azure.session import AzureSession, static_credential

NAME = "agw-pri-appgateway0-prd"


def test_who_cannot_sign_in_is_told_how(live: Any, azure: Any) -> None:
    def refuse(*_: str, **__: Any) -> Any:
        raise ClientAuthenticationError("no signed-in account was found\nTo mitigate, see a long page.")

    session = azure()
    session._credential = SimpleNamespace(get_token=refuse)
    with pytest.raises(VendorError) as caught:
        Gateway(session, NAME).read()
    assert "no signed-in account was found" in caught.value.what
    assert "az login" in caught.value.next
    assert "long page" not in str(caught.value)
    assert live.requests("azure") == []


def test_a_refused_token_is_one_sentence(live: Any, azure: Any) -> None:
    live.fault("status", system="azure", status=401)
    with pytest.raises(VendorError, match="Azure answered 401") as caught:
        Gateway(azure(), NAME).read()
    assert "az login" in caught.value.next
    assert len(live.requests("azure")) == 1


def test_nobody_there_is_one_sentence_and_holds_no_secret() -> None:
    register("s3cret-host")
    settings: Any = SimpleNamespace(url="https://localhost:9/s3cret-host", subscription="x", resource_group="g")
    session = AzureSession(settings, static_credential("t"), ca=None, before_write=lambda: None, poll=0.01, timeout=1)
    with pytest.raises(VendorError) as caught:
        Gateway(session, NAME).read()
    assert (caught.value.status, caught.value.next) == (0, "look whether Azure is reachable, then run again")
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_reads_are_repeated_by_us_and_as_long_as_the_vendor_asks(live: Any, azure: Any) -> None:
    live.fault("status", system="azure", method="GET", status=429, headers={"Retry-After": "0"}, times=2)
    Gateway(azure(), NAME).read()
    assert len(live.requests("azure")) == 3
