"""How tests, their failures and their numbers are called before people."""

import pytest

from maint.plugin.words import amount_of, lasting, plain, reason_of, title_of


@pytest.mark.parametrize(
    ("nodeid", "when", "title"),
    [
        ("checks/test_a.py::TestServersOut::test_P2_alerts_are_off", "call", "P2 alerts are off"),
        ("checks/test_a.py::TestServersOut::test_P3_updates_are_installed[IC-Web1]", "call",
         "P3 updates are installed · IC-Web1"),
        ("checks/test_a.py::TestServersOut::test_P1_out", "setup", "P1 out (set-up)"),
        ("checks/test_a.py::TestServersOut::test_P1_out", "teardown", "P1 out (give-back)"),
        ("smoke/test_smoke.py::test_s3_landing_page[chromium]", "call", "S3 landing page"),
        ("smoke/test_smoke.py::test_s3_landing_page[firefox]", "call", "S3 landing page · firefox"),
        ("smoke/test_smoke.py::test_s3_landing_page[chromium-wide]", "call", "S3 landing page · wide"),
        ("smoke/test_smoke.py::test_s3_landing_page[a::b-chromium]", "call", "S3 landing page · a::b"),
        ("checks/test_a.py", "call", "checks/test_a.py"),
    ],
)  # fmt: skip
def test_titles(nodeid: str, when: str, title: str) -> None:
    assert title_of(nodeid, when) == title


def failed(longrepr: object) -> pytest.TestReport:
    return pytest.TestReport("a::test_b", ("a", 1, "b"), {}, "failed", longrepr, "call")  # type: ignore[arg-type]


class Crash:
    """What pytest keeps of an exception."""

    def __init__(self, message: str) -> None:
        self.reprcrash = type("Crash", (), {"message": message})


@pytest.mark.parametrize(
    ("longrepr", "reason"),
    [
        ("gateway: the pool is busy. Next: maint status", "gateway: the pool is busy. Next: maint status"),
        (Crash("AssertionError: IC-Web3: 1 failed\nassert False"), "IC-Web3: 1 failed"),
        (Crash("Failed: console: it broke\nand more"), "console: it broke"),
        (Crash("playwright._impl._errors.TimeoutError: \x1b[2mno button\x1b[22m"), "TimeoutError: no button"),
        (Crash("www.invoicecloud.com: refused"), "www.invoicecloud.com: refused"),
        ("def test_x():\nE       fixture 'no' not found\n>  available", "fixture 'no' not found"),
        ("", ""),
    ],
)
def test_reasons(longrepr: object, reason: str) -> None:
    assert reason_of(failed(longrepr)) == reason


def test_reasons_of_what_did_not_fail() -> None:
    skipped = pytest.TestReport(
        "a::test_b", ("a", 1, "b"), {}, "skipped", ("a.py", 1, "Skipped: nothing was taken"), "call"
    )
    assert reason_of(skipped) == "nothing was taken"
    assert reason_of(pytest.TestReport("a::test_b", ("a", 1, "b"), {}, "passed", None, "call")) == ""


@pytest.mark.parametrize(
    ("nodeids", "words"),
    [
        (["checks/a", "checks/b", "smoke/c", "regression/d", "regression/e"],
         "2 steps, then 1 of smoke and 2 of regression"),
        (["checks/a"], "1 step"),
        (["smoke/a", "smoke/b"], "2 of smoke"),
        ([], "no tests"),
    ],
)  # fmt: skip
def test_what_there_is_to_do(nodeids: list[str], words: str) -> None:
    assert amount_of(nodeids, "checks") == words


@pytest.mark.parametrize(("seconds", "words"), [(0.04, "0.0 s"), (9.5, "9.5 s"), (58.2, "58 s"), (725, "12 min 5 s")])
def test_durations(seconds: float, words: str) -> None:
    assert lasting(seconds) == words


def test_words_do_not_steer_the_terminal() -> None:
    assert plain("a\x1b[31mb\x1b[0m\x1b[2J\x07\r\x9bc\n\td") == "abc\n\td"
