"""Django's commands that set passwords."""

from __future__ import annotations

import getpass
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from ipadmin.models import AuditLink, LinkKind, Session, User
from tests.conftest import PASSWORD, ClientOf

NEW = "quite another passphrase"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getpass", lambda *_, **__: NEW)


def recorded(kind: LinkKind) -> dict[str, Any]:
    return dict(AuditLink.objects.get(kind=kind).details or {})


def test_a_password_set_by_someone_else_must_be_changed(alice: User, client_of: ClientOf) -> None:
    client_of(alice)
    call_command("changepassword", "alice", verbosity=0)
    alice.refresh_from_db()
    assert alice.check_password(NEW)
    assert alice.must_change_password
    assert not Session.objects.exists()
    details = recorded(LinkKind.PASSWORD_CHANGED)
    assert (details["person"], details["sessions"]) == ("alice", 1)
    assert details["by"]["command_line"]


def test_a_refused_password_changes_nothing(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getpass", lambda *_, **__: "katapult1234")
    with pytest.raises(CommandError):
        call_command("changepassword", "alice")
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)
    assert not alice.must_change_password
    assert not AuditLink.objects.exists()


@pytest.mark.parametrize("password", [NEW, None])
def test_a_superuser_with_a_given_password_must_change_it(
    db: None, monkeypatch: pytest.MonkeyPatch, password: str | None
) -> None:
    if password:
        monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", password)
    names = {"username": "root", "email": "root@example.com"}
    call_command("createsuperuser", interactive=False, verbosity=0, **names)
    person = User.objects.get()
    assert person.must_change_password is bool(password)
    details = recorded(LinkKind.ROLES_CHANGED)
    assert (details["person"], details["new"]) == ("root", "Superuser")


def test_a_superuser_who_typed_a_password_keeps_it(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

    names = {"username": "root", "email": "root@example.com"}
    call_command("createsuperuser", verbosity=0, stdin=Terminal(), **names)
    person = User.objects.get()
    assert person.check_password(NEW)
    assert not person.must_change_password
