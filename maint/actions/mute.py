"""Turns off the alerts of some servers, always with an end of its own in case nobody turns them on again."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar
from zoneinfo import ZoneInfo

from maint.holding import Captured, Reading, Reversible

if TYPE_CHECKING:
    from maint.systems import Systems


@dataclass(frozen=True)
class MuteNewRelic(Reversible):
    """A New Relic muting rule for some hosts; starts, until: ISO-8601 with offset; zone: IANA."""

    kind: ClassVar[str] = "mute New Relic"

    name: str
    hosts: tuple[str, ...]
    starts: str
    until: str
    zone: str

    @property
    def resource(self) -> str:
        """Return the rule."""
        return f"newrelic/muting rule/{self.name}"

    @property
    def title(self) -> str:
        """Return what is held."""
        return f"New Relic alerts muted for {_short(self.hosts)}"

    def capture(self, systems: "Systems") -> Captured:
        """Read nothing: the rule is ours by its name."""
        return {}

    def apply(self, systems: "Systems", captured: Captured) -> None:
        """Make the rule, or make the one that is there last until the end."""
        until = datetime.fromisoformat(self.until)
        found = systems.newrelic.find(self.name)
        if found:
            systems.newrelic.update(found.id, until=until)
            return
        systems.newrelic.mute(
            self.name,
            self.hosts,
            starts=datetime.fromisoformat(self.starts),
            until=until,
            zone=ZoneInfo(self.zone),
            description="Made by maint for a maintenance window; ends by itself.",
        )

    def revert(self, systems: "Systems", captured: Captured) -> None:
        """Delete the rule where it is still there."""
        found = systems.newrelic.find(self.name)
        if found:
            systems.newrelic.unmute(found.id)

    def state(self, systems: "Systems", captured: Captured) -> Reading:
        """Read whether the rule is there and enabled."""
        found = systems.newrelic.find(self.name)
        if found is None:
            return Reading("normal", "New Relic has no such muting rule")
        if not found.enabled:
            return Reading("drifted", f"somebody disabled the muting rule {self.name}")
        if not found.in_force(systems.clock.now()):
            return Reading("normal", f"the muting rule {self.name} has ended by itself")
        return Reading("in force", f"muted until {self.until}")


@dataclass(frozen=True)
class MuteAzure(Reversible):
    """An Azure alert processing rule that silences some VMs; starts, until: ISO-8601 with offset."""

    kind: ClassVar[str] = "mute Azure"

    name: str
    scopes: tuple[str, ...]
    servers: tuple[str, ...]
    starts: str
    until: str

    @property
    def resource(self) -> str:
        """Return the rule."""
        return f"azure/alert processing rule/{self.name}"

    @property
    def title(self) -> str:
        """Return what is held."""
        return f"Azure alerts muted for {_short(self.servers)}"

    def capture(self, systems: "Systems") -> Captured:
        """Read nothing: the rule is ours by its name."""
        return {}

    def apply(self, systems: "Systems", captured: Captured) -> None:
        """Make the rule or replace the one that is there."""
        systems.alert_rules.put(
            self.name,
            self.scopes,
            starts=datetime.fromisoformat(self.starts),
            until=datetime.fromisoformat(self.until),
            description="Made by maint for a maintenance window; ends by itself.",
        )

    def revert(self, systems: "Systems", captured: Captured) -> None:
        """Delete the rule where it is still there."""
        systems.alert_rules.delete(self.name)

    def state(self, systems: "Systems", captured: Captured) -> Reading:
        """Read whether the rule is there and enabled."""
        found = systems.alert_rules.get(self.name)
        if found is None:
            return Reading("normal", "Azure has no such alert processing rule")
        if not found.enabled:
            return Reading("drifted", f"somebody disabled the alert processing rule {self.name}")
        if not found.in_force(systems.clock.now()):
            return Reading("normal", f"the alert processing rule {self.name} has ended by itself")
        return Reading("in force", f"muted until {self.until}")


def _short(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
