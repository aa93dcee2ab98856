from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from ipadmin.audit import activity
from ipadmin.audit.activity import command_line_actor
from ipadmin.models import LinkKind


class Command(BaseCommand):
    help = (
        "Print the head of the chain of seals as NUMBER:MAC, and seal into the chain that it was"
        " taken. Have cron run it and keep the line where nobody who can write to this database"
        " can change it; `verify_audit --head` then notices a history that was cut off or written"
        " anew, even by somebody who has the keys."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        seal = activity.add(LinkKind.CHECKPOINT_CREATED, command_line_actor(), {})
        self.stdout.write(f"{seal.sequence}:{bytes(seal.mac).hex()}")
