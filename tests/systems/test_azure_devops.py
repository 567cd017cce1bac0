"""Azure DevOps: exactly the stages asked for, once, and judged by what they came to."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from maint.errors import LeaseLost, Stopped, VendorError
from maint.systems import azure_devops
from maint.systems.azure_devops import AzureDevOps, Stage
from maint.waiting import Patience

STAGES = ("Pre-Maintenance",)
TAG = "2025-03-23-monthly/P6"
RUNS = "pipelines/11/runs"


def client(
    live: Any, before_write: Callable[[], None] = lambda: None, pat: str = "pat", timeout: float = 5.0
) -> AzureDevOps:
    settings: Any = SimpleNamespace(
        url=f"{live.url}/azure-devops",
        organization="invoicecloud",
        project="Platform",
        token="AZURE_DEVOPS_TOKEN",
        pipelines={"Preparation": 11, "Payer_Infrastructure": 22},
    )
    return AzureDevOps(settings, secret=lambda _: pat, ca=live.ca, before_write=before_write, timeout=timeout)


@pytest.fixture
def devops(live: Any) -> AzureDevOps:
    return client(live)


def ran(live: Any) -> dict[str, int]:
    stages = live.state()["one_way"]["azure-devops"]["pipeline stages"].get("Preparation", {})
    return {ref: one["ran"] for ref, one in stages.items()}


def test_the_stages_of_a_pipeline_without_starting_it(live: Any, devops: AzureDevOps) -> None:
    assert devops.stages("Preparation") == (
        Stage("Validate", "Validate"),
        Stage("Pre_Maintenance", "Pre-Maintenance"),
        Stage("Starting_Maintenance", "Starting Maintenance"),
        Stage("Post_Maintenance", "Post-Maintenance"),
    )
    assert ran(live) == {}


def test_one_stage_and_only_that(live: Any, devops: AzureDevOps, patience: Patience) -> None:
    run = devops.start("Preparation", STAGES, TAG)
    result = devops.wait(run.id, patience, STAGES)
    assert result.ok, result.words
    assert result.stages["Pre_Maintenance"].result == "succeeded"
    assert {one.result for ref, one in result.stages.items() if ref != "Pre_Maintenance"} == {"skipped"}
    assert ran(live) == {"Pre_Maintenance": 1}
    assert run.url.startswith("https://")


def test_a_started_run_is_found_by_its_tag(live: Any, devops: AzureDevOps) -> None:
    since = datetime.fromisoformat(live.now())
    assert devops.find("Preparation", TAG, since=since, stages=STAGES) is None
    run = devops.start("Preparation", STAGES, TAG)
    assert devops.find("Preparation", TAG, since=since, stages=STAGES) == run
    assert devops.find("Preparation", "another", since=since, stages=STAGES) is None


def test_a_run_that_a_crash_left_unmarked_is_found_by_its_stages(live: Any, devops: AzureDevOps) -> None:
    others = ["Validate", "Starting_Maintenance", "Post_Maintenance"]
    live.edit("azure-devops/Preparation", run="somebody", skip=others)
    long_ago = datetime.fromisoformat(live.now()) - timedelta(days=30)
    later = datetime.fromisoformat(live.now()) + timedelta(days=30)
    assert devops.find("Preparation", TAG, since=later, stages=STAGES) is None
    assert devops.find("Preparation", TAG, since=long_ago, stages=("Validate",)) is None
    run = devops.find("Preparation", TAG, since=long_ago, stages=STAGES)
    assert run
    assert devops.find("Preparation", TAG, since=later, stages=STAGES) == run


@pytest.mark.parametrize("do", [{"do": "reset"}, {"do": "status", "status": 500}, {"do": "hang"}])
def test_a_start_whose_answer_is_lost_is_found_and_not_made_twice(
    live: Any, patience: Patience, do: dict[str, Any]
) -> None:
    live.fault(**do, system="azure-devops", method="POST", path=RUNS, when="after")
    devops = client(live, timeout=0.3)
    run = devops.start("Preparation", STAGES, TAG)
    assert devops.wait(run.id, patience, STAGES).ok
    assert devops.find("Preparation", TAG, since=datetime.fromisoformat(live.now()), stages=STAGES)
    assert ran(live) == {"Pre_Maintenance": 1}


def test_a_run_that_cannot_be_marked_is_returned_and_found(live: Any, devops: AzureDevOps) -> None:
    since = datetime.fromisoformat(live.now())
    live.fault("status", system="azure-devops", method="POST", path="/tags", status=403)
    run = devops.start("Preparation", STAGES, TAG)
    assert devops.find("Preparation", TAG, since=since, stages=STAGES) == run


def test_a_start_that_never_arrived_is_not_called_started(
    live: Any, devops: AzureDevOps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(azure_devops, "_LOOK_SECONDS", 0.01)
    live.fault("reset", system="azure-devops", method="POST", path=RUNS)
    with pytest.raises(VendorError, match="whether a run was started is not known") as caught:
        devops.start("Preparation", STAGES, TAG)
    assert caught.value.code == "OutcomeUnknown"
    assert ran(live) == {}


def test_a_stage_that_fails_is_no_success_and_says_why(live: Any, devops: AzureDevOps, patience: Patience) -> None:
    live.fault("fail", system="azure-devops", method="POST", path=RUNS)
    result = devops.wait(devops.start("Preparation", STAGES, TAG).id, patience, STAGES)
    assert not result.ok
    assert "not succeeded: Pre-Maintenance" in result.words
    assert "PowerShell exited with code '1'" in result.words


def test_a_run_that_skipped_what_was_asked_for_is_no_success(devops: AzureDevOps, patience: Patience) -> None:
    result = devops.wait(devops.start("Preparation", STAGES, TAG).id, patience, ("Validate",))
    assert not result.ok
    assert "not succeeded: Validate" in result.words


def test_an_approval_is_told_and_waited_for(live: Any, devops: AzureDevOps, patience: Patience, told: Any) -> None:
    run = devops.start("Payer_Infrastructure", ("Deploy",), TAG)
    until = time.monotonic() + 5
    while not (state := devops.state(run.id)).waiting:
        assert time.monotonic() < until
    assert (state.waiting, state.over) == (("Deploy",), False)
    patience.stop.set()
    with pytest.raises(Stopped):
        devops.wait(run.id, patience)
    assert told == [f"run {run.id}: waiting for approval of Deploy"]
    live.edit("azure-devops/Payer_Infrastructure", approve="Release Manager")
    assert devops.wait(run.id, Patience(time.monotonic() + 10, poll=0.02), ("Deploy",)).ok


def test_unknown_names_are_refused_with_those_that_exist(devops: AzureDevOps) -> None:
    with pytest.raises(VendorError, match="no stage Pre; it has Validate, Pre-Maintenance, Starting"):
        devops.start("Preparation", ("Pre",), TAG)
    with pytest.raises(VendorError, match="no pipeline 'Prep'; allowed: Preparation"):
        devops.start("Prep", STAGES, TAG)


@pytest.mark.parametrize(
    "headers", [{"content-type": "text/html"}, {"content-type": "text/html", "location": "/_signin"}]
)
def test_a_sign_in_page_is_no_answer(live: Any, devops: AzureDevOps, headers: dict[str, str]) -> None:
    status = 302 if "location" in headers else 203
    live.fault("status", system="azure-devops", status=status, body="<html>Sign in</html>", headers=headers)
    with pytest.raises(VendorError, match="a sign-in page instead of an answer") as caught:
        devops.state(1)
    assert "replace the secret" in str(caught.value)


def test_a_refused_token_is_one_sentence(live: Any) -> None:
    with pytest.raises(VendorError, match="reading run 1: answered 401: TF400813") as caught:
        client(live, pat="wrong").state(1)
    assert "replace the secret" in str(caught.value)


def test_reads_that_fail_in_passing_do_not_matter(live: Any, devops: AzureDevOps, patience: Patience) -> None:
    run = devops.start("Preparation", STAGES, TAG)
    live.fault("reset", system="azure-devops", method="GET")
    live.fault("status", system="azure-devops", method="GET", status=429, headers={"Retry-After": "0"})
    assert devops.wait(run.id, patience, STAGES).ok


def test_without_the_lease_nothing_is_started(live: Any) -> None:
    def lost() -> None:
        raise LeaseLost("another run took over")

    with pytest.raises(LeaseLost):
        client(live, lost).start("Preparation", STAGES, TAG)
    assert ran(live) == {}
