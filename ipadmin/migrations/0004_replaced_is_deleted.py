"""SQLite's REPLACE deletes the row in its way without asking the triggers of 0003: it is refused."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

PROTECT = """
    CREATE TRIGGER audit_entry_not_replaced BEFORE INSERT ON ipadmin_auditentry
    WHEN EXISTS (
        SELECT 1 FROM ipadmin_auditentry WHERE id = NEW.id OR attempt_id = NEW.attempt_id
    )
    BEGIN SELECT RAISE(ABORT, 'an audit entry is never replaced'); END
"""


def protect(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    """PostgreSQL has no REPLACE."""
    if editor.connection.vendor == "sqlite":
        editor.execute(PROTECT, params=None)


def unprotect(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    if editor.connection.vendor == "sqlite":
        editor.execute("DROP TRIGGER IF EXISTS audit_entry_not_replaced", params=None)


class Migration(migrations.Migration):
    dependencies = [("ipadmin", "0003_finished_means_finished")]
    operations = [migrations.RunPython(protect, unprotect)]
