from __future__ import annotations

import os
import secrets
from argparse import ArgumentParser
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ipadmin import crypto


class Command(BaseCommand):
    help = (
        "Make new keys, and write them to a new file that only this user can read (or to one that"
        " has none of them yet). Needs no configuration."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        default = os.environ.get("ENV_FILE") or settings.BASE_DIR / ".env"
        parser.add_argument("--file", type=Path, default=default, help="default: .env")
        parser.add_argument("--print", action="store_true", help="print them, and write nothing")
        parser.add_argument(
            "--demo",
            action="store_true",
            help="a password and a token for `make run` as well",
        )

    def handle(self, *, demo: bool, file: Path, **options: bool) -> None:
        keys = {
            "SECRET_KEY": secrets.token_urlsafe(50),
            "TOKEN_ENCRYPTION_KEYS": crypto.generate_key(),
            "AUDIT_KEYS": crypto.generate_key(),
        }
        if demo:
            keys["DEMO_PASSWORD"] = secrets.token_urlsafe(9)
            keys["SANDBOX_TOKEN"] = f"sandbox-{secrets.token_urlsafe(24)}"
        lines = "".join(f"{name}={value}\n" for name, value in keys.items())
        if options["print"]:
            self.stdout.write(lines, ending="")
            return
        try:
            _append(file, lines, keys)
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}. Nothing was written.") from error
        self.stdout.write(f"Wrote {', '.join(keys)} to {file}. Keep a copy in a password manager.")


def _append(file: Path, lines: str, names: dict[str, str]) -> None:
    """Raises CommandError for a file that has one of the keys, or that others can read."""
    descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+", encoding="utf-8") as opened:
        if os.fstat(descriptor).st_mode & 0o007:
            raise CommandError(f"{file} can be read by others: run chmod 600 {file}, then again.")
        before = opened.read()
        if taken := [name for name in names if f"\n{name}=" in f"\n{before}"]:
            raise CommandError(
                f"{file} has {', '.join(taken)} already. A key that is replaced makes data"
                " unreadable: to change keys, see docs/operations.md. --print prints new ones."
            )
        opened.write(lines if not before or before.endswith("\n") else f"\n{lines}")
