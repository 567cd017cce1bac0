"""A running twin for any test: `twin` is shared, `world` is it as new, `start_twin` makes one of your own.

And a copy of this project for tests of the real commands: `project`, to be run in `project_environment`.
"""

import json
import os
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

Handover = dict[str, Any]
START_SECONDS = 30.0
ROOT = Path(__file__).parents[1]
PARTS = ("checks", "smoke", "regression", "windows", "environments", "conftest.py", "pyproject.toml")


@pytest.fixture(scope="session")
def start_twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Handover]]:
    """Yield a function that starts a twin, `start_twin(speed=600)`, and returns its handover.

    The twin's output is beside the handover, in `twin.log`; all of them are ended with the session.
    """
    children: list[subprocess.Popen[bytes]] = []

    def start(*, speed: float = 600.0) -> Handover:
        folder = tmp_path_factory.mktemp("twin")
        handover = folder / "handover.json"
        command = [sys.executable, "-m", "maint.rehearsal", "--handover", str(handover), "--speed", str(speed)]
        with (folder / "twin.log").open("wb") as log:
            children.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
        return _read(handover, children[-1])

    yield start
    for child in children:
        child.terminate()
    for child in children:
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _read(handover: Path, child: subprocess.Popen[bytes]) -> Handover:
    until = time.monotonic() + START_SECONDS
    while not handover.exists():
        said = handover.with_name("twin.log").read_text()
        assert child.poll() is None, f"the twin ended: {said}"
        assert time.monotonic() < until, f"the twin did not start: {said}"
        time.sleep(0.02)
    found: Handover = {**json.loads(handover.read_text()), "file": str(handover)}
    return found


@pytest.fixture(scope="session")
def twin(start_twin: Callable[..., Handover]) -> Handover:
    """Return the handover of the twin that this session's tests share; "file" is where it is written."""
    return start_twin()


@pytest.fixture(scope="session")
def tls(twin: Handover) -> ssl.SSLContext:
    """Return a context that trusts the shared twin."""
    return ssl.create_default_context(cafile=twin["ca"])


@pytest.fixture(scope="session")
def control(twin: Handover, tls: ssl.SSLContext) -> Iterator[httpx.Client]:
    """Yield a client of the shared twin's control interface: control.get("/state")."""
    with httpx.Client(base_url=twin["control"], verify=tls, trust_env=False, timeout=60) as client:
        yield client


@pytest.fixture
def world(twin: Handover, control: httpx.Client) -> Handover:
    """Return the shared twin's handover, with the world as new: no faults, nothing done."""
    control.post("/reset").raise_for_status()
    return twin


@pytest.fixture
def www(world: Handover, tls: ssl.SSLContext) -> Iterator[httpx.Client]:
    """Yield a visitor of www.invoicecloud.com on the shared twin; it keeps its cookies."""
    headers = {"host": "www.invoicecloud.com"}
    with httpx.Client(base_url=f"https://{world['www']}", headers=headers, verify=tls, trust_env=False) as client:
        yield client


@pytest.fixture(scope="session")
def specs() -> Path:
    """Return the folder of the vendors' published specifications, which not every checkout has."""
    folder = os.environ.get("MAINT_SPECS")
    if not folder:
        pytest.skip("MAINT_SPECS does not name a folder with the vendors' specifications")
    return Path(folder)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with a copy of what a checkout needs to run phases and suites; nothing has run in it."""
    folder = tmp_path / "project"
    folder.mkdir()
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / part)
    return folder


@pytest.fixture
def bare_environment(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a command that knows no twin yet and has a home of its own."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAINT_", "PYTEST_"))}
    for name in ("XDG_STATE_HOME", "PYTHONDONTWRITEBYTECODE"):
        environment.pop(name, None)
    return environment | {"HOME": str(tmp_path / "home"), "COLUMNS": "150"}


@pytest.fixture
def project_environment(bare_environment: dict[str, str], world: Handover) -> dict[str, str]:
    """Return the environment of a command that uses the shared twin, with its world as new."""
    return bare_environment | {"MAINT_TWIN": world["file"]}
