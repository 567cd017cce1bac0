"""The real commands: a suite by itself on the twin, what it leaves, and what a red one and a broken one leave."""

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

GREEN, RED = 0, 1
Command = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def suite(project: Path, project_environment: dict[str, str]) -> Command:
    """A function that runs pytest in a copy of the project and returns exit code and lines."""

    def run(*arguments: str) -> tuple[int, list[str]]:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *arguments], cwd=project, env=project_environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            timeout=100,
        )  # fmt: skip
        return done.returncode, done.stdout.splitlines()

    return run


@pytest.fixture
def broken_logo(world: dict[str, Any], control: httpx.Client) -> Iterator[None]:
    """The twin's site shows no logo, which S3 looks for."""
    assert world

    def edit(*, broken: bool) -> None:
        body = {"resource": "site", "change": {"broken_logo": broken}}
        control.post("/edit", json=body).raise_for_status()

    edit(broken=True)
    yield
    edit(broken=False)


def left_by(project: Path, suites: str) -> Path:
    """Return the folder of the only run of these suites."""
    (folder,) = (project / "reports" / "suites" / suites).iterdir()
    return folder


def rows(report: Path) -> dict[str, dict[str, Any]]:
    """Return pytest-html's rows by test."""
    found = re.search(r'data-jsonblob="([^"]*)"', report.read_text())
    assert found
    blob = json.loads(found[1].replace("&#34;", '"').replace("&#39;", "'").replace("&lt;", "<").replace("&gt;", ">")
                      .replace("&amp;", "&"))  # fmt: skip
    return {name: tests[0] for name, tests in blob["tests"].items()}


def test_smoke_by_itself_is_green(suite: Command, project: Path) -> None:
    code, lines = suite("smoke")
    assert code == GREEN, "\n".join(lines)
    folder = left_by(project, "smoke")
    assert lines[0] == "smoke · rehearsal"
    assert lines[2] == str(folder.relative_to(project))
    count = int(lines[3].removesuffix(" of smoke"))
    assert [line.split()[2] for line in lines if line.startswith("ok ")] == [f"S{n}" for n in range(1, count + 1)]
    assert lines[-2] == f"report: {folder.relative_to(project) / 'report.html'}"
    assert re.fullmatch(rf"smoke: GREEN \({count} passed; [\d.]+ s\)", lines[-1])
    page = (folder / "report.html").read_text()
    assert "REHEARSAL: nothing real was touched" in page
    assert "GREEN" in page
    assert len(rows(folder / "report.html")) == count
    assert {path.name for path in folder.iterdir()} == {"report.html", "run.log"}, "nothing failed, nothing is kept"


def test_a_red_test_on_a_worker_leaves_its_picture_and_a_clean_trace(
    suite: Command, project: Path, broken_logo: None
) -> None:
    code, lines = suite("smoke", "-n", "1", "-k", "s3")
    assert code == RED, "\n".join(lines)
    assert broken_logo is None
    text = "\n".join(lines)
    assert "bringing up nodes" not in text
    assert re.search(r"^FAILED  \d\d:\d\d:\d\d  S3 landing page is the billers", text, re.MULTILINE)
    assert "site = Site(" not in text, "a short traceback"
    assert text.count("FAILED  S3 landing page is the billers") == 1, "once more at the end"
    folder = left_by(project, "smoke")
    (picture,) = folder.glob("browser/gw0/*/*.png")
    (trace,) = folder.glob("browser/gw0/*/trace.zip")
    (row,) = rows(folder / "report.html").values()
    links = {extra["name"]: extra["content"] for extra in row["extras"]}
    assert links["Trace"] == str(trace.relative_to(folder))
    assert links["Screenshot"].startswith("data:image/png") or len(links["Screenshot"]) > 1000
    assert picture.stat().st_size > 1000
    with zipfile.ZipFile(trace) as archive:
        texts = b"".join(archive.read(name) for name in archive.namelist())
    assert b"/portal/(S(...))/" in texts
    assert re.search(rb"\(S\([a-z0-9]{8,}", texts) is None


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["one process", "two workers"])
def test_nothing_runs_when_a_file_cannot_be_read(suite: Command, project: Path, options: tuple[str, ...]) -> None:
    (project / "smoke" / "test_broken.py").write_text("import no_such_thing\n")
    code, lines = suite("smoke", *options)
    assert code == RED, "\n".join(lines)
    assert not [line for line in lines if line.startswith("ok ")]
    at = lines.index("FAILED  smoke/test_broken.py")
    assert lines[at + 1] == "        ModuleNotFoundError: No module named 'no_such_thing'"
    assert re.fullmatch(r"smoke: RED \(\d+ not run; [\d.]+ s\)", lines[-1])


def test_verbose_is_plain_pytest(suite: Command) -> None:
    code, lines = suite("smoke", "-v", "-k", "s2")
    assert code == GREEN, "\n".join(lines)
    text = "\n".join(lines)
    assert "= test session starts =" in text
    assert "deselected / 1 selected" in text
    assert "smoke/test_smoke.py::test_s2_certificates_and_protocols[chromium] PASSED" in text
    assert "= 1 passed, " in text
    assert lines[-1].startswith("smoke: GREEN (1 passed; ")
