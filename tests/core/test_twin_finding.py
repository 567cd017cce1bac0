"""The twin of a checkout: named, recorded, or started; never one that only looks like it."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from maint.errors import MaintError, UsageProblem
from maint.twin import Handover, Twin, find_twin


@pytest.fixture(autouse=True)
def _nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAINT_TWIN", raising=False)


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """Return where this checkout's twin is recorded; nothing is yet."""
    (tmp_path / ".maint").mkdir()
    return tmp_path / ".maint" / "twin.json"


def write(path: Path, world: dict[str, Any], **changes: Any) -> Path:
    path.write_text(json.dumps({**world, **changes}))
    return path


def test_the_named_one_is_used_and_left_alone(
    world: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAINT_TWIN", world["file"])
    twin = find_twin(tmp_path)
    assert twin is not None
    assert (twin.handover.pid, twin.ours) == (world["pid"], False)
    assert twin.now().tzinfo is not None
    assert twin.now().astimezone(UTC).year == 2025
    twin.stop()  # somebody else started it
    assert twin.ask("/clock")["world"] == twin.world
    assert not (tmp_path / ".maint").exists()


def test_a_named_one_that_is_not_there_is_refused(
    world: dict[str, Any], record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(record, world)  # another is not used in its place
    monkeypatch.setenv("MAINT_TWIN", str(tmp_path / "gone.json"))
    with pytest.raises(UsageProblem, match=r"gone\.json: no twin answers there\. Next: python -m maint\.rehearsal"):
        find_twin(tmp_path)


def test_the_recorded_one_is_used(world: dict[str, Any], record: Path) -> None:
    write(record, world)
    twin = find_twin(record.parents[1])
    assert twin is not None
    assert twin.handover.pid == world["pid"]


@pytest.mark.parametrize("text", ["", "{}", "{", '{"pid": "x"}'])
def test_a_record_that_is_none(record: Path, text: str) -> None:
    record.write_text(text)
    assert find_twin(record.parents[1], start=False) is None


def test_a_record_of_one_that_is_gone(world: dict[str, Any], record: Path) -> None:
    for changes in ({"control": "https://localhost:9/control"}, {"ca": "/nowhere/ca.pem"}):
        write(record, world, **changes)
        assert find_twin(record.parents[1], start=False) is None


@pytest.fixture
def stranger() -> Iterator[str]:
    """Yield the address of another program that got the port of a twin that is gone."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/control"
    server.shutdown()
    server.server_close()


def test_another_program_on_its_port_is_no_twin(world: dict[str, Any], record: Path, stranger: str) -> None:
    write(record, world, control=stranger)
    assert find_twin(record.parents[1], start=False) is None


def test_a_page_that_is_refused_is_one_sentence(world: dict[str, Any], tmp_path: Path) -> None:
    twin = Twin(Handover.model_validate(world), tmp_path)
    with pytest.raises(MaintError, match=r"the twin did not answer POST /clock: .*400"):
        twin.tell("/clock", {"speed": -1})


@pytest.fixture
def _ended(tmp_path: Path) -> Iterator[None]:
    yield
    with suppress(OSError, psutil.Error):
        process = psutil.Process(json.loads((tmp_path / ".maint" / "twin.json").read_text())["pid"])
        process.kill()
        process.wait(5)


@pytest.mark.usefixtures("_ended")
def test_where_there_is_none_one_is_started_recorded_and_ended(tmp_path: Path) -> None:
    assert find_twin(tmp_path, start=False) is None
    (tmp_path / ".maint").mkdir(mode=0o700)
    (tmp_path / ".maint" / "twin.json").write_text("of one that is gone")
    started = find_twin(tmp_path)
    assert started is not None
    assert started.ours
    process = psutil.Process(started.handover.pid)
    assert os.getsid(process.pid) == process.pid  # a kill of the run's session does not end it
    found = find_twin(tmp_path)
    assert found is not None
    assert found.world == started.world
    started.stop()
    process.wait(10)
    started.stop()  # it is gone already
    assert find_twin(tmp_path, start=False) is None


def test_one_that_does_not_start_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maint.twin.sys.executable", "/bin/false")
    with pytest.raises(MaintError, match=r"twin\.log: the twin did not start\. Next: cat"):
        find_twin(tmp_path)
