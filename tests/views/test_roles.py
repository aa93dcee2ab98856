"""Every URL, every role, every method: a new page fails here until it says who may use it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import get_resolver, reverse

from ipadmin.models import ApiToken, User
from ipadmin.views.people import STEPS
from tests.conftest import ClientOf, person
from tests.views.test_every_page import patterns, url_of

OPERATOR, AUDITOR, ADMINISTRATOR = "operator", "auditor", "administrator"
READERS = {OPERATOR, AUDITOR}
METHODS = ("get", "head", "post", "put", "patch", "delete", "options")
# Names of URLs to the roles that may use them. Anyone who is signed in may use the others of
# EVERYONE; the pages of PUBLIC need no sign-in.
ROLES = {
    OPERATOR: {
        *("what_if", "tokens", "token_add", "token", "token_organization", "token_check"),
        *("token_replace", "token_delete", "addresses", "addresses_read", "lookup", "machine"),
        *(
            "address",
            "unallocate",
            "undo",
            "addresses_home",
            "connect",
            "connected",
            "token_connect",
        ),
        *("waiting", "run_add", "run_start", "run_retry", "run_undo", "run_pause", "run_resume"),
        *("run_stop", "run_approve", "run_reject", "undo"),
    },
    AUDITOR: {"integrity", "verification", "activity"},
    ADMINISTRATOR: {
        *("people", "person", "person_invite", "person_roles", "notifications"),
        *(f"person_{step}" for step in STEPS),
    },
}
HISTORY = {
    *("audit", "audit_export", "audit_entry", "audit_entry_json", "attempt_result"),
    *("address_now", "address_timeline", "address_attempts", "runs", "run", "run_rows"),
}
EVERYONE = {"home", "search", "theme", "time_zone", "times", "account", "sessions", "stay"}
PUBLIC = {"healthz", "invitation"}
NAMES = sorted({each.name or "" for each in patterns(get_resolver())})
# Those of allauth have no roles.
OURS = [name for name in NAMES if not name.startswith(("account_", "mfa_", "oidc_", "openid_"))]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("katapult", "zoe")]


def allowed(name: str) -> set[str]:
    if name in HISTORY:
        return READERS
    found = {role for role, names in ROLES.items() if name in names}
    assert found or name in EVERYONE | PUBLIC, f"Who may use {name}?"
    return found or {OPERATOR, AUDITOR, ADMINISTRATOR, ""}


@pytest.fixture
def zoe(db: None) -> User:
    return person("zoe")


def statuses(client: Client, url: str) -> set[int]:
    client.raise_request_exception = False
    return {getattr(client, method)(url).status_code for method in METHODS}


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("role", [OPERATOR, AUDITOR, ADMINISTRATOR, ""])
def test_a_role_uses_its_own_pages_only(
    client_of: ClientOf, token: ApiToken, name: str, role: str
) -> None:
    user = token.owner
    user.groups.set(Group.objects.filter(name=role))
    found = statuses(client_of(user), url_of(name, token))
    assert max(found) < 500
    if role not in allowed(name):
        # Or a method that nobody may use.
        assert found <= {403, 405}
    elif name != "addresses_home":
        assert found != {403, 405}


@pytest.mark.parametrize("name", OURS)
def test_nobody_uses_a_page_without_a_sign_in(client: Client, token: ApiToken, name: str) -> None:
    url = url_of(name, token)
    if name in PUBLIC:
        return
    client.raise_request_exception = False
    for method in METHODS:
        answer = getattr(client, method)(url)
        assert answer.status_code in {302, 405}
        if answer.status_code == 302:
            assert answer["Location"].startswith(reverse("account_login"))
