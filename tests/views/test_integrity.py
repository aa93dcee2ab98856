"""The page where auditors prove the history, and see what was done to it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.conf import LazySettings
from django.db import connection
from django.test import Client
from django.utils import timezone

from ipadmin import tasks
from ipadmin.audit.integrity import chain, verification
from ipadmin.models import AuditLink, AuditVerification, LinkKind, User
from tests import tampering
from tests.conftest import ClientOf
from tests.views.conftest import HTMX
from tests.views.katapult import HOSTILE

URL = "/audit/integrity/"
pytestmark = pytest.mark.django_db


@pytest.fixture
def audreys(audrey: User, client_of: ClientOf) -> Client:
    """audrey's browser."""
    return client_of(audrey)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "worker_is_running", lambda: True)


def act(kind: LinkKind = LinkKind.CHECKPOINT_CREATED, **details: Any) -> AuditLink:
    return chain.seal_act(kind, details)


def verified(head: str = "") -> AuditVerification:
    """A verification that has come to its end."""
    found = verification.request("audrey", head)
    while found.is_running:
        verification.step(found, seconds=10)
    return found


def url(found: AuditVerification) -> str:
    return f"{URL}{found.pk}/"


def links(answer: Any) -> list[int]:
    """The numbers of the log's rows."""
    found = re.findall(r'data-label="Link"[^>]*>([\d,]+)<', answer.text)
    return [int(number.replace(",", "")) for number in found]


# Who may


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("who", ["alice", "bob", "adam", "charlie"])
def test_only_auditors(
    request: pytest.FixtureRequest, client_of: ClientOf, who: str, method: str
) -> None:
    client = client_of(request.getfixturevalue(who))
    assert getattr(client, method)(URL).status_code == 403
    assert client.get(url(verified())).status_code == 403
    assert AuditVerification.objects.count() == 1


def test_asking_needs_the_forms_token(audrey: User, client_of: ClientOf) -> None:
    assert client_of(audrey, enforce_csrf_checks=True).post(URL).status_code == 403
    assert not AuditVerification.objects.exists()


def test_a_verification_that_is_none(audreys: Client) -> None:
    assert audreys.get(f"{URL}1/").status_code == 404


# The chain


def test_nothing_yet(audreys: Client, worker: None) -> None:
    text = audreys.get(URL).text
    for said in ("Nobody has verified", "None yet", "No head was ever taken", "will stand here"):
        assert said in text
    assert "worker is not running" not in text


def test_the_chain_by_its_last_link(audreys: Client) -> None:
    tampering.finished()
    last = AuditLink.objects.latest("sequence")
    text = audreys.get(URL).text
    assert "No. 2, " in text
    assert last.key_id in text
    assert "Not in AUDIT_KEYS" not in text


def test_a_key_that_is_gone(audreys: Client, settings: LazySettings) -> None:
    tampering.finished()
    settings.AUDIT_KEYS = ["YW5vdGhlci1hdWRpdC1rZXktYW5vdGhlci1hdWRpdC0="]
    assert "Not in AUDIT_KEYS" in audreys.get(URL).text


@pytest.mark.parametrize(("age", "warns"), [(6, False), (8, True)])
def test_when_a_head_was_last_taken(audreys: Client, age: int, warns: bool) -> None:
    with time_machine.travel(timezone.now() - timedelta(days=age)):
        act(LinkKind.CHECKPOINT_CREATED)
    act(LinkKind.PRUNED)
    text = audreys.get(URL).text
    assert ("No head was taken for more than 7 days" in text) is warns
    assert "No head was ever taken" not in text


@pytest.mark.parametrize(("name", "value"), [("at", "x"), ("details", "{"), ("details", '["x"]')])
def test_a_link_that_somebody_made_unreadable(audreys: Client, name: str, value: str) -> None:
    if connection.vendor != "sqlite" and value != '["x"]':
        pytest.skip("this database takes no such value")
    act(by="audrey")
    act(by="somebody else")
    tampering.link(2, name, value)
    answer = audreys.get(URL)
    assert answer.status_code == 200
    assert links(answer) == [2, 1]
    assert "audrey" in answer.text


@pytest.mark.skipif(connection.vendor != "sqlite", reason="numbers are numbers elsewhere")
def test_a_link_that_somebody_gave_no_number(audreys: Client) -> None:
    act()
    act()
    tampering.link(2, "sequence", "abc")
    answer = audreys.get(URL)
    assert links(answer) == [1]
    assert "No. 1, " in answer.text


# Verify


def test_asking_for_a_verification(audreys: Client) -> None:
    tampering.finished()
    answer = audreys.post(URL, {"head": f"  {tampering.head()} "})
    made = AuditVerification.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, url(made))
    assert (made.user_name, made.head, made.total) == ("audrey", tampering.head(), 2)


def test_a_head_is_optional(audreys: Client) -> None:
    assert audreys.post(URL).status_code == 302
    assert AuditVerification.objects.get().head == ""


