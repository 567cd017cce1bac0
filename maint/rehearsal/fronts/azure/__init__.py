"""Azure Resource Manager's stand-in: one front, one file per kind of resource."""

from maint.rehearsal.fronts.azure.arm import Mode
from maint.rehearsal.fronts.azure.front import AzureFront

__all__ = ["AzureFront", "Mode"]
