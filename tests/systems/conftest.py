import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import stamina

from maint.systems.azure.session import AzureSession, static_credential
from maint.waiting import Patience

SUBSCRIPTION = "5c2f4d1e-0000-4000-8000-00000000a1b2"
FAST = 20_000.0


class Twin:
    """The twin as new, with what these tests ask of its control interface."""

    def __init__(self, handover: dict[str, Any], control: httpx.Client) -> None:
        self.url, self.ca, self._control = str(handover["url"]), str(handover["ca"]), control
        self.speed(FAST)

    def _post(self, page: str, body: dict[str, Any]) -> None:
        answer = self._control.post(page, json=body)
        assert answer.status_code == 200, answer.text

    def speed(self, speed: float = FAST) -> None:
        """World seconds per second: 1 keeps what is going on going on, FAST ends it."""
        self._post("/clock", {"speed": speed})

    def mode(self, **modes: str) -> None:
        self._post("/mode", modes)

    def edit(self, resource: str, **change: Any) -> None:
        self._post("/edit", {"resource": resource, "change": change})

    def fault(self, do: str, *, times: int = 1, **more: Any) -> None:
        match = {key: more.pop(key) for key in ("system", "method", "path") if key in more}
        self._post("/faults", {"match": match, "do": do, "times": times, **more})

    def now(self) -> str:
        return str(self._control.get("/clock").json()["now"])

    def state(self) -> Any:
        return self._control.get("/state", params={"wait": 30}).json()

    def reversible(self) -> Any:
        return self.state()["reversible"]

    def requests(self, system: str, method: str | None = None) -> list[str]:
        entries = self._control.get("/requests").json()["requests"]
        return [e["path"] for e in entries if e["system"] == system and method in (None, e["method"])]


class Told(list[str]):
    """What was told while waiting."""

    def __call__(self, line: str) -> None:
        self.append(line)


@pytest.fixture(autouse=True)
def _no_pauses() -> Iterator[None]:
    """Repeat as often as ever, without the pauses in between."""
    with stamina.set_testing(True, attempts=5):
        yield


@pytest.fixture
def live(world: dict[str, Any], control: httpx.Client) -> Twin:
    return Twin(world, control)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def patience(told: Told) -> Patience:
    return Patience(time.monotonic() + 15, poll=0.02, stop=threading.Event(), tell=told)


@pytest.fixture
def azure(live: Twin) -> Callable[..., AzureSession]:
    """Make a session on the twin, as any process would; `before_write` is what its fence does."""

    def make(before_write: Callable[[], None] = lambda: None, timeout: float = 10.0) -> AzureSession:
        settings: Any = SimpleNamespace(
            url=f"{live.url}/azure", subscription=SUBSCRIPTION, resource_group="rg-payments-prd", location="eastus"
        )
        return AzureSession(
            settings, static_credential("t"), ca=live.ca, before_write=before_write, poll=0.02, timeout=timeout
        )

    return make
