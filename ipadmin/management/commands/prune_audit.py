from __future__ import annotations

import argparse
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.utils import timezone

from ipadmin.audit import retention
from ipadmin.audit.activity import command_line_actor

# A date nearer than this is more likely a slip of the year than meant.
RECENT = timedelta(days=30)


class Command(BaseCommand):
    help = (
        "Export the finished attempts from before a day to a new file, and remove them. Each"
        " removal is sealed, so that verify_audit still holds. The chain of seals itself stays."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--before",
            type=_day,
            required=True,
            metavar="YYYY-MM-DD",
            help="the first day that is kept; it begins at 00:00 UTC",
        )
        parser.add_argument(
            "--export",
            type=Path,
            metavar="FILE",
            help="new file, for what is removed, as JSON lines",
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would be removed")
        parser.add_argument(
            "--really", action="store_true", help="even what is younger than 30 days"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        before: datetime = options["before"]
        if options["export"] is None and not options["dry_run"]:
            raise CommandError("Nothing is removed without --export FILE for it.")
        if before > timezone.now() - RECENT and not options["really"]:
            raise CommandError(
                f"{before:%Y-%m-%d} is less than 30 days ago, or still to come. If that is what"
                " you mean, add --really."
            )
        found = retention.prunable(before)
        if found is None:
            self.stdout.write(f"No finished attempt is from before {before:%Y-%m-%d}.")
            return
        first, last = (f"{at:%Y-%m-%d %H:%M} UTC" for at in (found.first, found.last))
        about = f"{found.entries:,} finished attempts, from {first} to {last},"
        self.stdout.write(f"{about} {'would' if options['dry_run'] else 'will'} be removed.")
        if not options["dry_run"]:
            self._prune(before, options["export"], found.entries)

    def _prune(self, before: datetime, path: Path, total: int) -> None:
        removed = 0

        def progress(done: str, count: int) -> None:
            nonlocal removed
            removed = count if done == "removed" else 0
            if self.stderr.isatty():
                self.stderr.write(f"\r{done} {count:,} of {total:,}  ", ending="")

        try:
            retention.prune(before, path, by=command_line_actor(), progress=progress)
        except (retention.NotPruned, OSError, DatabaseError) as error:
            so_far = "No entry was removed."
            if removed:
                so_far = (
                    f"{removed:,} were removed and sealed as such; the others are as they were."
                )
            raise CommandError(f"{str(error).rstrip('.')}. {so_far}") from error
        self.stdout.write(f"{removed:,} removed and sealed as such. They are in {path}.")


def _day(text: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day, as in 2025-12-31") from None
