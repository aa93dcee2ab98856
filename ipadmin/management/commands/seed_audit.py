from __future__ import annotations

import time
from argparse import ArgumentParser
from itertools import islice
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from ipadmin.audit import entries
from ipadmin.demo.history import accounts, facts
from ipadmin.models import AuditLink, User

BATCH_ENTRIES = 10_000


class Command(BaseCommand):
    help = "Add N made-up entries of the last three years. Only with the sandbox."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("count", type=int, metavar="N")
        parser.add_argument(
            "--seed", type=int, default=1, help="another number for another history"
        )

    def handle(self, *, count: int, seed: int, **options: Any) -> None:  # noqa: ARG002
        if not settings.SANDBOX:
            raise CommandError("Made-up entries are for the sandbox: see KATAPULT_API_URL.")
        if count < 1:
            raise CommandError("Give a number of entries, 1 or more.")
        if AuditLink.objects.exists():
            raise CommandError(
                "The audit log is not empty: made-up entries would mix with real ones."
            )
        started = time.monotonic()
        made_up = facts(count, seed=seed, now=timezone.now())
        done = 0
        User.objects.bulk_create(accounts(), ignore_conflicts=True)
        while batch := list(islice(made_up, BATCH_ENTRIES)):
            entries.add_finished(batch)
            done += len(batch)
            if self.stderr.isatty():
                self.stderr.write(f"\r{done:,} of {count:,}", ending="")
        self.stdout.write(f"{done:,} entries in {time.monotonic() - started:.0f} s")
