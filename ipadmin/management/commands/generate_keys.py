from __future__ import annotations

import secrets
from argparse import ArgumentParser

from django.core.management.base import BaseCommand

from ipadmin import crypto


class Command(BaseCommand):
    help = "Print new keys as lines for a .env file. Needs no configuration and stores nothing."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--demo",
            action="store_true",
            help="a password and a token for `make run` as well",
        )

    def handle(self, *, demo: bool, **options: object) -> None:  # noqa: ARG002 - Django's signature
        self.stdout.write(f"SECRET_KEY={secrets.token_urlsafe(50)}")
        self.stdout.write(f"TOKEN_ENCRYPTION_KEYS={crypto.generate_key()}")
        self.stdout.write(f"AUDIT_KEYS={crypto.generate_key()}")
        if demo:
            self.stdout.write(f"DEMO_PASSWORD={secrets.token_urlsafe(9)}")
            self.stdout.write(f"SANDBOX_TOKEN=sandbox-{secrets.token_urlsafe(24)}")
