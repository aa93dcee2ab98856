from __future__ import annotations

import uuid

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.test import Client

from ipadmin.admin import site
from ipadmin.models import ApiToken, AuditEntry, User
from tests.conftest import PASSWORD, ClientOf, person
from tests.page import Page

USERS = "/admin/ipadmin/user/"
pytestmark = pytest.mark.django_db


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root", password=PASSWORD)


def page_of(user: User, what: str = "change") -> str:
    return f"{USERS}{user.pk}/{what}/"


def fields_of(client: Client, user: User) -> set[str]:
    page = Page(client.get(page_of(user)))
    return {field.attributes["name"] or "" for field in page.all("input[name], select[name]")}


def test_the_admin_site_has_users_only() -> None:
    names = {model.__name__ for model in site._registry}
    assert names == {"User", "Group"}
    assert not site.is_registered(ApiToken)
    assert not site.is_registered(AuditEntry)


def test_an_administrator_sees_users(adam: User, alice: User, client_of: ClientOf) -> None:
    client = client_of(adam)
    assert "SANDBOX" in client.get("/admin/").text
    assert "alice" in client.get(USERS).text


@pytest.mark.parametrize(
    "path", ["", "ipadmin/user/", "ipadmin/user/add/", "auth/group/", "ipadmin/user/%s/change/"]
)
def test_admin_pages_respect_the_content_security_policy(
    adam: User, client_of: ClientOf, path: str
) -> None:
    page = Page(client_of(adam).get(f"/admin/{path.replace('%s', str(adam.pk))}"))
    assert page.one("html")
    assert page.all('script:not([src], [type="application/json"])') == []
    assert page.all('style, [style], [href^="javascript:"]') == []
    names = {name for element in page.all("*") for name in element.attributes}
    assert [name for name in names if name.startswith("on")] == []


@pytest.mark.parametrize("name", ["operator", "auditor", None])
def test_only_administrators_see_users(client_of: ClientOf, name: str | None) -> None:
    client = client_of(person("zoe", name))
    answer = client.get(USERS, follow=True)
    assert answer.status_code == 403


def test_the_staff_flag_alone_opens_nothing(charlie: User, client_of: ClientOf) -> None:
    charlie.is_staff = True
    charlie.save()
    assert client_of(charlie).get("/admin/", follow=True).status_code == 403


def test_the_admin_site_uses_the_sign_in_page(client: Client) -> None:
    answer = client.get("/admin/", follow=True)
    assert answer.redirect_chain[-1][0].startswith("/accounts/login/?next=/admin/")


def test_the_admin_site_has_no_sign_in_form_of_its_own(client: Client, adam: User) -> None:
    client.post("/admin/login/", {"username": "adam", "password": PASSWORD})
    assert "_auth_user_id" not in client.session


def test_the_admin_site_links_to_the_page_that_changes_the_password(
    adam: User, client_of: ClientOf
) -> None:
    answer = client_of(adam).get("/admin/password_change/")
    assert answer["Location"] == "/accounts/password/change/"


def test_signing_out_of_the_admin_site(adam: User, client_of: ClientOf) -> None:
    client = client_of(adam)
    client.post("/admin/logout/")
    assert "_auth_user_id" not in client.session


def test_the_user_form_offers_no_privileges(adam: User, alice: User, client_of: ClientOf) -> None:
    fields = fields_of(client_of(adam), alice)
    assert "groups" in fields
    assert Page(client_of(adam).get(page_of(alice))).all('input[type="checkbox"][name="groups"]')
    assert fields.isdisjoint({"is_superuser", "is_staff", "user_permissions"})


def test_posted_privileges_are_ignored(adam: User, alice: User, client_of: ClientOf) -> None:
    form = {"username": "alice", "is_active": "on", "is_superuser": "on", "is_staff": "on"}
    answer = client_of(adam).post(page_of(alice), form | {"user_permissions": "1"})
    assert answer.status_code == 302
    alice.refresh_from_db()
    assert not alice.is_superuser
    assert not alice.is_staff
    assert not alice.user_permissions.exists()
    assert not alice.groups.exists()


