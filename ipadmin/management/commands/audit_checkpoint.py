from __future__ import annotations

from django.core.management.base import BaseCommand

from ipadmin.audit.activity import command_line_actor, record
from ipadmin.audit.integrity.checkpoint import Checkpoint
from ipadmin.models import LinkKind


class Command(BaseCommand):
    help = (
        "Print a checkpoint, NUMBER:SEAL of the last link of the hash chain, and seal that it was"
        " created. Run it with cron, and store the line where nobody who can write to this database"
        " can change it. `verify_audit --checkpoint` then detects deleted recent records, and a"
        " chain that was rewritten by someone who has the keys."
    )

    def handle(self, *_args: object, **_options: object) -> None:
        link = record(LinkKind.CHECKPOINT_CREATED, command_line_actor())
        self.stdout.write(str(Checkpoint(link.sequence, bytes(link.seal))))
