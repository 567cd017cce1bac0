"""Finds a Chromium for the browser suites, or fetches one."""

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TextIO

from maint.errors import UsageProblem

# Debian and Ubuntu ship the headless shell apart; it halves a headless suite's time.
SHELLS = ("chromium-headless-shell", "chrome-headless-shell", "headless_shell")
BROWSERS = (
    "chromium",
    "google-chrome",
    "google-chrome-stable",
    "microsoft-edge",
    "microsoft-edge-stable",
)
APPLICATIONS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    "/opt/google/chrome/chrome",
    "/usr/lib/chromium/chromium",
)
PACKAGES = ("chromium-headless-shell", "chromium")
ENSURE = "python -m maint.browser --ensure"


def find_browser(headless: bool = True) -> str | None:
    """Return the path of a Chromium that is installed here, or None for Playwright's own.

    First the one that MAINT_BROWSER names, then Playwright's, then the system's; the headless shell first
    when headless. Raises UsageProblem when there is none, or MAINT_BROWSER names no program. Starts nothing.
    """
    if named := os.environ.get("MAINT_BROWSER"):
        if path := shutil.which(named):
            return path
        raise UsageProblem(
            f"{named} is not a program that can be started",
            where="MAINT_BROWSER",
            next=f"set MAINT_BROWSER to a Chromium's path, or unset it and run: {ENSURE}",
        )
    kinds = ("chromium-headless-shell", "chromium") if headless else ("chromium",)
    for number, kind in enumerate(kinds):
        if own := _playwrights_own(kind):
            # Playwright starts by itself only the first kind.
            return None if number == 0 else str(own)
    names: tuple[str, ...] = (*SHELLS, *BROWSERS) if headless else BROWSERS
    for name in (*names, *APPLICATIONS):
        if path := shutil.which(name):
            return path
    if not headless:
        raise UsageProblem(
            "no Chromium with windows is installed here",
            where="--headed",
            next="install chromium, or leave --headed out",
        )
    raise UsageProblem("no Chromium is installed here", where="browser", next=ENSURE)


def ensure_browser() -> str:
    """Return words for the browser that the suites will use, fetching one when there is none.

    Tries Playwright's download, then Debian's package (as root). Raises UsageProblem with what to do when
    neither works; a half download leaves nothing behind that `find_browser` would take.
    """
    try:
        return _words()
    except UsageProblem:
        if os.environ.get("MAINT_BROWSER"):
            raise
    _download()
    try:
        return _words()
    except UsageProblem:
        _install_package()
    try:
        return _words()
    except UsageProblem as none:
        raise UsageProblem("no Chromium is installed here and none could be fetched", next=_advice()) from none


def _words() -> str:
    path = find_browser()
    return f"Browser: {path}" if path else f"Browser: Playwright's own, {_playwrights_own(PACKAGES[0])}"


def _playwrights_own(kind: str) -> Path | None:
    """Return the program of Playwright's own `kind` of this version, when its download is complete."""
    spec = importlib.util.find_spec("playwright")
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent / "driver" / "package"
    try:
        browsers = json.loads((package / "browsers.json").read_text())["browsers"]
    except (OSError, ValueError, KeyError):
        return None
    revisions = [browser["revision"] for browser in browsers if browser["name"] == kind]
    for revision in revisions:
        folder = _downloads(package) / f"{kind.replace('-', '_')}-{revision}"
        if (folder / "INSTALLATION_COMPLETE").exists():
            for name in ("chrome", "chrome-headless-shell", "Google Chrome for Testing"):
                for path in folder.glob(f"**/{name}"):
                    if shutil.which(path):
                        return path
    return None


def _downloads(package: Path) -> Path:
    """Return where Playwright keeps its browsers."""
    place = os.environ.get("PLAYWRIGHT_BROWSERS_PATH")
    if place == "0":
        return package / ".local-browsers"
    if place:
        return Path(place).absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "ms-playwright"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ms-playwright"


def _download() -> None:
    """Let Playwright download its headless shell, and install the libraries that it needs when root."""
    _say("No Chromium found: downloading Playwright's (about 100 MB) ...")
    playwright = [sys.executable, "-m", "playwright"]
    patience = {"PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT": "10000"}
    if not _run([*playwright, "install", "--only-shell", "chromium"], **patience):
        _say("The download did not work.")
        return
    starts = [str(_playwrights_own(PACKAGES[0])), "--version"]
    if _run(starts) or (_is_debian_root() and _run([*playwright, "install-deps", "chromium"]) and _run(starts)):
        return
    raise UsageProblem(
        "Playwright's Chromium is here but lacks libraries of the system",
        where="browser",
        next=f"sudo {sys.executable} -m playwright install-deps chromium",
    )


def _install_package() -> None:
    """Install Debian's own headless shell, or Chromium, when root there."""
    if not _is_debian_root():
        return
    _say("Installing the system's Chromium ...")
    _run(["apt-get", "update", "-qq"])
    for package in PACKAGES:
        if _run(["apt-get", "install", "-y", "-qq", package], DEBIAN_FRONTEND="noninteractive"):
            return


def _run(command: list[str], **more: str) -> bool:
    """Run `command` quietly, at most ten minutes, with `more` in its environment; say whether it worked."""
    try:
        done = subprocess.run(  # noqa: S603 - the commands are this file's own
            command, env={**os.environ, **more}, capture_output=True, check=False, timeout=600
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _say(text: str, stream: TextIO = sys.stdout) -> None:
    stream.write(f"{text}\n")
    stream.flush()


def _is_debian_root() -> bool:
    return shutil.which("apt-get") is not None and os.geteuid() == 0


def _advice() -> str:
    if sys.platform == "darwin":
        return "brew install --cask chromium, then make setup"
    if shutil.which("apt-get"):
        return "sudo apt-get install chromium-headless-shell (or chromium), then make setup"
    return "install Chromium or Chrome, or set MAINT_BROWSER to one's path, then make setup"


def main() -> int:
    """Print which browser the suites will use; with --ensure fetch one first. Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m maint.browser", description=__doc__)
    parser.add_argument("--ensure", action="store_true", help="fetch a browser when there is none")
    arguments = parser.parse_args()
    try:
        _say(ensure_browser() if arguments.ensure else _words())
    except UsageProblem as problem:
        _say(str(problem), sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
