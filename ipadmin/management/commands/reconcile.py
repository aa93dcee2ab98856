from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from ipadmin.models import AuditEntry
from ipadmin.services.reconcile import reconcile


class Command(BaseCommand):
    help = "Take every open attempt one step further, by reading its address, and say what closed."

    def handle(self, *_args: Any, **_options: Any) -> None:
        closed = reconcile()
        for entry in closed:
            self.stdout.write(f"{entry.attempt_id} {entry.address} {entry.outcome}")
        still_open = AuditEntry.objects.filter(finished_at=None).count()
        self.stdout.write(f"{len(closed)} closed, {still_open} open")
