"""Azure Resource Manager's stand-in: one front, one file per kind of resource."""

from maint.rehearsal.fronts.azure.front import AzureFront
from maint.rehearsal.fronts.azure.gateway import Mode

__all__ = ["AzureFront", "Mode"]
