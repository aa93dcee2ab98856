from __future__ import annotations

import sys
from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from ipadmin.audit.activity import command_line_actor
from ipadmin.audit.integrity import verification
from ipadmin.audit.integrity.checkpoint import parse_checkpoint
from ipadmin.models import AuditVerification


class Command(BaseCommand):
    help = (
        "Verify the hash chain, and compare every audit entry with what was sealed. Prints the"
        " first problem, if there is one, and exits with 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--checkpoint",
            default="",
            metavar="NUMBER:SEAL",
            help="a checkpoint that was stored elsewhere: also detects deleted recent records",
        )

    def handle(self, *, checkpoint: str, **_options: object) -> None:
        user_name = f"{command_line_actor().command_line}, on the command line"
        try:
            parsed = parse_checkpoint(checkpoint)
        except ValueError as error:
            raise CommandError(str(error), returncode=2) from error
        result = verification.verify(parsed, self._show_progress)
        if sys.stderr.isatty():
            self.stderr.write("")
        verified = AuditVerification(user_name=user_name, checkpoint=str(parsed or ""))
        try:
            verification.record(verified, result)
        except DatabaseError as error:
            # As with a read-only copy.
            self.stderr.write(f"The result could not be stored: {error}")
        if result.finding:
            raise CommandError(result.finding)
        pruned = f", pruned: {result.pruned:,}" if result.pruned else ""
        self.stdout.write(f"{verified.title} (entries: {result.entries:,}{pruned})")

    def _show_progress(self, done: int, total: int) -> None:
        if sys.stderr.isatty():
            self.stderr.write(f"\r{done:,} of {total:,} records", ending="")
