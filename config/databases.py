"""DATABASE_URL as Django wants it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import dj_database_url

SQLITE = "django.db.backends.sqlite3"
POSTGRESQL = "django.db.backends.postgresql"
# Seconds a connection is kept. Opening one costs more than most of our queries.
KEEP = 600


def database_from_url(url: str, base: Path) -> tuple[dict[str, Any], str]:
    """The database and no error, or no database and what is wrong with the URL.

    The error never quotes the URL, which may hold a password. A relative SQLite path counts from
    `base`.
    """
    try:
        database: dict[str, Any] = dict(
            dj_database_url.parse(url, conn_max_age=KEEP, conn_health_checks=True)
        )
    except ValueError as error:
        return {}, str(error)
    if database["ENGINE"] == SQLITE:
        return _sqlite(database, base)
    if database["ENGINE"] == POSTGRESQL:
        return database, ""
    return {}, "Only sqlite:// and postgresql:// are supported."


def _sqlite(database: dict[str, Any], base: Path) -> tuple[dict[str, Any], str]:
    if database["NAME"] != ":memory:":
        file = base / str(database["NAME"])
        try:
            file.parent.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            return {}, f"The folder {file.parent} is missing and cannot be made: {error.strerror}."
        # A file in tests too: threads and locks then behave as they do in production. Each run has
        # its own, so that two at once do not meet.
        test = file.with_name(f"test-{os.getpid()}.sqlite3")
        database |= {"NAME": str(file), "TEST": {"NAME": str(test)}}
    database["OPTIONS"] = {
        # A transaction takes the write lock when it begins: one that reads first and writes later
        # cannot fail with "database is locked" half-way.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        # FULL: a committed audit entry survives a power cut. Django itself turns foreign keys on.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
    return database, ""
