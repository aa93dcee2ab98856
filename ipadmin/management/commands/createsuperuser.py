from __future__ import annotations

from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.db import transaction

from ipadmin.audit.activity import about, command_line_actor, record
from ipadmin.models import LinkKind, User


class Command(createsuperuser.Command):
    """Django's, recorded in the audit log. A password that was not typed, but given in the
    environment, must be changed at the first sign-in."""

    def handle(self, *args: Any, **options: Any) -> None:
        # Not in one transaction, which would lock the database while somebody types.
        last = User.objects.order_by("pk").last()
        super().handle(*args, **options)
        with transaction.atomic():
            for person in User.objects.filter(pk__gt=last.pk if last else 0, is_superuser=True):
                if not options["interactive"] and person.has_usable_password():
                    person.must_change_password = True
                    person.save(update_fields=["must_change_password"])
                changed = {"old": "No account", "new": "Superuser"}
                record(LinkKind.ROLES_CHANGED, command_line_actor(), **about(person), **changed)
