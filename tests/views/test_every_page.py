"""What holds for every URL there is, so that a new one cannot forget it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from allauth.mfa.models import Authenticator as Factor
from django.contrib.auth.models import Group
from django.core.cache import caches
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from ipadmin.adapter import MfaAdapter
from ipadmin.katapult.types import Organization
from ipadmin.models import ApiToken, AuditEntry, AuditVerification, Run, RunItem, RunState, User
from ipadmin.views.addresses import SEPARATOR
from ipadmin.views.people import STEPS
from tests.authenticator import Authenticator
from tests.conftest import ClientOf, person
from tests.page import Page
from tests.services.conftest import keep_token
from tests.services.katapult import ADDRESS, IP, VM
from tests.views.conftest import HTMX, PLANTED, MakeEntry
from tests.views.katapult import Organizations, listed, many

ATTEMPT, RUN = uuid.UUID(int=1), uuid.UUID(int=2)
RUN_STEPS = {
    *("run_add", "run_start", "run_retry", "run_undo", "run_pause", "run_resume", "run_stop"),
    *("run_approve", "run_reject"),
}
# May be seen by anybody.
PUBLIC = {"healthz", "account_login", "mfa_login_webauthn", "invitation"}
# Lead to the sign-in without a way back.
ENTRANCE = {"account_logout", "mfa_authenticate"}
POST_ONLY = {
    *("token_check", "person_roles", "time_zone", "times", "theme", "stay"),
    *("connect", "token_connect"),
    *RUN_STEPS,
}
WRITES = {
    # Long pasted texts.
    "search",
    "undo",
    *("token_add", "token", "token_organization", "token_check", "token_replace"),
    *("token_delete", "unallocate", "time_zone", "times", "theme", "audit_export"),
    *("integrity", "verification", "what_if", "sessions", "stay", "connect", "token_connect"),
    *("person", "person_invite", "person_roles", *(f"person_{step}" for step in STEPS)),
    *("invitation", "notifications"),
    *RUN_STEPS,
}
# Scripts ask for these alone.
PARTS = {"attempt_result", "addresses_read"}
# Are for programs.
DATA = {"healthz", "audit_entry_json"}
# Sign-in elsewhere, which is not configured here: tests/test_federation.py.
FEDERATION = {"oidc_login", "oidc_prove", "openid_connect_callback"}
# Lead somewhere else.
REDIRECTS = {
    *("home", "addresses_home", "address", "lookup", "token_organization", "account_login"),
    *("account_set_password", "mfa_index", "mfa_list_webauthn", "mfa_login_webauthn"),
    *("mfa_authenticate", "mfa_activate_totp", "connected", "run_rows"),
}


def patterns(resolver: URLResolver) -> Iterator[URLPattern]:
    for each in resolver.url_patterns:
        if isinstance(each, URLPattern):
            yield each
        else:
            yield from patterns(each)


NAMES = sorted({pattern.name or "" for pattern in patterns(get_resolver())} - FEDERATION)
OURS = [name for name in NAMES if not name.startswith(("account_", "mfa_"))]
every_url = pytest.mark.parametrize("name", NAMES)
pytestmark = pytest.mark.django_db


def url_of(name: str, token: ApiToken) -> str:
    """The URL of this name, for alice's token, the one address and the one attempt."""
    values: dict[str, Any] = {
        "token_id": token.id,
        "address_id": IP,
        "address": ADDRESS,
        "machine_id": VM,
        "attempt_id": ATTEMPT,
        "run_id": RUN,
        "verification_id": 1,
        "pk": 1,
        "person_id": User.objects.get(username="zoe").pk,
    }
    [pattern] = [each for each in patterns(get_resolver()) if each.name == name]
    wanted = pattern.pattern.converters
    return reverse(name, kwargs={key: values[key] for key in wanted})


def content_of(answer: Any) -> str:
    """The whole content; of a streamed list the last part, which replaces the others."""
    if not answer.streaming:
        return str(answer.content.decode())
    parts = b"".join(answer.streaming_content).decode().split(SEPARATOR)
    return parts[-2] if len(parts) > 1 else ""


@pytest.fixture
def alices(alice: User, client_of: ClientOf) -> Client:
    """alice's browser. She has every role here, so that every page is open to her."""
    alice.groups.set(Group.objects.all())
    client = client_of(alice)
    device = Authenticator()
    # No page is asked for this, because every test would wait for it.
    asked = {"publicKey": {"user": {"id": "alice"}, "challenge": "any"}}
    data = {"name": "x", "credential": device.create(asked)}
    Factor.objects.create(pk=1, user=alice, type="webauthn", data=data)
    app, seed = MfaAdapter().encrypt("A" * 32), MfaAdapter().encrypt("seed")
    Factor.objects.create(pk=2, user=alice, type="totp", data={"secret": app})
    codes = {"seed": seed, "used_mask": 0}
    Factor.objects.create(pk=3, user=alice, type="recovery_codes", data=codes)
    return client


@pytest.fixture(autouse=True)
def zoe(db: None) -> User:
    """The person of the pages about one."""
    return person("zoe")


@pytest.fixture
def history(entry: MakeEntry, token: ApiToken) -> AuditEntry:
    AuditVerification.objects.create(pk=1, user_name="audrey")
    run = Run(pk=RUN, user=token.owner, state=RunState.FINISHED)
    run.set_token(token)
    run.save(force_insert=True)
    RunItem.objects.create(run=run, position=0, attempt_id=ATTEMPT, address_id=IP, address=ADDRESS)
    return entry(attempt_id=ATTEMPT, run_id=RUN)


