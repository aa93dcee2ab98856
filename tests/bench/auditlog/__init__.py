"""The same history as django-auditlog keeps it, in Django's own admin: what the site is compared
with. Needs `tests.bench.auditlog.settings`."""
