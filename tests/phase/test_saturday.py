"""The Saturday phase, whole and when things go wrong: the real command against the twin, steps only."""

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import OUT, Ended, Rehearsal

GREEN, RED, HELD, USAGE = 0, 1, 3, 4


def installations(state: dict[str, Any]) -> dict[str, list[str]]:
    """Return what became of each server's patch runs, of those that had any."""
    servers = state["one_way"]["azure"]["servers"]
    return {name: [i["status"] for i in s["installations"]] for name, s in servers.items() if s["installations"]}


def stages(state: dict[str, Any]) -> dict[str, Any]:
    return dict(state["one_way"]["azure-devops"]["pipeline stages"])


PATCHED = {name: ["Succeeded"] for name in OUT}
ONE_STAGE = {"Preparation": {"Pre_Maintenance": {"ran": 1, "result": "succeeded"}}}


def members(state: dict[str, Any]) -> list[str]:
    """Return the servers in the pool."""
    return list(state["reversible"]["azure"]["gateway"]["pools"]["pool-www"])


def report_of(ended: Ended, rehearsal: Rehearsal) -> str:
    line = next(line for line in ended.text.splitlines() if line.startswith("report: "))
    return (rehearsal.folder / line.removeprefix("report: ")).read_text()


def test_whole_phase(rehearsal: Rehearsal) -> None:
    before = rehearsal.state()["reversible"]
    ended = rehearsal.run()
    assert ended.code == GREEN, ended.text
    after = rehearsal.state()
    assert after["reversible"] == before
    assert installations(after) == PATCHED
    assert stages(after) == ONE_STAGE
    assert "0 of" in ended.last_lines
    status = rehearsal.maint("status", "--json")
    assert status.code == GREEN
    steps = json.loads(status.text)["steps"]
    assert {s: steps[s]["status"] for s in ("P1", "P2", "P3", "P4", "P5", "P6")} == dict.fromkeys(
        ("P1", "P2", "P3", "P4", "P5", "P6"), "done"
    )
    # One write took five servers out and one brought them back, both with the etag that was read.
    assert len(rehearsal.requests("PUT", "applicationGateways")) == 2
    said = rehearsal.said()
    assert "Healthy in the pool again: IC-Web1, IC-Web2, IC-Web3, IC-Web4, IC-Web5" in said
    assert "KB5053596" in said
    assert "report.html" in said


def test_the_same_again_does_nothing_twice(rehearsal: Rehearsal) -> None:
    assert rehearsal.run().code == GREEN
    once = rehearsal.state()
    again = rehearsal.run()
    assert again.code == GREEN, again.text
    after = rehearsal.state()
    assert (after["reversible"], installations(after), stages(after)) == (once["reversible"], PATCHED, ONE_STAGE)
    assert len(rehearsal.requests("PUT", "applicationGateways")) == 2
    assert "done before" in again.text


def test_two_workers(rehearsal: Rehearsal) -> None:
    before = rehearsal.state()["reversible"]
    ended = rehearsal.run("-n", "2")
    assert ended.code == GREEN, ended.text
    after = rehearsal.state()
    assert (after["reversible"], installations(after), stages(after)) == (before, PATCHED, ONE_STAGE)
    assert len(rehearsal.requests("PUT", "applicationGateways")) == 2


def test_one_patch_fails(rehearsal: Rehearsal) -> None:
    rehearsal.fault("azure", "fail", "IC-Web3/installPatches")
    ended = rehearsal.run()
    assert ended.code == HELD, ended.text
    after = rehearsal.state()
    assert sorted(set(OUT) - set(members(after))) == ["IC-Web3"]
    assert "STILL HELD  IC-Web3 out of pool-www" in ended.last_lines
    assert "maint restore" in ended.last_lines
    assert "STILL HELD: IC-Web3 out of pool-www" in report_of(ended, rehearsal)
    assert "STILL HELD" in rehearsal.said()
    assert after["reversible"]["newrelic"] == rehearsal.state()["reversible"]["newrelic"]
    status = rehearsal.maint("status")
    assert status.code == HELD
    assert "IC-Web3 out of pool-www" in status.text
    # Again: only the failed one is patched, and then everything is back.
    rehearsal.control.delete("/faults")
    assert rehearsal.run().code == GREEN
    assert installations(rehearsal.state()) == {**PATCHED, "IC-Web3": ["Failed", "Succeeded"]}
    assert rehearsal.maint("status").code == GREEN


