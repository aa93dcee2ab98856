from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ipadmin.audit.activity import command_line_actor
from ipadmin.audit.integrity import verification


class Command(BaseCommand):
    help = (
        "Walk along the chain of seals and compare every audit entry with what was sealed. Names"
        " the first that was changed, removed, inserted or reordered, and ends with 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--checkpoint",
            default="",
            metavar="NUMBER:MAC",
            help="a checkpoint that was stored elsewhere: also detects deleted recent records",
        )

    def handle(self, *, checkpoint: str, **_options: Any) -> None:
        user_name = f"{command_line_actor().command_line}, on the command line"
        try:
            found = verification.prepare(user_name, checkpoint)
        except ValueError as error:
            raise CommandError(str(error), returncode=2) from error
        while found.is_running:
            verification.step(found, seconds=1)
            if sys.stderr.isatty():
                self.stderr.write(f"\r{found.sequence:,} of {found.total:,} links", ending="")
        if sys.stderr.isatty():
            self.stderr.write("")
        if not found.holds:
            raise CommandError(found.finding)
        self.stdout.write(verification.result(found))
