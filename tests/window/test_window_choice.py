"""Which window a run is about."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from maint.errors import WindowError
from maint.window import choose_window, find_windows

IN_MARCH = datetime(2025, 3, 22, 23, tzinfo=UTC)
IN_APRIL = datetime(2025, 4, 26, 23, tzinfo=UTC)
IN_MAY = datetime(2025, 5, 10, tzinfo=UTC)


@pytest.fixture
def folder(edited: Callable[..., Path]) -> Path:
    edited(("date: 2025-03-23", "date: 2025-04-27"), name="2025-04-27-monthly.yaml")
    return edited().parent


def test_files_are_found_in_the_order_of_their_names(folder: Path) -> None:
    (folder / "notes.txt").touch()
    assert [path.stem for path in find_windows(folder)] == ["2025-03-23-monthly", "2025-04-27-monthly"]


@pytest.mark.parametrize("named", ["2025-04-27-monthly", "2025-04-27-monthly.yaml", "windows/2025-04-27-monthly.yaml"])
@pytest.mark.parametrize("production", [True, False])
def test_the_one_that_is_named(folder: Path, named: str, production: bool) -> None:
    assert choose_window(folder, named, IN_MARCH, production).name == "2025-04-27-monthly"


def test_a_path_elsewhere(folder: Path, tmp_path: Path) -> None:
    elsewhere = (folder / "2025-03-23-monthly.yaml").rename(tmp_path / "mine.yaml")
    assert choose_window(folder, str(elsewhere), IN_MAY, production=True).name == "mine"


def test_a_misspelt_name_lists_those_that_exist(folder: Path) -> None:
    with pytest.raises(WindowError, match=r"no window file 'windows/2025-03-23-montly\.yaml'; did you mean"):
        choose_window(folder, "2025-03-23-montly", IN_MARCH, production=False)


@pytest.mark.parametrize(("now", "name"), [(IN_MARCH, "2025-03-23-monthly"), (IN_APRIL, "2025-04-27-monthly")])
def test_in_production_the_one_whose_hours_contain_now(folder: Path, now: datetime, name: str) -> None:
    assert choose_window(folder, None, now, production=True).name == name


def test_in_production_none_open_is_refused_and_all_are_listed(folder: Path) -> None:
    with pytest.raises(WindowError) as caught:
        choose_window(folder, None, IN_MAY, production=True)
    assert str(caught.value) == (
        "windows: no window is open at 2025-05-10 00:00 UTC: "
        "2025-03-23-monthly (2025-03-17 08:00 to 2025-03-23 12:00 EDT), "
        "2025-04-27-monthly (2025-04-21 08:00 to 2025-04-27 12:00 EDT). Next: say which with --window NAME"
    )


def test_in_production_two_open_are_refused(folder: Path) -> None:
    text = (folder / "2025-03-23-monthly.yaml").read_text("utf-8")
    (folder / "2025-03-23-extra.yaml").write_text(text, "utf-8")
    with pytest.raises(WindowError, match="several windows are open at"):
        choose_window(folder, None, IN_MARCH, production=True)


@pytest.mark.parametrize("production", [True, False])
def test_the_only_one_whatever_the_time(edited: Callable[..., Path], production: bool) -> None:
    assert choose_window(edited().parent, None, IN_MAY, production).name == "2025-03-23-monthly"


@pytest.mark.parametrize("now", [IN_MARCH, IN_APRIL, IN_MAY])
def test_in_rehearsal_the_earliest(folder: Path, now: datetime) -> None:
    assert choose_window(folder, None, now, production=False).name == "2025-03-23-monthly"


def test_a_broken_draft_does_not_stop_tonights_window(folder: Path) -> None:
    (folder / "2025-04-27-monthly.yaml").write_text("title: half", "utf-8")
    assert choose_window(folder, None, IN_MARCH, production=True).name == "2025-03-23-monthly"
    with pytest.raises(WindowError, match=r"2025-04-27-monthly\.yaml:1: the window has no 'date'"):
        choose_window(folder, None, IN_MAY, production=True)


def test_no_windows_at_all(tmp_path: Path) -> None:
    with pytest.raises(WindowError, match="there are no windows in"):
        choose_window(tmp_path / "windows", None, IN_MARCH, production=False)
