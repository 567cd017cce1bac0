"""The pipelines that the March window runs, as their repositories define them."""

from dataclasses import dataclass, field
from typing import Any

import yaml

MINUTE = 60.0


@dataclass(frozen=True)
class Stage:
    """One stage: ref is its name in YAML, steps are its tasks with their usual world seconds."""

    ref: str
    title: str
    steps: tuple[tuple[str, float], ...]
    approvers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pipeline:
    """One pipeline; parameters are its template parameters with their defaults."""

    id: int
    name: str
    folder: str
    stages: tuple[Stage, ...]
    parameters: dict[str, str] = field(default_factory=dict)

    def stage(self, ref: str) -> Stage | None:
        """Return the stage of this ref name, which is matched as Azure DevOps does: whatever its casing."""
        return next((stage for stage in self.stages if stage.ref.lower() == ref.lower()), None)

    def final_yaml(self, parameters: dict[str, str]) -> str:
        """Return the pipeline as it would run, templates expanded; every stage is in it, skipped or not."""
        return yaml.safe_dump(
            {
                "name": "$(Date:yyyyMMdd)$(Rev:.r)",
                "trigger": {"enabled": False},
                "pool": {"name": "Maintenance agents"},
                "variables": [{"name": name, "value": value} for name, value in parameters.items()],
                "stages": [_stage_yaml(stage) for stage in self.stages],
            },
            sort_keys=False,
            allow_unicode=True,
        )


def _stage_yaml(stage: Stage) -> dict[str, Any]:
    steps = [
        {"task": "PowerShell@2", "displayName": name, "inputs": {"targetType": "filePath"}} for name, _ in stage.steps
    ]
    job: dict[str, Any] = {"job": stage.ref, "displayName": stage.title, "steps": steps}
    if stage.approvers:
        deploy = {"runOnce": {"deploy": {"steps": steps}}}
        job = {
            "deployment": stage.ref,
            "displayName": stage.title,
            "environment": "production",
            "strategy": deploy,
        }
    return {"stage": stage.ref, "displayName": stage.title, "jobs": [job]}


def _steps(minutes: float, *names: str) -> tuple[tuple[str, float], ...]:
    return tuple((name, minutes * MINUTE / len(names)) for name in names)


def _seed() -> Stage:
    return Stage(
        "Seed_KeyVault_for_XAT",
        "Seed KeyVault for XAT",
        _steps(4, "Read secrets", "Write secrets to the vault"),
    )


def _deploy(minutes: float = 12, approvers: tuple[str, ...] = ()) -> Stage:
    return Stage("Deploy", "Deploy", _steps(minutes, "Download artifacts", "Deploy", "Check health"), approvers)


def _plan() -> Stage:
    return Stage("Plan", "Plan", _steps(6, "Initialise", "Plan the changes"))


def _service(number: int, name: str, *, seeded: bool) -> Pipeline:
    return Pipeline(number, name, "\\Services", (_seed(), _deploy()) if seeded else (_deploy(),))


PREPARATION = Pipeline(
    11,
    "Preparation",
    "\\Maintenance",
    (
        Stage("Validate", "Validate", _steps(2, "Check the job schedules")),
        Stage("Pre_Maintenance", "Pre-Maintenance", _steps(8, "Read job schedules", "Reschedule jobs", "Check")),
        Stage("Starting_Maintenance", "Starting Maintenance", _steps(6, "Wait for running jobs", "Stop jobs")),
        Stage("Post_Maintenance", "Post-Maintenance", _steps(6, "Start jobs", "Check")),
    ),
)

PIPELINES = {
    pipeline.id: pipeline
    for pipeline in (
        PREPARATION,
        Pipeline(21, "Global_Infrastructure", "\\Infrastructure", (_plan(), _deploy(25))),
        Pipeline(
            22,
            "Payer_Infrastructure",
            "\\Infrastructure",
            (_plan(), _deploy(25, ("Release Manager", "Platform Approver"))),
            {"version": "3.14.0"},
        ),
        Pipeline(23, "Hub_Infrastructure", "\\Infrastructure", (_plan(), _deploy(20))),
        _service(31, "OneTimePaymentService", seeded=True),
        _service(32, "PayerPayByTextService", seeded=False),
        _service(33, "PayerPortalUI", seeded=True),
        _service(34, "Payer Account Service", seeded=False),
        _service(35, "Payer Branding Service", seeded=True),
        _service(36, "Payer User Service", seeded=True),
        _service(37, "Payer Support Service", seeded=False),
        _service(38, "Payer Support UI", seeded=True),
    )
}

JOBS = ("AutoPay", "Invoice import", "Payment reminders", "Nightly reporting")
JOBS_AFTER = {
    "Pre_Maintenance": "rescheduled",
    "Starting_Maintenance": "stopped",
    "Post_Maintenance": "on schedule",
}
"""What the Preparation pipeline's stages do to the world's job schedules when they succeed."""
