"""Azure Resource Manager: one session, one file per kind of resource."""
