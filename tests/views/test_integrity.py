"""The page where auditors prove the history, and see what was done to it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.conf import LazySettings
from django.test import Client
from django.utils import timezone

from ipadmin import tasks
from ipadmin.audit.integrity import chain, verification
from ipadmin.models import AuditLink, AuditVerification, LinkKind, User
from tests import tampering
from tests.conftest import ClientOf
from tests.page import Page
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
    return chain.add_activity(kind, details)


def verified(checkpoint: str = "") -> AuditVerification:
    """A verification that has come to its end."""
    found, _is_new = verification.request("audrey", checkpoint)
    verification.perform_requested()
    found.refresh_from_db()
    return found


def requested(user_name: str) -> AuditVerification:
    return verification.request(user_name)[0]


def url(found: AuditVerification) -> str:
    return f"{URL}{found.pk}/"


def links(answer: Any) -> list[int]:
    """The numbers of the log's rows."""
    found = Page(answer).texts('[data-label="Record"]')
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


def test_a_request_needs_the_csrf_token(audrey: User, client_of: ClientOf) -> None:
    assert client_of(audrey, enforce_csrf_checks=True).post(URL).status_code == 403
    assert not AuditVerification.objects.exists()


def test_an_unknown_verification(audreys: Client) -> None:
    assert audreys.get(f"{URL}1/").status_code == 404


# The chain


def test_nothing_yet(audreys: Client, worker: None) -> None:
    text = audreys.get(URL).text
    for said in (
        "Not verified yet",
        "None yet",
        "No checkpoint stored elsewhere yet",
    ):
        assert said in text
    assert "worker is not running" not in text


def test_the_chain_by_its_last_link(audreys: Client) -> None:
    tampering.finished()
    last = AuditLink.objects.latest("sequence")
    text = audreys.get(URL).text
    assert "The last record cannot be read" not in text
    assert last.key_id in text
    assert "not in AUDIT_KEYS" not in text


def test_a_key_that_is_gone(audreys: Client, settings: LazySettings) -> None:
    tampering.finished()
    settings.AUDIT_KEYS = ["YW5vdGhlci1hdWRpdC1rZXktYW5vdGhlci1hdWRpdC0="]
    assert "not in AUDIT_KEYS" in audreys.get(URL).text


@pytest.mark.parametrize(("age", "warns"), [(6, False), (8, True)])
def test_an_old_checkpoint_is_warned_about(audreys: Client, age: int, warns: bool) -> None:
    with time_machine.travel(timezone.now() - timedelta(days=age)):
        act(LinkKind.CHECKPOINT_CREATED)
    act(LinkKind.PRUNED)
    text = audreys.get(URL).text
    assert ("No checkpoint for more than 7 days" in text) is warns
    assert "No checkpoint stored elsewhere yet" not in text


# Verify


def test_asking_for_a_verification(audreys: Client) -> None:
    tampering.finished()
    answer = audreys.post(URL, {"checkpoint": f"  {tampering.checkpoint()} "})
    made = AuditVerification.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, url(made))
    assert (made.user_name, made.checkpoint, made.links_total) == (
        "audrey",
        tampering.checkpoint(),
        2,
    )


def test_a_checkpoint_is_optional(audreys: Client) -> None:
    assert audreys.post(URL).status_code == 302
    assert AuditVerification.objects.get().checkpoint == ""


@pytest.mark.parametrize(
    "checkpoint", ["12", "12:abc", "0:" + "a" * 64, "x" * 101, HOSTILE, "1:\x00"]
)
def test_a_malformed_checkpoint(audreys: Client, checkpoint: str) -> None:
    answer = audreys.post(URL, {"checkpoint": checkpoint})
    assert answer.status_code == 422
    assert 'class="errorlist"' in answer.text
    assert HOSTILE not in answer.text
    assert not AuditVerification.objects.exists()


def test_the_form_of_a_checkpoint_is_explained(audreys: Client) -> None:
    assert "64 hexadecimal digits" in audreys.post(URL, {"checkpoint": "12:abc"}).text


def test_one_at_a_time(audreys: Client) -> None:
    running = requested("bob")
    answer = audreys.post(URL, {"checkpoint": f"1:{'a' * 64}"}, follow=True)
    assert answer.redirect_chain == [(url(running), 302)]
    assert "Your checkpoint is not compared" in answer.text
    assert AuditVerification.objects.get() == running


def test_the_running_one_is_shown_instead_of_the_form(audreys: Client) -> None:
    tampering.finished()
    running = requested("bob")
    text = audreys.get(URL).text
    assert "A verification is running" in text
    assert "0 of 2 records" in text
    assert url(running) in text
    assert "Verify now" not in text


def test_without_a_worker_it_is_said_what_to_do(audreys: Client) -> None:
    running = requested("audrey")
    for page in (URL, url(running)):
        text = audreys.get(page).text
        assert "The background worker is not running" in text
        assert "manage.py verify_audit" in text


def test_how_far_a_running_one_is(audreys: Client, worker: None) -> None:
    tampering.finished()
    running = requested("audrey")
    AuditVerification.objects.update(links_total=2_000_412, links_done=1_200_000)
    text = audreys.get(url(running)).text
    assert 'max="2000412"' in text
    assert 'value="1200000"' in text
    assert "1,200,000 of 2,000,412 records" in text
    assert "Check again" in text
    assert "worker is not running" not in text


def test_htmx_asks_until_the_end_and_not_further(audreys: Client) -> None:
    running = requested("audrey")
    part = audreys.get(url(running), headers=HTMX).text
    assert "<html" not in part
    assert f'hx-get="{url(running)}"' in part
    verification.perform_requested()
    ended = audreys.get(url(running), headers=HTMX).text
    assert "hx-get" not in ended
    assert "data-announce" in ended


def test_an_intact_history(audreys: Client) -> None:
    for _ in range(3):
        act()
    found = verified()
    for page in (URL, url(found)):
        assert "Verified: 3 records intact" in audreys.get(page).text


def test_a_checkpoint_that_was_compared(audreys: Client) -> None:
    tampering.finished()
    text = audreys.get(url(verified(tampering.checkpoint()))).text
    assert "The checkpoint is part of the chain" in text
    assert "unchanged since they were sealed" in text


def test_a_finding_and_what_to_do_now(audreys: Client) -> None:
    tampering.column(tampering.finished(), "reason", "another")
    found = verified()
    text = audreys.get(url(found)).text
    for said in ("Tampering detected", "What to do now", "Make a copy of it", "Changed: "):
        assert said in text
    assert "Tampering detected" in audreys.get(URL).text


def test_what_somebody_wrote_into_a_finding_is_text(audreys: Client) -> None:
    found = verified()
    AuditVerification.objects.update(finding=HOSTILE, user_name=HOSTILE, checkpoint=HOSTILE)
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


@pytest.mark.parametrize("link", [None, 1, 2, 99])
def test_a_forged_result_is_not_shown_as_verified(audreys: Client, link: int | None) -> None:
    tampering.finished()
    forged = AuditVerification.objects.create(
        user_name="adam", status="finished", finished_at=timezone.now(), result_link=link
    )
    for page in (URL, url(forged)):
        text = audreys.get(page).text
        assert "no sealed record confirms" in text
        assert "intact" not in text


def test_a_finding_that_was_erased_is_not_shown_as_verified(audreys: Client) -> None:
    tampering.column(tampering.finished(), "reason", "another")
    assert verified().finding
    AuditVerification.objects.update(finding="")
    assert "no sealed record confirms" in audreys.get(URL).text
