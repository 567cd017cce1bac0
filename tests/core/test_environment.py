"""Which systems, where, with which secrets; and that a rehearsal can reach nothing real."""

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from maint.clock import RealClock, TwinClock
from maint.context import find_context, local, open_context, project_root
from maint.environment import Environment, environment_name, load_environment
from maint.errors import UsageProblem
from maint.redact import RedactingFilter
from maint.twin import Handover

ROOT = Path(__file__).parents[2]
TWIN = "https://localhost:4711"
Edit = Callable[[dict[str, Any]], Any]


@pytest.fixture
def handover() -> Handover:
    return Handover(
        pid=1, url=TWIN, ca="/nowhere/ca.pem", control=f"{TWIN}/control", servers={"IC-Web1": "127.0.0.1:4712"},
        www="127.0.0.1:4713", www_http="127.0.0.1:4714",
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MAINT_ENV", "MAINT_JOURNAL", "MAINT_TWIN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def edited(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes an environment file like the rehearsal's, edited, and returns its folder."""

    def edit(change: Edit, name: str = "rehearsal") -> Path:
        data = yaml.safe_load((ROOT / "environments" / "rehearsal.yaml").read_text())
        change(data)
        folder = tmp_path / "environments"
        folder.mkdir()
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(data))
        return folder

    return edit


def refusal(folder: Path, handover: Handover | None) -> str:
    with pytest.raises(UsageProblem) as problem:
        load_environment(folder, handover)
    assert "\n" not in str(problem.value)
    return str(problem.value)


def production(data: dict[str, Any]) -> None:
    data["name"] = "production"
    for system in data.values():
        if isinstance(system, dict) and str(system.get("url", "")).startswith("{twin}"):
            system["url"] = "https://real.example"


def test_the_rehearsal_is_the_default_and_all_of_it_is_the_twin(handover: Handover) -> None:
    assert environment_name() == "rehearsal"
    found = load_environment(ROOT / "environments", handover)
    assert (found.production, found.azure.url, found.ca) == (False, f"{TWIN}/azure", Path("/nowhere/ca.pem"))
    systems = [getattr(found, name) for name in Environment.model_fields]
    urls = [system.url for system in systems if hasattr(system, "url") and system is not handover]
    assert len(urls) > 3
    assert all(url.startswith(f"{TWIN}/") for url in urls)


@pytest.mark.parametrize(
    "url",
    ["https://management.azure.com", "https://localhost:47110/azure", f"{TWIN}@evil.example/", "http://localhost"],
)
@pytest.mark.parametrize("system", ["azure", "newrelic", "azure_devops", "slack", "cloudflare", "pingdom", "jira"])
def test_a_rehearsal_refuses_every_address_that_is_not_the_twins(
    edited: Callable[..., Path], handover: Handover, url: str, system: str
) -> None:
    folder = edited(lambda data: data[system].update(url=url))
    assert f"{url} is not the twin; a rehearsal speaks to {{twin}} only" in refusal(folder, handover)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data["azure"].update(urll="x"), "azure.urll: Extra inputs are not permitted"),
        (lambda data: data["slack"].pop("token"), "slack.token: Field required"),
        (lambda data: data["newrelic"].update(account="ours"), "newrelic.account: Input should be a valid integer"),
        (lambda data: data.update(probe={"per_second": 0}), "probe.per_second: Input should be greater than 0"),
        (lambda data: data.update(poll_seconds=-1), "poll_seconds: Input should be greater than 0"),
        (lambda data: data.update(name="staging"), "name: Input should be 'rehearsal' or 'production'"),
        (lambda data: data.update(name="production"), "it calls itself production, and is read as rehearsal"),
    ],
)
def test_a_slip_in_the_file_is_one_sentence(
    edited: Callable[..., Path], handover: Handover, change: Edit, words: str
) -> None:
    text = refusal(edited(change), handover)
    assert words in text
    assert "rehearsal.yaml" in text


