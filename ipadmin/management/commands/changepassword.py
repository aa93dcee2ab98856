from __future__ import annotations

import getpass
from typing import Any

from django.contrib.auth.management.commands import changepassword

from ipadmin.audit.activity import command_line_actor, record
from ipadmin.models import LinkKind, User
from ipadmin.services.people import named


class Command(changepassword.Command):
    """Django's, recorded in the audit log. The person has to choose another one at once."""

    def handle(self, *args: Any, **options: Any) -> str | None:
        answer = super().handle(*args, **options)
        person = User.objects.get(username=options["username"] or getpass.getuser())
        User.objects.filter(pk=person.pk).update(must_change_password=True)
        record(LinkKind.PASSWORD_CHANGED, command_line_actor(), **named(person))
        return answer