def test_a_server_that_never_answers_stays_out(rehearsal: Rehearsal) -> None:
    rehearsal.fault("IC-Web2", "status", status=503)
    ended = rehearsal.run()
    assert ended.code == HELD, ended.text
    assert sorted(set(OUT) - set(members(rehearsal.state()))) == ["IC-Web2"]
    assert "STILL HELD  IC-Web2 out of pool-www" in ended.last_lines
    assert "answers its health page with 503" in ended.last_lines
    hold = json.loads(rehearsal.maint("status", "--json").text)["holds"][0]["id"]
    released = rehearsal.maint("release", hold, "--reason", "new disk on Monday")
    assert released.code == GREEN, released.text
    assert rehearsal.maint("status").code == GREEN


@pytest.mark.drill
def test_the_stage_fails(rehearsal: Rehearsal) -> None:
    before = rehearsal.state()["reversible"]
    rehearsal.fault("azure-devops", "fail", "/runs", method="POST")
    ended = rehearsal.run()
    assert ended.code == RED, ended.text
    after = rehearsal.state()
    assert (after["reversible"], installations(after)) == (before, PATCHED)


def test_slack_is_down(rehearsal: Rehearsal) -> None:
    before = rehearsal.state()["reversible"]
    rehearsal.fault("slack", "status", status=503)
    ended = rehearsal.run()
    assert ended.code == GREEN, ended.text
    assert "warning: Slack did not take" in ended.last_lines
    assert rehearsal.state()["reversible"] == before


def test_too_few_healthy_servers(rehearsal: Rehearsal) -> None:
    before = rehearsal.state()["reversible"]
    rehearsal.fault("IC-Web9", "status", status=503)
    ended = rehearsal.run()
    assert ended.code == RED, ended.text
    assert "only 4 healthy servers would be left in pool-www; the window asks for 5" in ended.text
    after = rehearsal.state()
    assert (after["reversible"], installations(after)) == (before, {})
    assert stages(after) == ONE_STAGE  # the jobs do not wait for the servers


def test_a_colleagues_edits_stay(rehearsal: Rehearsal) -> None:
    child = rehearsal.start()
    rehearsal.until_patching()
    rehearsal.edit("gateway", add_rule="reports", drain=["IC-Web8"])
    ended = rehearsal.end(child)
    assert ended.code == GREEN, ended.text
    after = rehearsal.state()
    assert sorted(set(OUT) & set(members(after))) == OUT
    assert "IC-Web8" not in members(after)
    assert "reports" in json.dumps(after["reversible"]["azure"]["gateway"]["rules"])


def test_bad_requests_are_one_sentence(rehearsal: Rehearsal, tmp_path: Path) -> None:
    def refused(*arguments: str) -> str:
        ended = rehearsal.run(*arguments, target=".")
        assert ended.code == USAGE, ended.text
        assert "Traceback" not in ended.text
        return ended.text

    near = refused("-m", "sturday-pre")
    assert "did you mean saturday-pre?" in near
    assert "sunday-changes" in near
    assert "did you mean saturday-pre?" in refused("-m", "saturday_pre")
    assert "one phase per run" in refused("-m", "saturday-pre or sunday-pre")
    assert "2025-03-23-monthly" in refused("--window", "2025-03-24-monthly")
    bad = tmp_path / "2025-03-23-bad.yaml"
    bad.write_text("title: [\n")
    assert "2025-03-23-bad.yaml:" in refused("--window", str(bad))
    assert rehearsal.requests("PUT", "") == []