@pytest.mark.parametrize("head", ["12", "12:abc", "0:" + "a" * 64, "x" * 101, HOSTILE, "1:\x00"])
def test_a_head_that_is_none(audreys: Client, head: str) -> None:
    answer = audreys.post(URL, {"head": head})
    assert answer.status_code == 422
    assert 'class="errorlist"' in answer.text
    assert HOSTILE not in answer.text
    assert not AuditVerification.objects.exists()


def test_what_a_head_looks_like_is_said(audreys: Client) -> None:
    assert "64 hexadecimal digits" in audreys.post(URL, {"head": "12:abc"}).text


def test_one_at_a_time(audreys: Client) -> None:
    running = verification.request("bob")
    answer = audreys.post(URL, {"head": f"1:{'a' * 64}"}, follow=True)
    assert answer.redirect_chain == [(url(running), 302)]
    assert "and your head not compared" in answer.text
    assert AuditVerification.objects.get() == running


def test_the_running_one_is_shown_instead_of_the_form(audreys: Client) -> None:
    tampering.finished()
    running = verification.request("bob")
    text = audreys.get(URL).text
    assert "A verification is running" in text
    assert "0 of 2 links done" in text
    assert url(running) in text
    assert "Verify now" not in text


def test_without_a_worker_it_is_said_what_to_do(audreys: Client) -> None:
    running = verification.request("audrey")
    for page in (URL, url(running)):
        text = audreys.get(page).text
        assert "The background worker is not running" in text
        assert "manage.py verify_audit" in text


def test_how_far_a_running_one_is(audreys: Client, worker: None) -> None:
    tampering.finished()
    running = verification.request("audrey")
    AuditVerification.objects.update(total=2_000_412, sequence=1_200_000)
    text = audreys.get(url(running)).text
    assert 'max="2000412" value="1200000"' in text
    assert "1,200,000 of 2,000,412 links" in text
    assert "Look again" in text
    assert "worker is not running" not in text


@pytest.mark.parametrize(
    ("sequence", "said"),
    [(0, "Waiting for the worker"), (1, "Walking along"), (2, "Looking for what has no seal")],
)
def test_what_a_running_one_does(audreys: Client, sequence: int, said: str) -> None:
    running = AuditVerification.objects.create(user_name="bob", total=2, sequence=sequence)
    assert said in audreys.get(url(running)).text


def test_htmx_asks_until_the_end_and_not_further(audreys: Client) -> None:
    running = verification.request("audrey")
    part = audreys.get(url(running), headers=HTMX).text
    assert "<html" not in part
    assert f'hx-get="{url(running)}"' in part
    verification.step(running, seconds=10)
    ended = audreys.get(url(running), headers=HTMX).text
    assert "hx-get" not in ended
    assert "data-announce" in ended


@pytest.mark.parametrize(
    ("made", "said"),
    [(0, "Nothing is sealed yet, and"), (1, "The one link holds"), (3, "All 3 links hold")],
)
def test_all_holds(audreys: Client, made: int, said: str) -> None:
    for _ in range(made):
        act()
    found = verified()
    assert said in audreys.get(url(found)).text
    assert said in audreys.get(URL).text


def test_a_head_that_was_compared(audreys: Client) -> None:
    tampering.finished()
    text = audreys.get(url(verified(tampering.head()))).text
    assert "The head recorded elsewhere is part of the chain" in text
    assert "1, each as it was sealed" in text


def test_a_finding_and_what_to_do_now(audreys: Client) -> None:
    tampering.column(tampering.finished(), "reason", "another")
    found = verified()
    text = audreys.get(url(found)).text
    for said in ("Not everything holds", "What to do now", "make a copy of it", "Changed: "):
        assert said in text
    assert "Not everything holds" in audreys.get(URL).text


def test_what_somebody_wrote_into_a_finding_is_text(audreys: Client) -> None:
    found = verified()
    AuditVerification.objects.update(finding=HOSTILE, user_name=HOSTILE, head=HOSTILE)
    for page in (URL, url(found)):
        text = audreys.get(page).text
        assert HOSTILE not in text
        assert "&lt;script&gt;" in text


def test_the_newest_twenty(audreys: Client) -> None:
    made = [verified() for _ in range(21)]
    text = audreys.get(URL).text
    assert url(made[-1]) in text
    assert url(made[1]) in text
    assert url(made[0]) not in text


def test_a_result_that_somebody_wrote_is_not_believed(audreys: Client) -> None:
    forged = AuditVerification.objects.create(
        user_name="adam", total=2, sequence=2, finished_at=timezone.now()
    )
    for url in (URL, f"{URL}{forged.pk}/"):
        text = audreys.get(url).text
        assert "is not as this product wrote it" in text
        assert "links hold" not in text


def test_nor_one_that_was_changed(audreys: Client) -> None:
    tampering.column(tampering.finished(), "reason", "another")
    assert verified().finding
    AuditVerification.objects.update(finding="")
    assert "is not as this product wrote it" in audreys.get(URL).text