def test_a_new_administrator_may_enter_the_admin_site(
    adam: User, charlie: User, client_of: ClientOf
) -> None:
    group = Group.objects.get(name="administrator")
    form = {"username": "charlie", "is_active": "on", "groups": str(group.pk)}
    client_of(adam).post(page_of(charlie), form)
    assert client_of(charlie).get(USERS).status_code == 200


def test_a_former_administrator_may_not_enter_the_admin_site(
    adam: User, client_of: ClientOf
) -> None:
    other = person("zoe", "administrator")
    other.is_staff = True
    other.save()
    client_of(adam).post(page_of(other), {"username": "zoe", "is_active": "on"})
    other.refresh_from_db()
    assert not other.is_staff
    assert client_of(other).get(USERS, follow=True).status_code == 403


@pytest.mark.parametrize("what", ["change", "delete", "password"])
def test_an_administrator_cannot_change_a_superuser(
    adam: User, root: User, client_of: ClientOf, what: str
) -> None:
    form = {"username": "root", "password1": "x" * 20, "password2": "x" * 20, "post": "yes"}
    page = f"{USERS}{root.pk}/{what}/"
    assert client_of(adam).post(page, form | {"usable_password": "true"}).status_code == 403
    root.refresh_from_db()
    assert root.check_password(PASSWORD)


def test_a_superuser_sees_no_token(root: User, client_of: ClientOf) -> None:
    client = client_of(root)
    assert client.get("/admin/ipadmin/apitoken/").status_code == 404
    assert client.get("/admin/ipadmin/auditentry/").status_code == 404


def test_deleting_a_user_does_not_list_their_tokens(
    adam: User, alice: User, client_of: ClientOf
) -> None:
    ApiToken.objects.create(
        owner=alice, label="my own words", encrypted_secret=b"", last_four="", fingerprint=""
    )
    client = client_of(adam)
    page = client.get(page_of(alice, "delete"))
    assert page.status_code == 200
    assert "my own words" not in page.text
    assert client.post(page_of(alice, "delete"), {"post": "yes"}).status_code == 302
    assert not User.objects.filter(username="alice").exists()


def test_adding_a_user(adam: User, client_of: ClientOf) -> None:
    group = Group.objects.get(name="operator")
    password = "quite another passphrase"
    form = {"username": "dora", "password1": password, "password2": password}
    answer = client_of(adam).post(
        f"{USERS}add/", form | {"usable_password": "true", "groups": str(group.pk)}
    )
    assert answer.status_code == 302
    dora = User.objects.get(username="dora")
    assert dora.has_perm("ipadmin.use_apitoken")
    assert not dora.is_staff


def test_roles_cannot_be_changed_in_the_admin_site(adam: User, client_of: ClientOf) -> None:
    group = Group.objects.get(name="auditor")
    client = client_of(adam)
    page = f"/admin/auth/group/{group.pk}/change/"
    assert client.get(page).status_code == 200
    assert client.post(page, {"name": "auditor"}).status_code == 403


def test_log_entries_keep_the_name_of_a_deleted_administrator(
    adam: User, alice: User, client_of: ClientOf
) -> None:
    other = person("zoe", "administrator")
    User.objects.filter(pk=other.pk).update(is_staff=True)
    form = {"password1": "quite another passphrase", "password2": "quite another passphrase"}
    client_of(other).post(page_of(alice, "password"), form | {"usable_password": "true"})
    answer = client_of(adam).post(page_of(other, "delete"), {"post": "yes"})
    assert answer.status_code == 403
    assert LogEntry.objects.get(user=other).object_id == str(alice.pk)


def test_no_admin_url_leads_to_an_audit_entry(adam: User, client_of: ClientOf) -> None:
    entry = AuditEntry.objects.create(attempt_id=uuid.uuid4(), user_id=1, token_id=uuid.uuid4())
    kind = ContentType.objects.get_for_model(AuditEntry)
    assert client_of(adam).get(f"/admin/r/{kind.pk}/{entry.pk}/").status_code == 404
