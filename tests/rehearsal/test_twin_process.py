import asyncio
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from maint.rehearsal import serving


def test_the_handover_says_where_everything_is(twin: dict[str, Any]) -> None:
    assert set(twin) >= {"pid", "url", "ca", "control", "servers", "www", "www_http"}
    assert list(twin["servers"]) == [f"IC-Web{n}" for n in range(1, 11)]
    assert all(address.startswith("127.0.0.1:") for address in twin["servers"].values())
    assert stat.S_IMODE(Path(twin["file"]).stat().st_mode) == 0o600


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_when_told(start_twin: Callable[..., dict[str, Any]], number: int) -> None:
    said = start_twin()
    with httpx.Client(verify=False, trust_env=False) as client:  # noqa: S501 - only to hold a connection open
        client.get(f"{said['control']}/clock").raise_for_status()
        os.kill(said["pid"], number)
        until = time.monotonic() + 10
        while Path(said["file"]).exists():
            assert time.monotonic() < until
            time.sleep(0.02)
    assert "Traceback" not in Path(said["file"]).with_name("twin.log").read_text()


def test_a_nonsense_speed_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "maint.rehearsal", "--handover", str(tmp_path / "h"), "--speed", "0"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "--speed" in ended.stderr


def test_half_an_hour_without_a_request_ends_it() -> None:
    quiet = SimpleNamespace(last=time.monotonic() - serving.IDLE_SECONDS, rest=None)
    asyncio.run(asyncio.wait_for(serving.until_the_end(quiet), 5))


def test_a_clean_end_leaves_another_twins_handover_alone(tmp_path: Path) -> None:
    handover = tmp_path / "handover.json"
    serving.write_handover(handover, {"pid": 1})
    serving.withdraw(handover)
    assert handover.exists()
    serving.write_handover(handover, {"pid": os.getpid()})
    serving.withdraw(handover)
    assert not handover.exists()
