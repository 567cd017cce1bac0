"""The twin's Jira: the tickets of the window's changes."""

from maint.rehearsal.fronts.jira.front import JiraFront

__all__ = ["JiraFront"]
