from __future__ import annotations

import os
import time
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError

from ipadmin.katapult.errors import KatapultError
from ipadmin.katapult.types import Secret
from ipadmin.models import ApiToken, User
from ipadmin.services import tokens

PEOPLE = {"operator": "operator", "auditor": "auditor", "admin": "administrator"}
SANDBOX_START_SECONDS = 20


class Command(BaseCommand):
    help = "Create the sample users of `make run`, and the operator's token. Only with the sandbox."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        if not settings.SANDBOX:
            raise CommandError("Sample users are for the sandbox: see KATAPULT_API_URL.")
        password, token = os.environ.get("DEMO_PASSWORD"), os.environ.get("SANDBOX_TOKEN")
        if not password or not token:
            raise CommandError("Set DEMO_PASSWORD and SANDBOX_TOKEN, or use `make run`.")
        is_given = bool(os.environ.get("DEMO_PASSWORD_GIVEN"))
        people = [self._person(name, password, anew=is_given) for name in PEOPLE]
        self._token(people[0], Secret(token))
        changed = [person.username for person in people if not person.check_password(password)]
        if changed:
            self.stdout.write(f"Kept the passwords that were changed: {', '.join(changed)}.")

    def _person(self, name: str, password: str, *, anew: bool) -> User:
        """The sample user, created if missing; reset to its initial state if `anew`."""
        person, is_new = User.objects.get_or_create(username=name)
        if is_new or anew:
            person.set_password(password)
            person.save()
            person.groups.add(Group.objects.get(name=PEOPLE[name]))
        return person

    def _token(self, owner: User, secret: Secret) -> None:
        if ApiToken.objects.filter(owner=owner).exists():
            return
        deadline = time.monotonic() + SANDBOX_START_SECONDS
        while True:
            try:
                token = tokens.add(owner=owner, label="Sandbox", secret=secret)
                break
            except KatapultError as error:
                if time.monotonic() > deadline:
                    raise CommandError(f"The sandbox does not accept the token: {error}") from error
                time.sleep(0.2)
        if not token.is_ready:
            # The last by name is the larger one of the sandbox.
            tokens.choose_organization(token, tokens.organizations(token)[-1])
