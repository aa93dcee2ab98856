"""`manage.py sandbox`: a local Katapult API; needs no secret key and no database."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ipadmin.sandbox import Options, SandboxError, serve
from ipadmin.sandbox.options import add_arguments


class Command(BaseCommand):
    help = "Run a local Katapult API over real HTTP, with its own addresses."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        try:
            serve(Options.from_parsed(options))
        except SandboxError as error:
            raise CommandError(str(error)) from error
