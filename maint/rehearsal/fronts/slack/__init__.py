"""The twin's Slack: channels with messages, threads, reactions and files."""

from maint.rehearsal.fronts.slack.front import SlackFront

__all__ = ["SlackFront"]
