"""Only `audit/entries.py` writes entries, and only `audit/retention.py` removes them."""

from __future__ import annotations

import ast
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings

import ipadmin
from ipadmin.models import Outcome
from ipadmin.services.reconcile import reconcile
from tests.services.conftest import Attempt
from tests.services.katapult import Katapult, html

SOURCE = Path(ipadmin.__file__).parent
ENTRIES = "audit/entries.py"
# What installs the table and its triggers may name it in SQL.
OTHERS = (ENTRIES, "audit/retention.py", "models/triggers.py", "migrations/")
WRITES = {
    *("save", "delete", "create", "update", "bulk_create", "bulk_update", "get_or_create"),
    *("update_or_create", "save_base", "_raw_delete", "_update", "_insert"),
}
SQL_WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE", "TRUNCATE")


def names_in(node: ast.AST | None) -> set[str]:
    found = list(ast.walk(node)) if node else []
    names = {each.id for each in found if isinstance(each, ast.Name)}
    return names | {each.attr for each in found if isinstance(each, ast.Attribute)}


def names_of_entries(trees: list[ast.Module]) -> set[str]:
    """AuditEntry, and functions that return entries or queries of entries."""
    functions = [n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    return {"AuditEntry"} | {f.name for f in functions if "AuditEntry" in names_in(f.returns)}


def names_made_from(known: set[str], nodes: list[ast.AST]) -> set[str]:
    """The known names, and the arguments and variables of a module that hold entries."""
    arguments = [node for node in nodes if isinstance(node, ast.arg) and node.annotation]
    names = known - {each.arg for each in arguments if not known & names_in(each.annotation)}
    names |= {each.arg for each in arguments if known & names_in(each.annotation)}
    while True:
        count = len(names)
        for node in nodes:
            match node:
                case ast.Assign(targets=[target], value=value) | ast.For(target=target, iter=value):
                    if names & names_in(value):
                        names |= names_in(target)
        if len(names) == count:
            return names


def writes_of_entries(tree: ast.Module, known: set[str]) -> Iterator[str]:
    """Calls of a method that writes, on entries or queries of entries; and SQL that writes them."""
    nodes = list(ast.walk(tree))
    names = names_made_from(known, nodes)
    for node in nodes:
        match node:
            case ast.Call(func=ast.Attribute(value=receiver, attr=method)):
                if method in WRITES and names & names_in(receiver):
                    yield ast.unparse(node)
            case ast.Constant(value=str(text)) if "ipadmin_auditentry" in text:
                if any(word in text for word in SQL_WRITES):
                    yield text


def test_no_other_module_writes_entries() -> None:
    trees = {
        path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text())
        for path in SOURCE.rglob("*.py")
    }
    known = names_of_entries(list(trees.values()))
    found = {
        name: list(writes_of_entries(tree, known))
        for name, tree in trees.items()
        if not name.startswith(OTHERS)
    }
    assert {name: calls for name, calls in found.items() if calls} == {}
    assert list(writes_of_entries(trees[ENTRIES], known))


@pytest.mark.django_db
def test_an_attempt_a_reading_and_a_reconcile_write_through_the_one_writer(
    attempt: Attempt, katapult: Katapult, settings: Settings
) -> None:
    writers: list[str] = []

    def watch(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.lstrip().startswith(SQL_WRITES) and "ipadmin_auditentry" in sql:
            files = [Path(frame.filename) for frame in traceback.extract_stack()]
            ours = [file for file in files if SOURCE in file.parents]
            # `save` of the model only adds search keys.
            writers.append(next(f.name for f in reversed(ours) if f.name != "audit_entry.py"))
        return execute(sql, *rest)

    settings.EVIDENCE_INTERVAL = 0
    katapult.posts.append(html())
    with connection.execute_wrapper(watch):
        made = attempt()
        assert (made.outcome, len(made.evidence)) == (Outcome.UNKNOWN, 1)
        [closed] = reconcile()
    assert closed.outcome == Outcome.FAILED
    # Opened, marked as sent, unknown, a reading, another reading and its outcome.
    assert writers == ["entries.py"] * 5
