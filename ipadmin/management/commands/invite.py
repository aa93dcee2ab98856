from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

from ipadmin.audit.activity import command_line_actor
from ipadmin.models import User
from ipadmin.services import people


class Command(BaseCommand):
    help = "Create an account, and print a link with which its owner sets a password."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the user name")
        parser.add_argument(
            "--administrator", action="store_true", help="with the role administrator"
        )
        parser.add_argument(
            "--url",
            default=settings.SITE_URL,
            help="how people open the site; SITE_URL by default",
        )

    def handle(self, *, name: str, administrator: bool, url: str, **_options: Any) -> None:
        if not url.startswith(("https://", "http://")):
            raise CommandError("Give the site's URL, as in --url https://ip.example.com")
        person = User(username=name)
        person.set_unusable_password()
        try:
            person.full_clean()
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        roles = (
            Group.objects.filter(name="administrator") if administrator else Group.objects.none()
        )
        secret = people.invite(person, roles, command_line_actor())
        self.stdout.write(f"{url.rstrip('/')}{reverse('invitation')}#{secret}")
        self.stderr.write(f"Valid for {settings.INVITATION_HOURS} hours, and once.")
