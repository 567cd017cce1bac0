"""What a failed test leaves for a person is cleaned first: its words, and the traces that pytest-playwright kept."""

import zipfile
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
from slugify import slugify

from maint.redact import redact


def clean_report(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Take secrets and session ids out of what a test printed, recorded and failed with, in place."""
    report.sections = _without_secrets(report.sections)
    if isinstance(report, pytest.TestReport):
        report.user_properties = _without_secrets(report.user_properties)
    report.longrepr = _without_secrets(report.longrepr)
    text = report.longreprtext
    if redact(text) != text:  # a secret of several lines
        report.longrepr = redact(text)


def _without_secrets(part: Any) -> Any:
    """Return a part of a report in the shape in which pytest shows it."""
    if isinstance(part, str):
        return redact(part)
    if isinstance(part, list | tuple):
        return type(part)(_without_secrets(one) for one in part)
    if is_dataclass(part) and not isinstance(part, type):
        for field in fields(part):
            setattr(part, field.name, _without_secrets(getattr(part, field.name)))
    return part


def clean_artifacts(item: pytest.Item, report: pytest.TestReport) -> None:
    """Clean a test's traces, which are there once its fixtures are torn down."""
    output = item.config.getoption("output", None)
    if report.when == "teardown" and output:
        for trace in sorted((Path(output) / slugify(item.nodeid)).glob("*.zip")):
            clean_trace(trace)


def clean_trace(path: Path) -> None:
    """Take secrets and session ids out of every text in a Playwright trace, in place."""
    cleaned = path.with_suffix(".clean")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(cleaned, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, _clean(old.read(entry)))
    cleaned.chmod(0o600)
    cleaned.replace(path)


def _clean(data: bytes) -> bytes:
    try:
        return redact(data.decode()).encode()
    except UnicodeDecodeError:
        return data  # a picture or a font
