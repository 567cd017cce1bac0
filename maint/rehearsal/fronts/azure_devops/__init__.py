"""The twin's Azure DevOps: pipelines with stages, approvals and runs that take time."""

from maint.rehearsal.fronts.azure_devops.front import AzureDevOpsFront

__all__ = ["AzureDevOpsFront"]
