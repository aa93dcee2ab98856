"""The command that makes an account and prints a link."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.test import Client

from ipadmin.models import AuditLink, User
from ipadmin.services import people
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db


def output(name: str, *arguments: str, **options: Any) -> str:
    out = StringIO()
    call_command(name, *arguments, stdout=out, stderr=StringIO(), **options)
    return out.getvalue().strip()


def recorded() -> list[tuple[str, Any, Any]]:
    links = AuditLink.objects.order_by("sequence")
    return [
        (each.kind, (each.details or {})["person"], "command_line" in (each.details or {})["by"])
        for each in links
    ]


def test_inviting_the_first_administrator(client: Client, settings: LazySettings) -> None:
    settings.SITE_URL = "https://ip.example.com"
    page, _, secret = output("invite", "--administrator", "adam").partition("#")
    assert page == "https://ip.example.com/invitation/"
    form = {"secret": secret, "new_password1": PASSWORD, "new_password2": PASSWORD}
    client.post("/invitation/", form)
    assert client.get("/people/").status_code == 200
    assert [each.username for each in people.administrators()] == ["adam"]
    assert recorded()[0] == ("person_invited", "adam", True)


def test_inviting_without_a_role_and_with_a_url() -> None:
    link = output("invite", "dora", "--url", "http://localhost:8000/")
    assert link.startswith("http://localhost:8000/invitation/#")
    assert not User.objects.get(username="dora").groups.exists()


@pytest.mark.parametrize("name", ["ALICE", "d ora", "\u0430dam", ""])
def test_a_name_that_is_not_possible(alice: User, name: str) -> None:
    with pytest.raises(CommandError):
        output("invite", name, "--url", "https://ip.example.com")
    assert User.objects.count() == 1
    assert not AuditLink.objects.exists()


def test_without_a_host_the_url_is_needed(settings: LazySettings) -> None:
    settings.SITE_URL = ""
    with pytest.raises(CommandError, match="--url"):
        output("invite", "dora")
