import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from maint.systems.azure.session import AzureSession, static_credential
from maint.waiting import Patience

SUBSCRIPTION = "5c2f4d1e-0000-4000-8000-00000000a1b2"


class Twin:
    """The twin, seen from its control interface."""

    def __init__(self, handover: dict[str, Any]) -> None:
        self.url, self.ca = str(handover["url"]), str(handover["ca"])
        self._control = httpx.Client(
            base_url=handover["control"], verify=_context(self.ca), trust_env=False, timeout=30
        )

    def _post(self, page: str, body: dict[str, Any]) -> Any:
        answer = self._control.post(page, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def reset(self) -> None:
        self._post("/reset", {})

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


def _context(ca: str) -> Any:
    import ssl  # noqa: PLC0415

    return ssl.create_default_context(cafile=ca)


@pytest.fixture(scope="session")
def _twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    handover = tmp_path_factory.mktemp("twin") / "handover.json"
    command = [sys.executable, "-m", "maint.rehearsal", "--handover", str(handover), "--speed", "2000"]
    with subprocess.Popen(command) as process:
        try:
            deadline = time.monotonic() + 30
            while not handover.exists():
                assert process.poll() is None, "the twin did not start"
                assert time.monotonic() < deadline, "the twin did not start in time"
                time.sleep(0.02)
            yield Twin(json.loads(handover.read_text()))
        finally:
            process.terminate()


@pytest.fixture
def twin(_twin: Twin) -> Twin:
    _twin.reset()
    return _twin


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def patience(told: Told) -> Patience:
    return Patience(time.monotonic() + 15, poll=0.02, stop=threading.Event(), tell=told)


@pytest.fixture
def azure(twin: Twin) -> Callable[..., AzureSession]:
    """Make a session on the twin, as any process would; `before_write` is what its fence does."""

    def make(before_write: Callable[[], None] = lambda: None, timeout: float = 10.0) -> AzureSession:
        settings: Any = SimpleNamespace(
            url=f"{twin.url}/azure", subscription=SUBSCRIPTION, resource_group="rg-payments-prd", location="eastus"
        )
        return AzureSession(
            settings, static_credential("t"), ca=twin.ca, before_write=before_write, poll=0.02, timeout=timeout
        )

    return make
