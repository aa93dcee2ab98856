"""Rules that the database itself keeps, as SQL for SQLite and PostgreSQL.

- A finished audit entry never changes. An entry is deleted only while `retention` allows it, and
  never replaced. A link of the hash chain is never changed, deleted or replaced.
- Search keys are compared by their bytes, so that a prefix is a range of an index.

A migration installs them. Anyone who may change the schema can remove them: they prevent accidents,
and the hash chain detects the rest.
"""

from __future__ import annotations

from django.db.backends.base.schema import BaseDatabaseSchemaEditor

ENTRY, LINK = "ipadmin_auditentry", "ipadmin_auditlink"
IS_PRUNED = """OLD.finished_at IS NOT NULL AND EXISTS (
    SELECT 1 FROM ipadmin_auditchain WHERE pruning_before > OLD.created_at
)"""
SAME_ENTRY = f"SELECT 1 FROM {ENTRY} WHERE id = NEW.id OR attempt_id = NEW.attempt_id"  # noqa: S608
SAME_LINK = f"SELECT 1 FROM {LINK} WHERE sequence = NEW.sequence"  # noqa: S608
# Name, statement, table, when the statement is refused, and why. Those on INSERT are for REPLACE,
# which only SQLite has: it deletes the existing row without running the triggers on DELETE.
RULES = [
    (
        "audit_entry_finished", "UPDATE", ENTRY,
        "OLD.finished_at IS NOT NULL", "a finished audit entry never changes",
    ),
    ("audit_entry_kept", "DELETE", ENTRY, f"NOT ({IS_PRUNED})", "an audit entry is never deleted"),
    (
        "audit_entry_not_replaced", "INSERT", ENTRY,
        f"EXISTS ({SAME_ENTRY})", "an audit entry is never replaced",
    ),
    ("audit_link_final", "UPDATE", LINK, "TRUE", "a link never changes"),
    ("audit_link_kept", "DELETE", LINK, "TRUE", "a link is never deleted"),
    (
        "audit_link_not_replaced", "INSERT", LINK,
        f"EXISTS ({SAME_LINK})", "a link is never replaced",
    ),
]  # fmt: skip
# The condition of a trigger must not contain a query on PostgreSQL.
POSTGRESQL_FUNCTION = f"""
    CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' AND TG_TABLE_NAME = '{ENTRY}' THEN
            IF {IS_PRUNED} THEN RETURN OLD; END IF;
        END IF;
        RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation';
    END
    $$
"""
# PostgreSQL sorts texts by the language of its database; SQLite sorts them by their bytes.
COMPARED_BY_BYTES = {
    ("ipadmin_auditvaluecounter", "value"): 600,
    (ENTRY, "address_key"): 33,
    (ENTRY, "allocation_name_key"): 200,
    (ENTRY, "reverse_dns_key"): 200,
    (ENTRY, "user_name_key"): 200,
}


def protect(_apps: object, editor: BaseDatabaseSchemaEditor) -> None:
    """Create the triggers."""
    is_sqlite = editor.connection.vendor == "sqlite"
    if not is_sqlite:
        editor.execute(POSTGRESQL_FUNCTION, params=None)
    for name, statement, table, condition, why in RULES:
        create = f"CREATE TRIGGER {name} BEFORE {statement} ON {table}"
        refuse = f"EXECUTE FUNCTION audit_refuse('{why}')"
        if is_sqlite:
            body = f"BEGIN SELECT RAISE(ABORT, '{why}'); END"
            editor.execute(f"{create} WHEN {condition} {body}", params=None)
        elif statement == "UPDATE":
            editor.execute(f"{create} FOR EACH ROW WHEN ({condition}) {refuse}", params=None)
        elif statement == "DELETE":
            editor.execute(f"{create} FOR EACH ROW {refuse}", params=None)
            all_rows = f"CREATE TRIGGER {name}_all BEFORE TRUNCATE ON {table}"
            editor.execute(f"{all_rows} FOR EACH STATEMENT {refuse}", params=None)


def unprotect(_apps: object, editor: BaseDatabaseSchemaEditor) -> None:
    """Drop the triggers."""
    if editor.connection.vendor == "postgresql":
        # With the triggers that call it.
        editor.execute("DROP FUNCTION IF EXISTS audit_refuse CASCADE", params=None)
        return
    for name, *_rule in RULES:
        editor.execute(f"DROP TRIGGER IF EXISTS {name}", params=None)


def compare_by_bytes(_apps: object, editor: BaseDatabaseSchemaEditor) -> None:
    """Give the columns that are searched by prefix the collation "C"."""
    if editor.connection.vendor == "postgresql":
        for (table, column), length in COMPARED_BY_BYTES.items():
            editor.execute(
                f'ALTER TABLE {table} ALTER COLUMN {column} TYPE varchar({length}) COLLATE "C"'
            )
