from __future__ import annotations

from django.core.management.base import BaseCommand

from ipadmin.models import AuditEntry
from ipadmin.services.reconcile import reconcile


class Command(BaseCommand):
    help = "Read the addresses of all open attempts once, and list those that are finished."

    def handle(self, *_args: object, **_options: object) -> None:
        finished = reconcile()
        for entry in finished:
            self.stdout.write(f"{entry.attempt_id} {entry.address} {entry.outcome}")
        still_open = AuditEntry.objects.filter(finished_at=None).count()
        self.stdout.write(f"{len(finished)} finished, {still_open} open")
