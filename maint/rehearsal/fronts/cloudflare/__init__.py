"""The twin's Cloudflare: one zone's DNS records, its cache, and the edge that www's visitors meet first."""

from maint.rehearsal.fronts.cloudflare.edge import Edge
from maint.rehearsal.fronts.cloudflare.front import CloudflareFront

__all__ = ["CloudflareFront", "Edge"]
