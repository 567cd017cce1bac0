"""The twin's New Relic: NerdGraph's alert muting rules."""

from maint.rehearsal.fronts.newrelic.front import NewRelicFront

__all__ = ["NewRelicFront"]
