"""The page that a run's link leads to, for people."""

from datetime import datetime
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader

from maint.rehearsal.fronts.azure_devops.runs import Run

_ZONE = ZoneInfo("America/New_York")


def _when(time: datetime | None) -> str:
    return f"{time.astimezone(_ZONE):%a %d %b, %H:%M}" if time else ""


_TEMPLATES = Environment(
    loader=PackageLoader("maint.rehearsal.fronts.azure_devops", "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters["when"] = _when


def render(run: Run) -> str:
    """Return the page of one run."""
    return _TEMPLATES.get_template("run.html").render(run=run)
