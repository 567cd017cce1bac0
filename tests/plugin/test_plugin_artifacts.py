"""What a failed browser test leaves holds no session, token or secret: its words, and its Playwright trace."""

import stat
import zipfile
from pathlib import Path

import pytest

from maint.plugin.artifacts import clean_report, clean_trace
from maint.redact import register

pytest_plugins = ["pytester"]

SESSION = "kx2hqv4tjyoz3o5l1mfe0wpr"
ADDRESS = f"https://www.invoicecloud.com/portal/(S({SESSION}))/2/Site2.aspx"
TOKEN = "xoxb-" + "123456789012-abcdefghijkl"
PICTURE = bytes(range(256))
FAILS = """
    def test_it(record_property):
        record_property("evidence", "{address}")
        print("opened {address} with {token}")
        address = "{address}"
        assert address == "https://www.invoicecloud.com/nowhere", f"{{address}} was shown"
"""


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """A trace in which a session and a token stand wherever Playwright writes text."""
    path = tmp_path / "trace.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("trace.trace", f'{{"type":"before","params":{{"url":"{ADDRESS}"}}}}\n')
        archive.writestr("trace.network", f'{{"headers":[{{"name":"Authorization","value":"Bearer {TOKEN}"}}]}}\n')
        archive.writestr("resources/page.html", f'<form action="/portal/(S({SESSION}))/2/Pay.aspx">é</form>')
        archive.writestr("resources/shot.jpeg", PICTURE)
    path.chmod(0o644)
    return path


def test_a_trace_is_cleaned_in_place(trace: Path) -> None:
    clean_trace(trace)
    with zipfile.ZipFile(trace) as archive:
        names = ["trace.trace", "trace.network", "resources/page.html", "resources/shot.jpeg"]
        assert archive.namelist() == names
        everything = b"".join(archive.read(name) for name in names)
        assert SESSION.encode() not in everything
        assert TOKEN.encode() not in everything
        assert archive.read("trace.trace").count(b"(S(...))") == 1
        assert archive.read("resources/page.html").decode().endswith("é</form>")
        assert archive.read("resources/shot.jpeg") == PICTURE
    assert stat.S_IMODE(trace.stat().st_mode) == 0o600
    assert list(trace.parent.iterdir()) == [trace], "nothing uncleaned is left beside it"


@pytest.fixture
def failed(pytester: pytest.Pytester) -> pytest.TestReport:
    """The report of a test that failed while it had a session and a token in its hands."""
    pytester.makepyfile(FAILS.format(address=ADDRESS, token=TOKEN))
    reports = pytester.inline_run("-p", "no:maint").getreports("pytest_runtest_logreport")
    (found,) = [report for report in reports if isinstance(report, pytest.TestReport) and report.failed]
    return found


def test_a_failure_is_cleaned_and_keeps_its_shape(failed: pytest.TestReport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maint.redact._values", set())
    register("nowhere")
    assert SESSION[-8:] in failed.longreprtext
    clean_report(failed)
    everything = failed.longreprtext + str(failed.sections) + str(failed.user_properties)
    assert "(S(...))" in everything
    for secret in (SESSION, SESSION[:8], SESSION[-8:], TOKEN, "nowhere"):
        assert secret not in everything, "not even a part that pytest has shortened"
    crash = failed.longrepr.reprcrash  # type: ignore[union-attr]
    assert crash.message.splitlines()[0] == (
        "AssertionError: https://www.invoicecloud.com/portal/(S(...))/2/Site2.aspx was shown"
    )


def test_a_skip_and_a_pass_stay_as_they_are() -> None:
    skipped = pytest.TestReport(
        "a::b", ("a", 1, "b"), {}, "skipped", ("a.py", 1, f"Skipped: {ADDRESS} is away"), "call"
    )
    clean_report(skipped)
    assert skipped.longrepr == (
        "a.py",
        1,
        "Skipped: https://www.invoicecloud.com/portal/(S(...))/2/Site2.aspx is away",
    )
    passed = pytest.TestReport("a::b", ("a", 1, "b"), {}, "passed", None, "call")
    clean_report(passed)
    assert passed.longrepr is None
