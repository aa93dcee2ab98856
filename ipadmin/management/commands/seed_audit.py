from __future__ import annotations

import time
from argparse import ArgumentParser
from itertools import islice
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from ipadmin.audit import entries
from ipadmin.demo.history import facts
from ipadmin.models import AuditLink

BATCH = 10_000


class Command(BaseCommand):
    help = (
        "Make up N attempts of the last three years, to try the history with. Only in the sandbox."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("count", type=int, metavar="N")
        parser.add_argument(
            "--seed", type=int, default=1, help="another history for another number"
        )

    def handle(self, *, count: int, seed: int, **options: Any) -> None:  # noqa: ARG002
        if not settings.SANDBOX:
            raise CommandError(
                "KATAPULT_API_URL is not the sandbox: made-up entries do not belong."
            )
        if count < 1:
            raise CommandError("Give a number of entries, 1 or more.")
        if AuditLink.objects.exists():
            raise CommandError("There is a history already: made-up entries would mix with it.")
        started = time.monotonic()
        made = facts(count, seed=seed, now=timezone.now())
        done = 0
        while some := list(islice(made, BATCH)):
            entries.add_finished(some)
            done += len(some)
            if self.stderr.isatty():
                self.stderr.write(f"\r{done:,} of {count:,}", ending="")
        self.stdout.write(f"{done:,} entries in {time.monotonic() - started:.0f} s")
