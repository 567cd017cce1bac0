"""Next month's window from this one."""

import shutil
from datetime import date
from pathlib import Path

import pytest

from maint.errors import UsageProblem
from maint.new_window import new_window
from maint.window import load_window

MARCH = Path(__file__).parents[2] / "windows" / "2025-03-23-monthly.yaml"


@pytest.fixture
def march(tmp_path: Path) -> Path:
    return Path(shutil.copy(MARCH, tmp_path))


def test_phases_and_servers_are_kept_and_the_month_is_emptied(march: Path) -> None:
    old, new = load_window(march), load_window(new_window(march, date(2025, 5, 25)))
    assert (new.name, new.title, new.date) == ("2025-05-25-monthly", "2025-05-25 Monthly", date(2025, 5, 25))
    assert (new.servers, new.batches, new.min_healthy) == (old.servers, old.batches, old.min_healthy)
    assert [(p.name, f"{p.opens:%a %H:%M}") for p in new.phases.values()] == [
        (p.name, f"{p.opens:%a %H:%M}") for p in old.phases.values()
    ]
    assert [s.id for s in new.steps] == [s.id for s in old.steps if s.phase != "sunday-changes"]
    assert not [step.id for step in new.steps if step.tickets]
    assert new.step("P6").not_before == new.phase("saturday-pre").opens.replace(hour=19)


def test_comments_are_kept(march: Path) -> None:
    text = new_window(march, date(2025, 5, 25)).read_text()
    assert "never fewer healthy servers in the pool than this" in text
    assert "# ---- Changes" in text
    assert "# ---- Test plan" in text
    assert "May 2025" in text
    assert "2025-03" not in text
    assert "PLAT-" not in text


@pytest.mark.parametrize(
    ("day", "words"),
    [(date(2025, 5, 24), "2025-05-24 is a Saturday"), (date(2025, 3, 23), "this window is there already")],
)
def test_what_is_refused(march: Path, day: date, words: str) -> None:
    with pytest.raises(UsageProblem, match=words):
        new_window(march, day)
    assert [path.name for path in march.parent.iterdir()] == [march.name]
