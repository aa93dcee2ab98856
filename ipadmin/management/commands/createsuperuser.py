from __future__ import annotations

from typing import Any

from django.contrib.auth.management.commands import createsuperuser

from ipadmin.audit.activity import command_line_actor, record
from ipadmin.models import LinkKind, User
from ipadmin.services.people import named


class Command(createsuperuser.Command):
    """Django's, recorded in the audit log."""

    def handle(self, *args: Any, **options: Any) -> str | None:
        before = [*User.objects.filter(is_superuser=True).values_list("pk", flat=True)]
        answer = super().handle(*args, **options)
        for person in User.objects.filter(is_superuser=True).exclude(pk__in=before):
            by = command_line_actor()
            record(LinkKind.ROLES_CHANGED, by, **named(person), old=[], new=["superuser"])
        return answer
