from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from ipadmin.audit.integrity import chain
from ipadmin.management.person import person
from ipadmin.models import LinkKind


class Command(BaseCommand):
    help = (
        "Print the head of the chain of seals as NUMBER:MAC, and seal into the chain that it was"
        " taken. Have cron run it and keep the line where nobody who can write to this database"
        " can change it; `verify_audit --head` then notices a history that was cut off or written"
        " anew, even by somebody who has the keys."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        with transaction.atomic():
            seal = chain.seal_act(LinkKind.CHECKPOINT_CREATED, {"by": {"command_line": person()}})
        self.stdout.write(f"{seal.sequence}:{bytes(seal.mac).hex()}")
