"""The pages of people, for administrators."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.conf import LazySettings, settings
from django.contrib.auth.models import Group
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from ipadmin import access
from ipadmin.models import AuditLink, User
from ipadmin.services import lockouts, people
from ipadmin.ui import people_texts
from ipadmin.views.people import PER_PAGE, STEPS
from tests.conftest import PASSWORD, ClientOf
from tests.page import Page
from tests.views.conftest import HTMX
from tests.views.katapult import HOSTILE

URL = "/people/"
pytestmark = pytest.mark.django_db


@pytest.fixture
def adams(adam: User, client_of: ClientOf) -> Client:
    """adam's browser."""
    return client_of(adam)


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root", password=PASSWORD)


def url(user: User, step: str = "") -> str:
    return f"{URL}{user.pk}/{step and step + '/'}"


def role(name: str) -> int:
    return Group.objects.get(name=name).pk


def invite(client: Client, **form: Any) -> Any:
    return client.post(f"{URL}invite/", {"username": "dora", **form})


def links_in(answer: Any) -> list[str]:
    return re.findall(r'data-copy="(http://testserver/invitation/#[\w-]{43})"', answer.text)


# Who may


@pytest.mark.parametrize("who", ["alice", "audrey", "charlie"])
@pytest.mark.parametrize("path", ["", "invite/", "{pk}/", "{pk}/disable/", "{pk}/roles/"])
def test_only_administrators(
    request: pytest.FixtureRequest, client_of: ClientOf, bob: User, who: str, path: str
) -> None:
    client = client_of(request.getfixturevalue(who))
    for method in ("get", "post"):
        assert getattr(client, method)(URL + path.format(pk=bob.pk)).status_code in {403, 405}
    assert client.post(URL + path.format(pk=bob.pk)).status_code == (403 if path else 405)
    bob.refresh_from_db()
    assert bob.is_active


def test_the_staff_flag_opens_nothing(charlie: User, client_of: ClientOf) -> None:
    charlie.is_staff = True
    charlie.save()
    assert client_of(charlie).get(URL).status_code == 403


@pytest.mark.parametrize("step", ["", "roles", *STEPS])
def test_an_administrator_cannot_change_a_superuser(adams: Client, root: User, step: str) -> None:
    form = {"first_name": "x", "email": "adam@example.com"}
    assert adams.post(url(root, step), form).status_code == 403
    root.refresh_from_db()
    assert (root.is_active, root.email, root.check_password(PASSWORD)) == (True, "", True)
    assert "form" not in str(Page(adams.get(url(root))).one("main").html)


def test_a_superuser_changes_a_superuser(root: User, client_of: ClientOf) -> None:
    other = User.objects.create_superuser("other", password=PASSWORD)
    assert client_of(root).post(url(other, "disable")).status_code == 302
    other.refresh_from_db()
    assert not other.is_active


