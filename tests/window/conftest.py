"""The team's real window, and copies of it with a mistake put in."""

from collections.abc import Callable
from pathlib import Path

import pytest

from maint.window import Window, load_window

MARCH = Path(__file__).parents[2] / "windows" / "2025-03-23-monthly.yaml"
Edit = tuple[str, str]


@pytest.fixture(scope="session")
def march() -> Window:
    """Return the window of March 2025, as it is in the project."""
    return load_window(MARCH)


@pytest.fixture
def edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return a function that writes the March window with some text replaced, and returns its path."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "windows").mkdir()

    def write(*edits: Edit, name: str = MARCH.name) -> Path:
        text = MARCH.read_text("utf-8")
        for old, new in edits:
            assert old in text, old
            text = text.replace(old, new, 1)
        path = tmp_path / "windows" / name
        path.write_text(text, "utf-8")
        return path

    return write
