"""Runs stages of an Azure DevOps pipeline, and only those."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from maint.rollout import OneWay, Result, Tag

if TYPE_CHECKING:
    from maint.systems import Systems

LONGEST = timedelta(hours=4)


@dataclass(frozen=True)
class RunStages(OneWay):
    """The stages named, of the pipeline named, at a version or at its default branch."""

    pipeline: str
    stages: tuple[str, ...]
    version: str | None = None

    def before(self, systems: "Systems") -> dict[str, Any]:
        """Read nothing: the tag travels with the run."""
        return {}

    def find(self, systems: "Systems", tag: Tag) -> str | None:
        """Return the run that carries the tag."""
        run = systems.azure_devops.find(self.pipeline, str(tag), since=tag.since, stages=self.stages)
        return str(run.id) if run else None

    def start(self, systems: "Systems", tag: Tag) -> str:
        """Start the run; the handle is its id."""
        run = systems.azure_devops.start(self.pipeline, self.stages, str(tag), version=self.version)
        systems.tell(f"{self.pipeline}: run {run.id} started, {run.url}")
        return str(run.id)

    def wait(self, systems: "Systems", handle: str) -> Result:
        """Wait for the run's end; a stage that was skipped or did not succeed is a failure."""
        done = systems.azure_devops.wait(int(handle), systems.patience(LONGEST), self.stages)
        return Result("done" if done.ok else "failed", f"{self.pipeline}: {done.words}, {done.url}")
