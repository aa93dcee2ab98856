"""The database itself refuses to change a finished audit entry, to delete any outside of a pruning,
and to touch a link of the chain of seals. Auditors may verify the chain."""

from importlib import import_module

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

before = import_module("ipadmin.migrations.0003_finished_means_finished")
roles = import_module("ipadmin.migrations.0002_roles")

ROLES = {"auditor": {"ipadmin": ["view_auditseal"]}}

SQLITE = [
    before.SQLITE[0],
    """
    CREATE TRIGGER audit_entry_kept BEFORE DELETE ON ipadmin_auditentry
    WHEN OLD.finished_at IS NULL OR NOT EXISTS (
        SELECT 1 FROM ipadmin_audithead WHERE pruning_before > OLD.created_at
    )
    BEGIN SELECT RAISE(ABORT, 'an audit entry is never deleted'); END
    """,
    before.SQLITE[2],
    """
    CREATE TRIGGER audit_seal_final BEFORE UPDATE ON ipadmin_auditseal
    BEGIN SELECT RAISE(ABORT, 'a seal never changes'); END
    """,
    """
    CREATE TRIGGER audit_seal_kept BEFORE DELETE ON ipadmin_auditseal
    BEGIN SELECT RAISE(ABORT, 'a seal is never deleted'); END
    """,
    """
    CREATE TRIGGER audit_seal_not_replaced BEFORE INSERT ON ipadmin_auditseal
    WHEN EXISTS (SELECT 1 FROM ipadmin_auditseal WHERE sequence = NEW.sequence)
    BEGIN SELECT RAISE(ABORT, 'a seal is never replaced'); END
    """,
]
SQLITE_UNDO = [
    *before.SQLITE_UNDO,
    "DROP TRIGGER IF EXISTS audit_seal_final",
    "DROP TRIGGER IF EXISTS audit_seal_kept",
    "DROP TRIGGER IF EXISTS audit_seal_not_replaced",
]

POSTGRESQL = [
    *before.POSTGRESQL[:2],
    """
    CREATE FUNCTION audit_entry_prune() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF OLD.finished_at IS NOT NULL AND EXISTS (
            SELECT 1 FROM ipadmin_audithead WHERE pruning_before > OLD.created_at
        ) THEN RETURN OLD; END IF;
        RAISE EXCEPTION 'an audit entry is never deleted'
            USING ERRCODE = 'integrity_constraint_violation';
    END
    $$
    """,
    """
    CREATE TRIGGER audit_entry_kept BEFORE DELETE ON ipadmin_auditentry
    FOR EACH ROW EXECUTE FUNCTION audit_entry_prune()
    """,
    before.POSTGRESQL[3],
    """
    CREATE TRIGGER audit_seal_final BEFORE UPDATE ON ipadmin_auditseal
    FOR EACH ROW EXECUTE FUNCTION audit_entry_refuse('a seal never changes')
    """,
    """
    CREATE TRIGGER audit_seal_kept BEFORE DELETE ON ipadmin_auditseal
    FOR EACH ROW EXECUTE FUNCTION audit_entry_refuse('a seal is never deleted')
    """,
    """
    CREATE TRIGGER audit_seal_not_emptied BEFORE TRUNCATE ON ipadmin_auditseal
    FOR EACH STATEMENT EXECUTE FUNCTION audit_entry_refuse('a seal is never deleted')
    """,
]
POSTGRESQL_UNDO = [
    "DROP TRIGGER IF EXISTS audit_seal_final ON ipadmin_auditseal",
    "DROP TRIGGER IF EXISTS audit_seal_kept ON ipadmin_auditseal",
    "DROP TRIGGER IF EXISTS audit_seal_not_emptied ON ipadmin_auditseal",
    *before.POSTGRESQL_UNDO,
    "DROP FUNCTION IF EXISTS audit_entry_prune",
]


def _execute(editor: BaseDatabaseSchemaEditor, statements: dict[str, list[str]]) -> None:
    for statement in statements[editor.connection.vendor]:
        editor.execute(statement, params=None)


def protect(_apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    _execute(editor, {"sqlite": SQLITE, "postgresql": POSTGRESQL})


def unprotect(_apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    _execute(editor, {"sqlite": SQLITE_UNDO, "postgresql": POSTGRESQL_UNDO})


def let_auditors_verify(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    roles.grant(apps, editor, ROLES)


class Migration(migrations.Migration):
    dependencies = [("ipadmin", "0004_history")]
    operations = [
        migrations.RunPython(protect, unprotect),
        migrations.RunPython(let_auditors_verify, migrations.RunPython.noop),
    ]
