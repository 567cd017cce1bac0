"""The stand-in web site of the twin: payer portals and the company's own pages, with a look of its own."""

from maint.rehearsal.site.app import marketing_app, site_app
from maint.rehearsal.site.state import SiteState

__all__ = ["SiteState", "marketing_app", "site_app"]
