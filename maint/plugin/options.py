"""How the other plugins write into a run's folder, in the controller and in every worker alike."""

from pathlib import Path

import pytest


def set_options(config: pytest.Config, folder: Path) -> None:
    """Let pytest, pytest-html and pytest-playwright write into `folder`, briefly, and keep what explains a failure.

    pytest-xdist hands its workers the command line and nothing else, so each of them does this too. Each process has
    a folder of its own for the browser's artifacts, since pytest-playwright empties its folder when it starts.
    """
    option = config.option
    worker = getattr(config, "workerinput", {}).get("workerid", "")
    option.htmlpath = option.htmlpath or str(folder / "report.html")
    option.self_contained_html = True
    option.output = str(folder / "browser" / worker)
    option.tbstyle = "short" if option.tbstyle == "auto" else option.tbstyle
    option.showcapture = "no"  # the log is on the screen already, and in the report
    if option.screenshot == "off":
        option.screenshot = "only-on-failure"
    if option.tracing == "off":
        option.tracing = "retain-on-failure"
