"""Rules that the database itself keeps, as SQL for SQLite and PostgreSQL.

- A finished audit entry never changes. An entry is deleted only while `retention` allows it, and
  never replaced. A link of the hash chain is never changed, deleted or replaced.
- Search keys are compared by their bytes, so that a prefix is a range of an index.

A migration installs them. Anyone who may change the schema can remove them: they prevent accidents,
and the hash chain detects the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db.backends.base.schema import BaseDatabaseSchemaEditor

SQLITE = {
    "audit_entry_finished": """
        CREATE TRIGGER audit_entry_finished BEFORE UPDATE ON ipadmin_auditentry
        WHEN OLD.finished_at IS NOT NULL
        BEGIN SELECT RAISE(ABORT, 'a finished audit entry never changes'); END
        """,
    "audit_entry_kept": """
        CREATE TRIGGER audit_entry_kept BEFORE DELETE ON ipadmin_auditentry
        WHEN OLD.finished_at IS NULL OR NOT EXISTS (
            SELECT 1 FROM ipadmin_auditchain WHERE pruning_before > OLD.created_at
        )
        BEGIN SELECT RAISE(ABORT, 'an audit entry is never deleted'); END
        """,
    # REPLACE deletes the existing row without running the trigger above.
    "audit_entry_not_replaced": """
        CREATE TRIGGER audit_entry_not_replaced BEFORE INSERT ON ipadmin_auditentry
        WHEN EXISTS (
            SELECT 1 FROM ipadmin_auditentry WHERE id = NEW.id OR attempt_id = NEW.attempt_id
        )
        BEGIN SELECT RAISE(ABORT, 'an audit entry is never replaced'); END
        """,
    "audit_link_final": """
        CREATE TRIGGER audit_link_final BEFORE UPDATE ON ipadmin_auditlink
        BEGIN SELECT RAISE(ABORT, 'a link never changes'); END
        """,
    "audit_link_kept": """
        CREATE TRIGGER audit_link_kept BEFORE DELETE ON ipadmin_auditlink
        BEGIN SELECT RAISE(ABORT, 'a link is never deleted'); END
        """,
    "audit_link_not_replaced": """
        CREATE TRIGGER audit_link_not_replaced BEFORE INSERT ON ipadmin_auditlink
        WHEN EXISTS (SELECT 1 FROM ipadmin_auditlink WHERE sequence = NEW.sequence)
        BEGIN SELECT RAISE(ABORT, 'a link is never replaced'); END
        """,
}

POSTGRESQL = [
    """
    CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation'; END
    $$
    """,
    """
    CREATE FUNCTION audit_entry_delete() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF OLD.finished_at IS NOT NULL AND EXISTS (
            SELECT 1 FROM ipadmin_auditchain WHERE pruning_before > OLD.created_at
        ) THEN RETURN OLD; END IF;
        RAISE EXCEPTION 'an audit entry is never deleted'
            USING ERRCODE = 'integrity_constraint_violation';
    END
    $$
    """,
    """
    CREATE TRIGGER audit_entry_finished BEFORE UPDATE ON ipadmin_auditentry
    FOR EACH ROW WHEN (OLD.finished_at IS NOT NULL)
    EXECUTE FUNCTION audit_refuse('a finished audit entry never changes')
    """,
    """
    CREATE TRIGGER audit_entry_kept BEFORE DELETE ON ipadmin_auditentry
    FOR EACH ROW EXECUTE FUNCTION audit_entry_delete()
    """,
    """
    CREATE TRIGGER audit_entry_not_emptied BEFORE TRUNCATE ON ipadmin_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse('an audit entry is never deleted')
    """,
    """
    CREATE TRIGGER audit_link_final BEFORE UPDATE ON ipadmin_auditlink
    FOR EACH ROW EXECUTE FUNCTION audit_refuse('a link never changes')
    """,
    """
    CREATE TRIGGER audit_link_kept BEFORE DELETE ON ipadmin_auditlink
    FOR EACH ROW EXECUTE FUNCTION audit_refuse('a link is never deleted')
    """,
    """
    CREATE TRIGGER audit_link_not_emptied BEFORE TRUNCATE ON ipadmin_auditlink
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse('a link is never deleted')
    """,
]
POSTGRESQL_UNDO = [
    "DROP TRIGGER IF EXISTS audit_entry_finished ON ipadmin_auditentry",
    "DROP TRIGGER IF EXISTS audit_entry_kept ON ipadmin_auditentry",
    "DROP TRIGGER IF EXISTS audit_entry_not_emptied ON ipadmin_auditentry",
    "DROP TRIGGER IF EXISTS audit_link_final ON ipadmin_auditlink",
    "DROP TRIGGER IF EXISTS audit_link_kept ON ipadmin_auditlink",
    "DROP TRIGGER IF EXISTS audit_link_not_emptied ON ipadmin_auditlink",
    "DROP FUNCTION IF EXISTS audit_refuse",
    "DROP FUNCTION IF EXISTS audit_entry_delete",
]

# PostgreSQL sorts texts by the language of its database; SQLite sorts them by their bytes.
COMPARED_BY_BYTES = {
    ("ipadmin_auditvaluecounter", "value"): 600,
    ("ipadmin_auditentry", "address_key"): 33,
    ("ipadmin_auditentry", "allocation_name_key"): 200,
    ("ipadmin_auditentry", "reverse_dns_key"): 200,
    ("ipadmin_auditentry", "user_name_key"): 200,
}

Statements = Mapping[str, Sequence[str]]


def _execute(editor: BaseDatabaseSchemaEditor, statements: Statements) -> None:
    for statement in statements[editor.connection.vendor]:
        editor.execute(statement, params=None)


def protect(_apps: object, editor: BaseDatabaseSchemaEditor) -> None:
    """Create the triggers."""
    _execute(editor, {"sqlite": list(SQLITE.values()), "postgresql": POSTGRESQL})


def unprotect(_apps: object, editor: BaseDatabaseSchemaEditor) -> None:
    """Drop the triggers."""
    drop = [f"DROP TRIGGER IF EXISTS {name}" for name in SQLITE]
    _execute(editor, {"sqlite": drop, "postgresql": POSTGRESQL_UNDO})


def compare_by_bytes(_apps: object, editor: BaseDatabaseSchemaEditor) -> None:
    """Give the columns that are searched by prefix the collation "C"."""
    if editor.connection.vendor == "postgresql":
        for (table, column), length in COMPARED_BY_BYTES.items():
            editor.execute(
                f'ALTER TABLE {table} ALTER COLUMN {column} TYPE varchar({length}) COLLATE "C"'
            )
