"""A planted token is in its Authorization header and nowhere else, whatever happens; and secrets of
second factors are on the page that shows them once."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.db import OperationalError, connection
from django.db.models import QuerySet
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from structlog.testing import capture_logs

from ipadmin.katapult.errors import KatapultError
from ipadmin.katapult.types import Secret
from ipadmin.models import ApiToken, AuditEntry, User
from ipadmin.sandbox import Sandbox
from ipadmin.services import api, inventory, oauth, tokens
from ipadmin.services.attempt import OutcomeNotWritten
from tests.conftest import PASSWORD, ClientOf
from tests.factors import code_of
from tests.oauth import CLIENT_SECRET, decide
from tests.page import Page
from tests.services.conftest import PLANTED, Attempt
from tests.services.katapult import HEADERS, Katapult, html, refusal

pytestmark = pytest.mark.django_db


def quoting(request: httpx.Request) -> httpx.Response:
    """Katapult repeats the token in every part of an error."""
    quoted = request.headers["Authorization"]
    error = {"code": quoted, "description": quoted, "detail": {quoted: [quoted]}}
    return httpx.Response(500, json={"error": error}, headers=HEADERS)


FAILURES: dict[str, Any] = {
    "none": None,
    "refused": refusal(422, "no_allocation"),
    "failing": refusal(500, "unhandled_exception"),
    "quoted": quoting,
    "HTML": html(),
    "lost": httpx.ReadTimeout("x"),
    "not sent": httpx.ConnectError("x"),
}


def everything_in_the_database() -> str:
    """Every row of every table, as the database holds it."""
    with connection.cursor() as cursor:
        rows = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            rows += [bytes(v) if isinstance(v, memoryview) else v for r in cursor for v in r]
    return repr(rows)


@pytest.mark.parametrize("failure", [(c, n) for c in ("reads", "posts") for n in FAILURES])
def test_an_attempt_leaves_the_token_nowhere(
    attempt: Attempt,
    token: ApiToken,
    katapult: Katapult,
    caplog: pytest.LogCaptureFixture,
    failure: tuple[str, str],
) -> None:
    call, name = failure
    caplog.set_level(logging.DEBUG)
    if FAILURES[name] is not None:
        getattr(katapult, call).append(FAILURES[name])
    entry = attempt()
    assert katapult.requests[0].headers["Authorization"] == f"Bearer {PLANTED}"
    shown = [repr(each) + str(each) + repr(vars(each)) for each in (entry, token)]
    assert AuditEntry.objects.count() == 1
    assert PLANTED not in everything_in_the_database() + caplog.text + "".join(shown)


def test_structured_logs_of_a_broken_database_hold_no_token(
    attempt: Attempt, katapult: Katapult, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise OperationalError("locked")

    def break_the_database(request: httpx.Request) -> httpx.Response:
        monkeypatch.setattr(QuerySet, "update", fail)
        return quoting(request)

    katapult.posts.append(break_the_database)
    with capture_logs() as logs, pytest.raises(OutcomeNotWritten) as caught:
        attempt()
    assert logs
    assert PLANTED not in repr(logs) + repr(caught.value) + str(caught.value)


@pytest.mark.parametrize("answer", [refusal(403, "invalid_api_token"), quoting])
def test_adding_a_token_that_fails_leaves_it_nowhere(
    alice: Any, katapult: Katapult, caplog: pytest.LogCaptureFixture, answer: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    katapult.reads.extend([answer, answer, answer])
    with pytest.raises(KatapultError) as caught:
        tokens.add(owner=alice, label="Live", secret=Secret(PLANTED))
    assert PLANTED not in everything_in_the_database() + caplog.text + repr(caught.value)


def test_a_kept_token_shows_four_characters(token: ApiToken) -> None:
    with api.using(token) as secret:
        assert PLANTED not in f"{secret!r} {secret} {token!r} {token} {vars(token)}"
    assert token.last_four == PLANTED[-4:]


def test_secrets_of_second_factors_are_stored_and_logged_nowhere(
    alice: User, client_of: ClientOf, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    alices = client_of(alice)
    with capture_logs() as logs:
        [secret] = Page(alices.get("/account/app/add/")).values("data-copy", "form")
        while_setting_up = everything_in_the_database()
        alices.post("/account/app/add/", {"code": code_of(secret)})
        codes = Page(alices.get("/account/recovery-codes/")).one("pre").text().split()
        client.post("/accounts/login/", {"login": "alice", "password": PASSWORD})
        client.post("/accounts/login/second-factor/", {"code": "000000"})
        client.post("/accounts/login/second-factor/", {"code": codes[0]})
        pages = [client.get(path).text for path in ("/account/", "/account/recovery-codes/")]
    assert "9 of 10 left" in pages[0]
    found = while_setting_up + everything_in_the_database() + caplog.text + repr(logs)
    assert "FACTOR_ADDED" in found.upper()
    for hidden in (secret, *codes):
        assert hidden not in found + "".join(pages)


def test_a_token_that_waits_for_a_proof_of_identity_is_encrypted(
    alice: User, client: Client, katapult: Katapult, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client.force_login(alice)
    answer = client.post("/tokens/add/", {"label": "Live", "secret": PLANTED})
    assert answer["Location"].startswith("/accounts/confirm/")
    page = client.get(answer["Location"]).text
    shown = caplog.text + page + str(answer.headers) + str(answer.cookies)
    assert PLANTED in repr(client.session.items())
    assert PLANTED not in everything_in_the_database() + shown


@pytest.mark.parametrize("error", ["", "500", "lost", "invalid_grant"])
def test_a_connection_leaves_its_secrets_nowhere(
    alice: User,
    client_of: ClientOf,
    identity: Sandbox,
    caplog: pytest.LogCaptureFixture,
    error: str,
) -> None:
    """Access and refresh tokens, the code and its verifier, and the secret of the client."""
    caplog.set_level(logging.DEBUG)
    client = client_of(alice)
    url = client.post(reverse("connect"))["Location"]
    planted = [CLIENT_SECRET, client.session["katapult_oauth"]["verifier"]]
    seen = everything_in_the_database() + caplog.text + url
    query = decide(url)
    # What the provider sent is in the log of the test's own browser.
    caplog.clear()
    answers = [client.get(reverse("connected"), query, follow=True)]
    planted += [query["code"], *tokens_of(identity)]
    identity.behave(error=error, times=1)
    ApiToken.objects.update(expires_at=timezone.now())
    token = ApiToken.objects.get()
    with suppress(KatapultError):
        inventory.find(token, address="198.18.0.1")
    planted += tokens_of(identity)
    answers += [client.get(reverse("tokens")), client.get(token.get_absolute_url())]
    seen += everything_in_the_database() + caplog.text
    seen += "".join(each.content.decode() for each in answers) + repr(client.cookies)
    seen += repr(vars(token)) + repr(oauth.client().__dict__)
    client.post(reverse("token_delete", args=[token.id]))
    seen += everything_in_the_database() + caplog.text
    assert len(planted) >= 5
    assert [secret for secret in planted if secret in seen] == []


def tokens_of(box: Sandbox) -> list[str]:
    """The access and refresh tokens that the provider has issued and not forgotten."""
    return [*box.engine.oauth.expiry, *box.engine.oauth.grants]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite keeps it in files of ours")
@pytest.mark.django_db(transaction=True)
def test_the_database_file_does_not_hold_the_token(
    attempt: Attempt, token: ApiToken, katapult: Katapult
) -> None:
    attempt()
    file = Path(connection.settings_dict["NAME"])
    written = b"".join(each.read_bytes() for each in file.parent.glob(f"{file.name}*"))
    assert token.fingerprint.encode() in written
    assert PLANTED.encode() not in written