@pytest.mark.parametrize("text", ["- a list", "name: [", "just words", ""])
def test_a_file_that_is_no_mapping_is_one_sentence(tmp_path: Path, handover: Handover, text: str) -> None:
    (tmp_path / "rehearsal.yaml").write_text(text)
    assert "not a YAML mapping" in refusal(tmp_path, handover)


def test_an_environment_without_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAINT_ENV", "production")
    text = refusal(tmp_path, None)
    assert f"{tmp_path / 'production.yaml'}: this checkout has no such file, so production cannot be run" in text


def test_only_two_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAINT_ENV", "prod")
    with pytest.raises(UsageProblem, match="there is no environment 'prod'; allowed: rehearsal, production"):
        environment_name()


def test_secrets_come_by_name_and_are_never_written(
    edited: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAINT_ENV", "production")
    found = load_environment(edited(production, "production"), None)
    assert (found.production, found.ca, found.handover) == (True, None, None)
    monkeypatch.delenv("SLACK_BOT_TOKEN", raising=False)
    with pytest.raises(UsageProblem, match=r"the secret SLACK_BOT_TOKEN is not set\. Next: export SLACK_BOT_TOKEN="):
        found.secret(found.slack.token)
    monkeypatch.setenv("SLACK_BOT_TOKEN", "very-secret-indeed")
    assert found.secret(found.slack.token) == "very-secret-indeed"
    record = logging.LogRecord("maint", logging.INFO, "", 0, "asked with %s", ("very-secret-indeed",), None)
    RedactingFilter().filter(record)
    assert record.getMessage() == "asked with [redacted]"


def test_a_rehearsal_uses_no_real_secret(handover: Handover, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "very-secret-indeed")
    found = load_environment(ROOT / "environments", handover)
    assert found.secret(found.slack.token) == "rehearsal-slack_bot_token"


def test_a_server_that_nobody_knows(handover: Handover) -> None:
    found = load_environment(ROOT / "environments", handover)
    assert found.server("IC-Web1").address == "10.0.1.11"
    with pytest.raises(UsageProblem, match="the server IC-Web11 has no address; allowed: IC-Web1, IC-Web2"):
        found.server("IC-Web11")


# what every command begins with -------------------------------------------------------------------------------------


def test_a_production_context_has_no_twin(
    edited: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = edited(production, "production").parent
    monkeypatch.setenv("MAINT_ENV", "production")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    context = find_context(root)
    assert context is not None
    assert (context.twin, context.rehearsal, context.journal.scope) == (None, False, "production")
    assert isinstance(context.clock, RealClock)
    assert context.journal.url == f"sqlite:///{tmp_path}/maint/journal/production.db"


def test_a_rehearsals_journal_belongs_to_its_world(
    world: dict[str, Any], control: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAINT_TWIN", world["file"])
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    context = open_context(ROOT)
    assert context.twin is not None
    assert context.journal.scope == f"rehearsal:{context.twin.world}"
    assert isinstance(context.clock, TwinClock)
    context.journal.note("said", "dailyops")
    event = context.journal.events()[0]
    assert datetime.fromisoformat(event.moment).date() == context.clock.now().date()  # the world's day, not ours
    control.post("/reset")
    again = open_context(ROOT)
    assert again.journal.scope != context.journal.scope
    assert again.journal.events() == []


def test_the_project_is_found_from_within(tmp_path: Path) -> None:
    for folder in ("windows", "environments", "checks/deep"):
        (tmp_path / folder).mkdir(parents=True)
    assert project_root(tmp_path / "checks" / "deep") == tmp_path
    with pytest.raises(UsageProblem, match="run this inside the checkout"):
        project_root(tmp_path.parent)


def test_times_are_told_in_the_windows_zone() -> None:
    zone = datetime(2025, 3, 22, tzinfo=ZoneInfo("America/New_York"))
    assert local(datetime.fromisoformat("2025-03-22T22:05:00+00:00"), zone) == "Sat 18:05"
