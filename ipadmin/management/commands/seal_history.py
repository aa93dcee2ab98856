from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ipadmin.services.proving.adoption import adopt


class Command(BaseCommand):
    help = (
        "Seal and count the audit entries from before there were seals: once, after the upgrade"
        " that brought them. A second run finds nothing to do."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        done = adopt(self._progress if sys.stderr.isatty() else lambda _done: None)
        self.stdout.write(
            f"Entries sealed as they were found, and counted: {done.finished:,}. Open ones sealed:"
            f" {done.opened:,}."
        )
        if done.left:
            raise CommandError(
                f"Entries left without a seal: {done.left:,}. They were not there before there were"
                " seals; verify_audit names the first."
            )

    def _progress(self, done: int) -> None:
        self.stderr.write(f"\r{done:,}", ending="")