@pytest.mark.parametrize("step", ["", "roles", "invite", *STEPS])
def test_each_change_needs_a_recent_proof_of_identity(
    adams: Client, alice: User, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def refuse(*_args: object, **_limits: object) -> None:
        raise PermissionDenied

    monkeypatch.setattr(access, "require_identity", refuse)
    where = f"{URL}invite/" if step == "invite" else url(alice, step)
    answer = adams.post(where, {"username": "dora", "email": "x@example.com"})
    assert answer.status_code == 403
    assert not AuditLink.objects.exists()
    assert User.objects.count() == 2


@pytest.mark.parametrize("step", ["roles", *STEPS])
def test_nobody_changes_their_own_access(adams: Client, adam: User, step: str) -> None:
    form = {"roles": [role("operator"), role("auditor"), role("administrator")]}
    answer = adams.post(url(adam, step), form, follow=True)
    assert people.NOT_YOUR_OWN.replace("'", "&#x27;") in answer.text
    adam.refresh_from_db()
    assert [group.name for group in adam.groups.all()] == ["administrator"]
    assert adam.is_active
    assert adam.check_password(PASSWORD)
    assert not AuditLink.objects.exists()


def test_ones_own_page_offers_names_only(adams: Client, adam: User) -> None:
    page = Page(adams.get(url(adam)))
    assert people_texts.OWN_ACCESS in page.text
    assert not page.all('input[name="roles"]')
    assert not page.all('a[href$="/disable/"]')
    adams.post(url(adam), {"first_name": "Adam", "last_name": "", "email": ""})
    adam.refresh_from_db()
    assert adam.first_name == "Adam"


# The list


def test_the_list_shows_roles_and_states(adams: Client, alice: User, bob: User) -> None:
    invite(adams)
    adams.post(url(bob, "disable"))
    rows = Page(adams.get(URL)).texts("tbody tr")
    assert [row.split()[0] for row in rows] == ["adam", "alice", "dora", "bob"]
    states = ["Active", "Active", "Invited", "Disabled"]
    assert all(row.endswith(state) for row, state in zip(rows, states, strict=True))
    assert "operator" in rows[1]


def test_the_list_by_pages_and_for_htmx(adams: Client) -> None:
    User.objects.bulk_create(User(username=f"person-{n:02}") for n in range(PER_PAGE + 4))
    part = adams.get(f"{URL}?q=person", headers=HTMX)
    assert "<html" not in part.text
    assert len(Page(part).all("tbody tr")) == PER_PAGE
    assert len(Page(adams.get(URL + Page(part).link("next"))).all("tbody tr")) == 4


@pytest.mark.parametrize(
    "query", [{"q": HOSTILE}, {"state": HOSTILE}, {"page": HOSTILE}, {"q": "\0"}]
)
def test_whatever_is_asked(adams: Client, query: dict[str, str]) -> None:
    answer = adams.get(URL, query)
    assert answer.status_code == 200
    assert HOSTILE not in answer.text


def test_what_someone_wrote_into_names_is_text(adams: Client, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(first_name=HOSTILE[:150], email=HOSTILE[:200])
    for where in (URL, url(alice), url(alice, "disable")):
        assert HOSTILE[:20] not in adams.get(where).text


# One person


def test_names_and_roles_are_changed(adams: Client, alice: User) -> None:
    form = {"first_name": "Alice", "last_name": "Smith", "email": "a@example.com"}
    assert adams.post(url(alice), form).status_code == 302
    adams.post(url(alice, "roles"), {"roles": [role("auditor")]})
    alice.refresh_from_db()
    assert (alice.display_name, alice.email) == ("Alice Smith", "a@example.com")
    assert [group.name for group in alice.groups.all()] == ["auditor"]
    assert "Alice Smith" in adams.get(url(alice)).text


@pytest.mark.parametrize("form", [{"email": "nonsense"}, {"first_name": "x" * 151}])
def test_invalid_details(adams: Client, alice: User, form: dict[str, str]) -> None:
    answer = adams.post(url(alice), form)
    assert answer.status_code == 422
    assert Page(answer).all("[aria-invalid]")


def test_no_form_changes_user_name_or_privileges(adams: Client, alice: User) -> None:
    form = {"username": "olga", "is_superuser": "on", "is_staff": "on", "is_active": ""}
    adams.post(url(alice), {**form, "password": "x", "user_permissions": "1"})
    alice.refresh_from_db()
    assert (alice.username, alice.is_superuser, alice.is_staff) == ("alice", False, False)
    assert alice.is_active
    assert alice.check_password(PASSWORD)


def test_an_unknown_role(adams: Client, alice: User) -> None:
    adams.post(url(alice, "roles"), {"roles": ["99"]})
    assert [group.name for group in alice.groups.all()] == ["operator"]


@pytest.mark.parametrize("step", STEPS)
def test_each_step_asks_first(adams: Client, alice: User, step: str) -> None:
    page = Page(adams.get(url(alice, step)))
    assert "alice" in page.one("h1").text()
    assert page.all('form[method="post"] button[type="submit"]')
    assert not AuditLink.objects.exists()


def test_the_steps_that_are_offered(
    adams: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offered(user: User) -> list[str]:
        found = [href.split("/")[-2] for href in Page(adams.get(url(user))).values("href", "main")]
        return [step for step in found if step in STEPS]

    invite(adams)
    dora = User.objects.get(username="dora")
    assert offered(alice) == ["reset", "sessions", "disable"]
    assert offered(dora) == ["revoke", "reset", "disable"]
    adams.post(url(dora, "revoke"))
    assert offered(dora) == ["reset", "disable"]
    adams.post(url(dora, "disable"))
    assert offered(dora) == ["enable"]
    monkeypatch.setattr(lockouts, "locked_among", lambda people: {each.pk for each in people})
    assert offered(alice) == ["unlock", "reset", "sessions", "disable"]
    assert "Locked out" in adams.get(url(alice)).text


def test_queries_do_not_grow_with_the_people(adams: Client) -> None:
    """With the cache of lock-outs in the database, as it is by default."""

    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            adams.get("/people/")
        return len(asked)

    with override_settings(CACHES=settings.CACHES | {"default": settings.DATABASE_CACHE}):
        few = queries()
        User.objects.bulk_create(User(username=f"person-{number}") for number in range(20))
        assert queries() == few


def test_auditors_see_the_activity_of_a_person(
    adam: User, adams: Client, alice: User, bob: User
) -> None:
    adams.post(url(alice, "roles"), {"roles": [role("auditor")]})
    adams.post(url(bob, "roles"), {"roles": []})
    assert "Roles of" not in adams.get(url(alice)).text
    adam.groups.add(role("auditor"))
    text = adams.get(url(alice)).text
    assert "Roles of alice changed" in text
    assert "Roles of bob changed" not in text


def test_an_unknown_person(adams: Client) -> None:
    for path in ("99/", "99/disable/", "1/nonsense/"):
        assert adams.get(URL + path).status_code == 404


# Invitations


def test_an_invitation_is_shown_once(adams: Client) -> None:
    answer = invite(adams, first_name="Dora", roles=[role("operator")])
    assert answer.status_code == 302
    first = adams.get(answer["Location"])
    [link] = links_in(first)
    assert first["Cache-Control"].count("no-store") == 1
    again = adams.get(answer["Location"])
    assert link.partition("#")[2] not in again.text
    assert "A link is waiting" in again.text
    dora = User.objects.get(username="dora")
    assert dora.has_perm("ipadmin.use_apitoken")
    assert not dora.has_usable_password()


def test_another_page_does_not_show_the_link(adams: Client, alice: User) -> None:
    answer = invite(adams)
    assert links_in(adams.get(url(alice))) == []
    assert adams.head(answer["Location"]).status_code == 200
    assert len(links_in(adams.get(answer["Location"]))) == 1


@pytest.mark.parametrize(
    "name", ["", "ALICE", "\u0430lice", "do ra", "dora\u200b", "<b>", "x" * 151, "\u0131"]
)
def test_a_user_name_is_ascii_and_unique_in_any_case(adams: Client, alice: User, name: str) -> None:
    answer = invite(adams, username=name)
    assert answer.status_code == 422
    assert Page(answer).all("input[name=username][aria-invalid]")
    assert User.objects.count() == 2


def test_the_same_name_in_two_tabs(adams: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(*_args: object) -> str:
        raise IntegrityError

    monkeypatch.setattr(people, "invite", taken)
    answer = invite(adams)
    assert answer.status_code == 422
    assert people_texts.NAME_TAKEN in answer.text


def test_a_reset_shows_a_link(adams: Client, alice: User) -> None:
    answer = adams.post(url(alice, "reset"), follow=True)
    assert len(links_in(answer)) == 1
    alice.refresh_from_db()
    assert not alice.has_usable_password()


def test_the_link_is_sent_by_mail_too(adams: Client, settings: LazySettings) -> None:
    settings.EMAIL_HOST = "mail.example.com"
    answer = adams.get(invite(adams, email="dora@example.com")["Location"])
    [sent] = mail.outbox
    assert sent.to == ["dora@example.com"]
    assert links_in(answer)[0] in sent.body
    assert "dora@example.com" in answer.text


def test_a_mail_server_that_fails(
    adams: Client, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> None:
        raise ConnectionRefusedError

    settings.EMAIL_HOST = "mail.example.com"
    monkeypatch.setattr("ipadmin.views.people.send_mail", fail)
    answer = adams.get(invite(adams, email="dora@example.com")["Location"])
    assert people_texts.NOT_MAILED in answer.text
    assert len(links_in(answer)) == 1


def test_without_a_mail_server_nothing_is_sent(adams: Client) -> None:
    invite(adams, email="dora@example.com")
    assert mail.outbox == []
