"""Django's database settings from DATABASE_URL."""

from __future__ import annotations

import os
from pathlib import Path

import dj_database_url
from dj_database_url import DBConfig

SQLITE = "django.db.backends.sqlite3"
POSTGRESQL = "django.db.backends.postgresql"
# Opening a connection takes longer than most queries.
CONN_MAX_AGE_SECONDS = 600


def database_from_url(url: str, base: Path) -> tuple[DBConfig, str]:
    """The database settings and no error, or no settings and the error.

    The error does not quote the URL, which may contain a password. A relative SQLite path is
    relative to `base`.
    """
    try:
        database = dj_database_url.parse(
            url, conn_max_age=CONN_MAX_AGE_SECONDS, conn_health_checks=True
        )
    except ValueError as error:
        return {}, str(error)
    if database["ENGINE"] == SQLITE:
        return _sqlite(database, base)
    if database["ENGINE"] == POSTGRESQL:
        return database, ""
    return {}, "Only sqlite:// and postgresql:// are supported."


def _sqlite(database: DBConfig, base: Path) -> tuple[DBConfig, str]:
    if database["NAME"] != ":memory:":
        file = base / str(database["NAME"])
        try:
            file.parent.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            return {}, f"The folder {file.parent} is missing and cannot be made: {error.strerror}."
        # Tests use a file as well, so that threads and locks behave as in production; one per
        # process, so that several test runs can run at once.
        test = file.with_name(f"test-{os.getpid()}.sqlite3")
        database |= {"NAME": str(file), "TEST": {"NAME": str(test)}}
    database["OPTIONS"] = {
        # A transaction takes the write lock when it begins. Otherwise, one that reads first and
        # writes later could fail with "database is locked".
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        # FULL: a committed audit entry survives a power cut. Django itself turns foreign keys on.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
    return database, ""
