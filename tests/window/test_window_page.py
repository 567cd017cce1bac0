"""The window of March 2025 holds the whole page."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from maint.errors import WindowError
from maint.window import PHASES, Window, load_window
from maint.window_steps import (
    KINDS,
    Covered,
    Diagnostics,
    Drain,
    GiveBack,
    Group,
    Mute,
    Notify,
    Patch,
    Pipeline,
    RunCommand,
)

MARCH = Path(__file__).parents[2] / "windows" / "2025-03-23-monthly.yaml"
LINES = [
    *(f"P{n}" for n in range(1, 9)),
    *("D1", "D2a", "D2b", "D3", "D4"),
    *(f"C{n}" for n in range(1, 12)),
    *(f"T{n}" for n in range(1, 5)),
    *("Q1", "Q2", "Q3", "Q6", "Q7", "Q8"),
]
TICKETS = {
    "C1": "PLAT-1929 PLAT-2038",
    "C2": "PLAT-1590",
    "C3": "PLAT-1732",
    "C4": "PLAT-1478 PLAT-1596 PLAT-1854",
    "C6": "INFRA-896",
    "C7": "PLAT-1603 PLAT-1591 PLAT-1727",
    "C8": "PLAT-1892 PLAT-1994 PLAT-1995 PLAT-1997",
    "C9": "PLAT-1980",
    "P3": "PLAT-1980",
    "P7.patch": "PLAT-1980",
    "C10": "PLAT-1893",
    "C11": "PLAT-1971",
}
EASTERN = ZoneInfo("America/New_York")


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2025, 3, day, hour, minute, tzinfo=EASTERN)


def test_every_line_of_the_page_is_a_step_in_the_order_of_the_page(march: Window) -> None:
    assert [step.id for step in march.steps if step.parent is None] == LINES


def test_the_head_of_the_page(march: Window) -> None:
    assert (march.name, march.title) == ("2025-03-23-monthly", "2025-03-23 Monthly")
    assert march.date.isoformat() == "2025-03-23"
    assert march.zone == EASTERN
    assert march.approvers.missing == ("release_manager", "platform_approver")
    assert march.change_teams == (
        "Server Patching",
        "K8s Cluster Node Image Upgrades",
        "VM Diagnostic Settings Maintenance",
        "Update MaxSocket Count on Production Servers",
    )
    assert march.channels == ("platform-int", "engineering-maintenance", "dailyops", "maintenance")
    assert (march.gateway, march.pool) == ("agw-pri-appgateway0-prd", "pool-www")
    assert (march.min_healthy, march.max_out, len(march.servers)) == (5, 5, 10)


def test_batches_are_the_two_halves(march: Window) -> None:
    saturday, sunday = march.batches["saturday"], march.batches["sunday"]
    assert saturday.servers == tuple(f"IC-Web{n}" for n in range(1, 6))
    assert sunday.servers == tuple(f"IC-Web{n}" for n in range(6, 11))
    assert (saturday.phase, sunday.phase) == ("saturday-pre", "sunday-pre")
    assert (sunday.relation, sunday.other) == ("as_well", "saturday")
    assert sunday.reading


def test_phases_and_their_hours(march: Window) -> None:
    assert tuple(march.phases) == PHASES
    assert march.phase("saturday-pre").opens == at(22, 18)
    assert march.phase("saturday-pre").closes == at(22, 22)
    assert march.phase("sunday-pre").opens == at(23, 4, 30)
    assert str(march.phase("sunday-pre").opens.tzinfo) == "America/New_York"
    for earlier, later in pairwise(PHASES):
        assert march.phase(earlier).closes <= march.phase(later).opens


def test_suites_follow_the_phases_as_read(march: Window) -> None:
    assert [name for name in PHASES if march.phase(name).smoke] == list(PHASES[1:])
    after = ["saturday-pre", "sunday-pre", "sunday-post"]
    assert [name for name in PHASES if march.phase(name).regression] == after


def test_what_is_not_applicable_this_month_is_still_there_with_its_reason(march: Window) -> None:
    left_out = {step.id: step.reason for step in march.steps if step.status == "not doing"}
    assert set(left_out) == {"D2a", "D4", "Q1", "Q2"}
    assert all(left_out.values())


@pytest.mark.parametrize(("step", "tickets"), TICKETS.items())
def test_tickets(march: Window, step: str, tickets: str) -> None:
    assert [ticket.id for ticket in march.step(step).tickets] == tickets.split()
    assert {ticket.status for ticket in march.step(step).tickets} == {"to do"}


def test_saturday_is_typed(march: Window) -> None:
    p1, p2, p3, p4, p5, p6 = (march.step(f"P{n}") for n in range(1, 7))
    assert isinstance(p1, Drain)
    assert (p1.batch, p1.after, p1.start_by) == ("saturday", (), at(22, 19, 30))
    assert isinstance(p2, Mute)
    assert march.ends(p2) == at(22, 22, 30)
    assert isinstance(p3, Patch)
    assert p3.after == ("P1", "P2")
    assert (p3.classifications, p3.reboot) == (("Critical", "Security", "UpdateRollUp"), "IfRequired")
    assert p3.expected == timedelta(minutes=45)
    assert isinstance(p4, Notify)
    assert (p4.channels, p4.about) == (("platform-int",), "give-back")
    assert isinstance(p5, Notify)
    assert (p5.channels, p5.about, p5.mentions) == (("engineering-maintenance",), "tests", ("qa",))
    assert isinstance(p6, Pipeline)
    assert (p6.pipeline, p6.stages, p6.run) == ("Preparation", ("Pre-Maintenance",), "new")
    assert (p6.not_before, p6.after) == (at(22, 19), ())


def test_sunday_does_the_same_for_the_other_half(march: Window) -> None:
    p7, p8 = march.step("P7"), march.step("P8")
    assert isinstance(p7, Group)
    assert p7.parts == ("P7.drain", "P7.mute", "P7.patch", "P7.notify", "P7.tests")
    kinds = [march.step(part).kind for part in p7.parts]
    assert kinds == ["drain", "mute", "patch", "notify", "notify"]
    assert {march.step(part).phase for part in p7.parts} == {"sunday-pre"}
    assert march.step("P7.drain").not_before == at(23, 4, 30)
    assert isinstance(p8, Pipeline)
    assert (p8.stages, p8.run, p8.not_before) == (("Starting Maintenance",), "same", at(23, 4, 45))
    covered = march.step("C9")
    assert isinstance(covered, Covered)
    assert covered.by == ("P3", "P7.patch")
    assert "C9" not in [step.id for step in march.phase("sunday-pre").actions]


def test_changes_wait_as_the_page_says(march: Window) -> None:
    assert march.step("C2").after == ("C1",)
    apps = march.step("C5")
    assert isinstance(apps, Group)
    assert len(apps.parts) == 8
    for part in apps.parts:
        assert march.step(part).after == ("C4.infrastructure",)
    assert march.step("C6").after == apps.parts
    assert march.step("C7").after == ("C2",)
    assert march.step("C8").after == ("C6", "C7")


def test_the_eight_pipelines_have_their_stages_in_order(march: Window) -> None:
    seeded = {"OneTimePaymentService", "PayerPortalUI", "Payer Branding Service", "Payer User Service"}
    found = [step for step in march.steps if isinstance(step, Pipeline) and step.parent == "C5"]
    for step in found:
        seeds = ("Seed KeyVault for XAT",) if step.pipeline in {*seeded, "Payer Support UI"} else ()
        assert step.stages == (*seeds, "Deploy")
    infrastructure = march.step("C4.infrastructure")
    assert isinstance(infrastructure, Pipeline)
    assert (infrastructure.pipeline, infrastructure.version) == ("Payer_Infrastructure", "3.15.0")


def test_the_other_changes_are_typed(march: Window) -> None:
    pool, sockets, legacy = march.step("C6"), march.step("C8"), march.step("C10")
    assert isinstance(pool, RunCommand)
    assert isinstance(sockets, RunCommand)
    assert sockets.setting.value == "200"
    assert not pool.in_service
    assert isinstance(legacy, Diagnostics)
    assert legacy.canary in march.servers
    assert (march.step("C1").kind, march.step("C3").kind, march.step("Q6").kind) == ("manual",) * 3
    back = march.step("Q3")
    assert isinstance(back, GiveBack)
    assert back.gives_back == ("D2b", "D3")


def test_scheduled_tests_belong_to_no_phase(march: Window) -> None:
    assert [(test.id, test.kind, test.at) for test in march.tests] == [
        ("T1", "smoke", at(22, 22)),
        ("T2", "smoke", at(23, 8)),
        ("T3", "smoke", at(23, 10)),
        ("T4", "regression", at(23, 10)),
    ]
    assert {test.phase for test in march.tests} == {None}
    assert {test.site for test in march.tests} == {"www.invoicecloud.com"}


def test_our_readings_are_marked_as_such(march: Window) -> None:
    about = {what for what, _ in march.readings}
    assert about >= {"the window", "batch sunday", "step P5", "step P7", "step P8", "step C8"}


def test_a_step_goes_by_its_name_too(march: Window) -> None:
    assert march.step("Global_Infrastructure").id == "C2"
    assert march.step("PayerPortalUI").id == "C5.PayerPortalUI"
    assert march.step("Payer Support UI").id == "C5.PayerSupportUI"


def test_unknown_steps_and_phases_name_the_nearest(march: Window) -> None:
    with pytest.raises(WindowError, match=r"there is no phase 'sturday-pre'; did you mean 'saturday-pre'\?"):
        march.phase("sturday-pre")
    with pytest.raises(WindowError, match=r"no step 'Global_Infrastucture'; did you mean 'Global_Infra"):
        march.step("Global_Infrastucture")
    with pytest.raises(WindowError, match="'Preparation' may mean P6 or P8; write which"):
        march.step("Preparation")


def test_phase_of_a_moment(march: Window) -> None:
    def name(moment: datetime) -> str | None:
        phase = march.phase_of(moment)
        return phase.name if phase else None

    assert name(at(22, 18)) == "saturday-pre"
    assert name(datetime(2025, 3, 22, 22, tzinfo=UTC)) == "saturday-pre"
    assert name(at(22, 22)) is None
    assert name(at(22, 17, 59)) == "preflight"
    assert name(at(23, 5)) == "sunday-pre"


def test_nothing_in_a_window_can_be_changed(march: Window) -> None:
    with pytest.raises(AttributeError):
        march.min_healthy = 1  # type: ignore[misc]
    with pytest.raises(ValueError, match="frozen"):
        march.step("P1").status = "done"
    with pytest.raises(TypeError):
        march.batches["x"] = march.batches["saturday"]  # type: ignore[index]


def test_digest_leaves_out_who_approves_and_what_is_noted(edited: Callable[..., Path], march: Window) -> None:
    named = edited(
        ("  release_manager:", "  release_manager: Somebody"),
        ("    title: Turn on notifications", "    title: Turn on notifications\n    note: ask first"),
        ("    reading: The page gives the beginning only, 4:30 AM.\n", ""),
        ("title: 2025-03-23 Monthly", 'title:   "2025-03-23 Monthly" # other quotes'),
    )
    assert load_window(named).approvers.missing == ("platform_approver",)
    assert load_window(named).digest == march.digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("not_before: 19:00", "not_before: 19:05"),
        ("relation: as_well", "relation: instead_of"),
        ("    after: [C6, C7]\n", ""),
        ("value: 200", "value: 201"),
        ("closes: Saturday 22:00", "closes: Saturday 21:00"),
        ("pool: pool-www", "pool: pool-my"),
    ],
)
def test_digest_changes_with_what_a_rehearsal_proves(
    edited: Callable[..., Path], march: Window, old: str, new: str
) -> None:
    assert load_window(edited((old, new))).digest != march.digest


@pytest.mark.parametrize("kind", KINDS)
def test_the_guide_explains_every_word_of_every_kind(kind: str) -> None:
    guide = (MARCH.parents[1] / "docs" / "window.md").read_text("utf-8")
    words = set(KINDS[kind].model_fields) - {"id", "parent"}
    assert {word for word in words if f"`{word}`" not in guide} == set()


def test_a_change_waits_past_lines_that_are_not_doing(edited: Callable[..., Path]) -> None:
    skipped = (
        "    title: Global_Infrastructure",
        "    status: not doing\n    reason: x\n    title: Global_Infrastructure",
    )
    window = load_window(edited(skipped))
    assert window.step("C3").after == ("C1",)
    assert window.step("C7").after == ("C2",)


def test_a_group_that_is_not_doing_takes_its_parts_along(edited: Callable[..., Path]) -> None:
    window = load_window(edited(("    title: App deployment", "    status: not doing\n    reason: x\n    title: App")))
    assert {step.status for step in window.steps if step.parent == "C5"} == {"not doing"}
    assert window.step("C6").after == ("C4.infrastructure",)
