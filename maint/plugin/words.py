"""How tests, their failures and their numbers are called before people."""

import re
from collections import Counter
from collections.abc import Sequence

import pytest

USUAL_BROWSER = "chromium"
_WHEN = {"setup": " (set-up)", "teardown": " (give-back)"}
# Colours and moves of the cursor, which Playwright's messages hold and a vendor's might.
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_MODULE = re.compile(r"^(?:\w+\.)+(?=[A-Z]\w+: )")


def plain(words: str) -> str:
    """Return words without what would steer a terminal; lines and tabs stay."""
    return _CONTROL.sub("", words)


def title_of(nodeid: str, when: str = "call") -> str:
    """Return a test's name as a person reads it: "P3 updates are installed · IC-Web1 (set-up)"."""
    if "::" not in nodeid:
        return nodeid  # a file
    path, _, parameters = nodeid.partition("[")
    words = path.rpartition("::")[2].removeprefix("test_").replace("_", " ")
    given = parameters.removesuffix("]").removeprefix(USUAL_BROWSER).removesuffix(USUAL_BROWSER).strip("-")
    return f"{words[:1].upper()}{words[1:]}" + (f" · {given}" if given else "") + _WHEN.get(when, "")


def reason_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return in one line why a test failed, was skipped or could not be read; "" where it passed."""
    if report.outcome == "skipped" and isinstance(report.longrepr, tuple | list):
        return plain(str(report.longrepr[2])).removeprefix("Skipped: ")
    if not report.failed:
        return ""
    crash = getattr(report.longrepr, "reprcrash", None)
    lines = plain(crash.message if crash else report.longreprtext).splitlines()
    errors = [line.removeprefix("E").strip() for line in lines if line.startswith("E  ")]
    first = next((line for line in errors or lines if line.strip()), "")
    return _MODULE.sub("", first).removeprefix("AssertionError: ").removeprefix("Failed: ")


def amount_of(nodeids: Sequence[str], steps: str) -> str:
    """Return what was collected: "12 steps, then 12 of smoke and 26 of regression"."""
    folders = Counter(nodeid.split("/")[0] for nodeid in nodeids)
    count = folders.pop(steps, 0)
    suites = " and ".join(f"{number} of {folder}" for folder, number in folders.items())
    parts = [f"{count} step{'' if count == 1 else 's'}"] if count else []
    return ", then ".join([*parts, *([suites] if suites else [])]) or "no tests"


def lasting(seconds: float) -> str:
    """Return a duration as a person reads it: "4.2 s", "58 s", "12 min 5 s"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
