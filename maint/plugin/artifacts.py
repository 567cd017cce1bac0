"""What a failed browser test leaves for a person is cleaned first: pytest-playwright has put it into the report."""

import zipfile
from pathlib import Path

import pytest
from slugify import slugify

from maint.redact import redact


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
