"""The database itself refuses to change a finished audit entry, or to delete any."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

SQLITE = [
    """
    CREATE TRIGGER audit_entry_finished BEFORE UPDATE ON ipadmin_auditentry
    WHEN OLD.finished_at IS NOT NULL
    BEGIN SELECT RAISE(ABORT, 'a finished audit entry never changes'); END
    """,
    """
    CREATE TRIGGER audit_entry_kept BEFORE DELETE ON ipadmin_auditentry
    BEGIN SELECT RAISE(ABORT, 'an audit entry is never deleted'); END
    """,
    # SQLite's REPLACE deletes the row in its way without asking the trigger above.
    """
    CREATE TRIGGER audit_entry_not_replaced BEFORE INSERT ON ipadmin_auditentry
    WHEN EXISTS (
        SELECT 1 FROM ipadmin_auditentry WHERE id = NEW.id OR attempt_id = NEW.attempt_id
    )
    BEGIN SELECT RAISE(ABORT, 'an audit entry is never replaced'); END
    """,
]
SQLITE_UNDO = [
    "DROP TRIGGER IF EXISTS audit_entry_not_replaced",
    "DROP TRIGGER IF EXISTS audit_entry_finished",
    "DROP TRIGGER IF EXISTS audit_entry_kept",
]

POSTGRESQL = [
    """
    CREATE FUNCTION audit_entry_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation'; END
    $$
    """,
    """
    CREATE TRIGGER audit_entry_finished BEFORE UPDATE ON ipadmin_auditentry
    FOR EACH ROW WHEN (OLD.finished_at IS NOT NULL)
    EXECUTE FUNCTION audit_entry_refuse('a finished audit entry never changes')
    """,
    """
    CREATE TRIGGER audit_entry_kept BEFORE DELETE ON ipadmin_auditentry
    FOR EACH ROW EXECUTE FUNCTION audit_entry_refuse('an audit entry is never deleted')
    """,
    """
    CREATE TRIGGER audit_entry_not_emptied BEFORE TRUNCATE ON ipadmin_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION audit_entry_refuse('an audit entry is never deleted')
    """,
]
POSTGRESQL_UNDO = [
    "DROP TRIGGER IF EXISTS audit_entry_finished ON ipadmin_auditentry",
    "DROP TRIGGER IF EXISTS audit_entry_kept ON ipadmin_auditentry",
    "DROP TRIGGER IF EXISTS audit_entry_not_emptied ON ipadmin_auditentry",
    "DROP FUNCTION IF EXISTS audit_entry_refuse",
]


def _execute(editor: BaseDatabaseSchemaEditor, statements: dict[str, list[str]]) -> None:
    for statement in statements[editor.connection.vendor]:
        editor.execute(statement, params=None)


def protect(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    _execute(editor, {"sqlite": SQLITE, "postgresql": POSTGRESQL})


def unprotect(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    _execute(editor, {"sqlite": SQLITE_UNDO, "postgresql": POSTGRESQL_UNDO})


class Migration(migrations.Migration):
    dependencies = [("ipadmin", "0002_roles")]
    operations = [migrations.RunPython(protect, unprotect)]
