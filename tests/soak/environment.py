"""The environment variables and the database of a soak. Imports nothing that reads settings."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

import psycopg
from psycopg import sql

# Seconds. Short, so that a soak takes minutes. A call ends after 0.9 s; the sandbox (`faults.py`)
# answers at once or within a second, so some answers are too late, and it carries out some requests
# up to 4.5 s later. EVIDENCE_INTERVAL is shorter, so that requests are carried out after `failed`.
# EVIDENCE_DEADLINE is longer, because until then such an attempt counts as a competing one; it also
# leaves time for two readings after LONGEST_ATTEMPT, which is 7.7 s.
TIMINGS = {
    "KATAPULT_CONNECT_TIMEOUT": "0.4",
    "KATAPULT_READ_TIMEOUT": "0.6",
    "KATAPULT_TOTAL_TIMEOUT": "0.9",
    "ATTEMPT_SLACK": "5",
    "EVIDENCE_INTERVAL": "1.5",
    "EVIDENCE_RETRY": "0.5",
    "EVIDENCE_DEADLINE": "14",
    "RECONCILE_EVERY": "0.5",
    # Runs wait for the next window after a 429.
    "RATE_LIMIT_WINDOW": "3",
    "RUN_LEASE": "5",
    "RUN_CONCURRENCY": "4",
    "APPROVALS": "*=above:4",
}


def environment(api_url: str, database_url: str) -> dict[str, str]:
    """For this process and those it starts; with few of the shell's variables."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "PYTHONUNBUFFERED": "1",
        "ENV_FILE": "/dev/null",
        "SECRET_KEY": secrets.token_urlsafe(60),
        "TOKEN_ENCRYPTION_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "AUDIT_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "ALLOWED_HOSTS": "127.0.0.1",
        "STATIC_HASHED": "false",
        "KATAPULT_API_URL": api_url,
        "DATABASE_URL": database_url,
        **TIMINGS,
    }


class Database:
    """A new database: an SQLite file, or a database on the server of DATABASE_URL."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.is_sqlite = kind == "sqlite"
        self.name = f"soak_{secrets.token_hex(6)}"
        self.server = os.environ.get("DATABASE_URL", "")
        self.url = f"sqlite:///{folder / 'soak.sqlite3'}"
        if not self.is_sqlite:
            if not self.server.startswith("postgres"):
                raise SystemExit(
                    "soak: DATABASE_URL names no PostgreSQL; see scripts/with_postgres"
                )
            self._do("CREATE DATABASE {}")
            self.url = f"{self.server.rpartition('/')[0]}/{self.name}"

    def drop(self) -> None:
        if not self.is_sqlite:
            self._do("DROP DATABASE {} WITH (FORCE)")

    def _do(self, statement: str) -> None:
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(self.name)))
