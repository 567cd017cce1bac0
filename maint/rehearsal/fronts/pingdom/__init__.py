"""The twin's Pingdom: uptime checks, and the maintenance windows that keep them quiet."""

from maint.rehearsal.fronts.pingdom.front import PingdomFront

__all__ = ["PingdomFront"]
