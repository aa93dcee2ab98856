from __future__ import annotations

import getpass
from typing import Any

from django.contrib.auth.management.commands import changepassword
from django.db import transaction

from ipadmin.audit.activity import about, command_line_actor, record
from ipadmin.models import LinkKind, User


class Command(changepassword.Command):
    """Django's. Whoever runs it knows the password now, so the person must change it."""

    def handle(self, *args: Any, **options: Any) -> str | None:
        # Not in one transaction, which would lock the database while somebody types.
        done = super().handle(*args, **options)
        with transaction.atomic():
            person = User.objects.get(username=options["username"] or getpass.getuser())
            person.must_change_password = True
            person.save(update_fields=["must_change_password"])
            ended, _ = person.sessions.all().delete()
            by = command_line_actor()
            record(LinkKind.PASSWORD_CHANGED, by, **about(person), sessions=ended)
        return done