def test_every_url_has_a_unique_name() -> None:
    assert all(NAMES)
    assert len(NAMES) + len(FEDERATION) == len(list(patterns(get_resolver())))


def test_the_urls_that_accept_post_are_listed(
    alices: Client, token: ApiToken, katapult: Organizations, history: AuditEntry
) -> None:
    """Whoever adds a view that writes adds it here and to `test_guards.py`."""
    accepting = {name for name in OURS if alices.post(url_of(name, token)).status_code != 405}
    assert accepting == WRITES


# The form views of allauth take a PUT for a POST, CSRF check included.
@every_url
def test_each_url_refuses_other_methods(
    alices: Client, client: Client, token: ApiToken, history: AuditEntry, name: str
) -> None:
    who = client if name in PUBLIC else alices
    if name in {"mfa_authenticate", "mfa_activate_totp"}:
        # Not for a signed-in person, or one who has an app: redirects.
        return
    methods = ["patch", "put", "delete", "options", "trace"] if name in OURS else ["patch"]
    for method in methods:
        answer = getattr(who, method)(url_of(name, token))
        assert answer.status_code == 405, method
        assert answer["Allow"]


@every_url
def test_each_url_needs_a_sign_in(
    client: Client, token: ApiToken, history: AuditEntry, name: str
) -> None:
    url = url_of(name, token)
    # To sign in only to be signed out again would be odd.
    back = "" if name in ENTRANCE else f"?next={url}"
    for method in ("get", "head", "post"):
        answer = getattr(client, method)(url)
        if name in PUBLIC:
            assert answer.status_code in {200, 302, 405}, method
        else:
            assert answer.status_code == 302, method
            assert answer["Location"] == f"/accounts/login/{back}"
    answer = client.get(url, headers=HTMX)
    assert ("HX-Redirect" in answer) is (name not in PUBLIC | ENTRANCE)


@every_url
def test_each_url_answers_get_and_head_and_is_never_cached(
    alices: Client, token: ApiToken, katapult: Organizations, history: AuditEntry, name: str
) -> None:
    url = url_of(name, token)
    head, get = alices.head(url), alices.get(url)
    assert head.status_code == get.status_code
    assert content_of(head) == ""
    assert get.status_code == (405 if name in POST_ONLY else 302 if name in REDIRECTS else 200)
    assert "no-store" in get["Cache-Control"]
    assert "HX-Request" in get["Vary"]
    assert get["X-Request-Id"]


@pytest.mark.parametrize("name", OURS)
def test_each_page_is_whole_has_unique_ids_and_no_secret(
    alices: Client, token: ApiToken, katapult: Organizations, history: AuditEntry, name: str
) -> None:
    answer = alices.get(url_of(name, token))
    text = content_of(answer)
    is_page = name not in PARTS | REDIRECTS | POST_ONLY | DATA
    page = Page(text)
    assert text.count("</html>") == (1 if is_page else 0)
    assert len(page.all("h1")) == (1 if is_page else 0)
    assert PLANTED not in text + str(answer.headers)
    assert page.all("[style], [onclick]") == []
    assert sorted(page.ids) == sorted(set(page.ids))


def test_getting_any_page_changes_nothing(
    alices: Client, token: ApiToken, katapult: Organizations, history: AuditEntry
) -> None:
    before = list(ApiToken.objects.values_list("label", "encrypted_secret", "organization_id"))
    for name in OURS:
        alices.get(url_of(name, token))
    assert (
        list(ApiToken.objects.values_list("label", "encrypted_secret", "organization_id")) == before
    )
    assert (AuditEntry.objects.count(), katapult.sent) == (1, [])


# Queries: as many for fifty rows as for one


def queries(client: Client, url: str) -> int:
    """Of the second look: the first one notes that the token was used."""
    client.get(url)
    with CaptureQueriesContext(connection) as found:
        assert client.get(url).status_code in {200, 302, 405}
    return len(found)


def queries_of_each(client: Client, token: ApiToken) -> dict[str, int]:
    """Of every page, each in a state that no other page has changed."""
    found = {}
    for name in OURS:
        with transaction.atomic():
            found[name] = queries(client, url_of(name, token))
            transaction.set_rollback(True)
        caches["default"].clear()
    return found


@pytest.fixture
def fifty_more(alice: User, entry: MakeEntry, katapult: Organizations) -> Any:
    def add() -> None:
        for number in range(50):
            organization = Organization("org_1", "Acme", "acme")
            more = keep_token(alice, f"{number:020}", organization, f"Token {number}")
            ApiToken.objects.filter(pk=more.pk).update(created_at=timezone.now())
            entry()
        katapult.listed = [listed(7, id=IP, address="192.0.2.7"), *many(50)]

    return add


def test_queries_do_not_grow_with_the_rows(
    alices: Client,
    token: ApiToken,
    katapult: Organizations,
    history: AuditEntry,
    fifty_more: Any,
) -> None:
    few = queries_of_each(alices, token)
    fifty_more()
    many = queries_of_each(alices, token)
    # The list of a long history does not ask what was before it.
    right = {name: few[name] - 1 <= many[name] <= few[name] <= 17 for name in OURS}
    assert all(right.values()), [(name, few[name], many[name]) for name in OURS if not right[name]]
