"""A second person decides on a run; single changes become runs where they need that."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from ipadmin.katapult.types import Organization
from ipadmin.models import ApiToken, AuditEntry, Run, RunState, User
from ipadmin.services import runs
from tests.conftest import ClientOf
from tests.page import Page
from tests.services.cloud import Cloud, id_of
from tests.services.conftest import keep_token
from tests.services.katapult import IP, Katapult
from tests.views.conftest import HTMX
from tests.views.test_runs import at

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _every(settings: Settings) -> None:
    settings.APPROVALS = "*=every"


@pytest.fixture
def bobs(bob: User, client_of: ClientOf) -> Client:
    """The browser of bob, who has a token of the same organization."""
    keep_token(bob, "bobs0token0bobs0token", Organization("org_1", "Acme", "acme"))
    return client_of(bob)


@pytest.fixture
def waiting(alices: Client, token: ApiToken, cloud: Cloud) -> Run:
    """alice's run, which waits for an approval."""
    cloud.add(3)
    cloud.add(2, vip=True)
    run = runs.draft(token.owner, token, [*cloud.add(1), id_of(2)])
    alices.post(at(run, "start"), {"reason": "Moved, OPS-1", "typed_number": "1"})
    run.refresh_from_db()
    assert run.state == RunState.WAITING
    return run


def test_the_owner_waits(alices: Client, waiting: Run) -> None:
    page = Page(alices.get(waiting.get_absolute_url()))
    assert "Waiting for the approval of a second person" in page.text
    assert page.all("[name=reason]") == []
    polled = f"{at(waiting, 'rows')}?waiting=1"
    assert page.one("[hx-get*=waiting]").attributes["hx-get"] == polled
    assert alices.get(polled, headers=HTMX).status_code == 204
    Run.objects.update(state=RunState.QUEUED)
    assert alices.get(polled, headers=HTMX)["HX-Refresh"] == "true"


def test_nobody_decides_on_an_own_run(alices: Client, waiting: Run) -> None:
    assert alices.post(at(waiting, "approve"), {"reason": "Fine"}).status_code == 403
    waiting.refresh_from_db()
    assert waiting.state == RunState.WAITING


def test_the_owner_withdraws(alices: Client, waiting: Run) -> None:
    alices.post(at(waiting, "stop"))
    waiting.refresh_from_db()
    assert waiting.state == RunState.STOPPED


def test_a_second_person_sees_what_was_confirmed_and_approves(bobs: Client, waiting: Run) -> None:
    assert bobs.get("/")["Location"] == reverse("waiting")
    listed = Page(bobs.get(reverse("waiting")))
    assert listed.rows[0].startswith("Unallocate 2 addresses Waiting for approval Acme alice")
    page = Page(bobs.get(waiting.get_absolute_url()))
    assert "alice asks for your approval" in page.text
    assert "192.0.2.1, 192.0.2.2" in page.text
    assert "Moved, OPS-1" in page.text
    assert page.all("[name=address]") == []
    assert bobs.post(at(waiting, "approve")).status_code == 422
    answer = bobs.post(at(waiting, "approve"), {"reason": "Checked"}, follow=True)
    assert "You approved this run" in answer.text
    waiting.refresh_from_db()
    assert (waiting.state, waiting.decision_reason) == (RunState.QUEUED, "Checked")


def test_a_second_person_rejects(bobs: Client, waiting: Run) -> None:
    answer = bobs.post(at(waiting, "reject"), {"reason": "Wrong rack"}, follow=True)
    assert "Rejected by bob. Nothing was changed." in answer.text
    assert "Wrong rack" in answer.text
    again = bobs.post(at(waiting, "approve"), {"reason": "After all"}, follow=True)
    assert "no longer in the state that you saw" in again.text


def test_a_decision_needs_a_recent_proof_of_identity(
    bobs: Client, waiting: Run, settings: Settings
) -> None:
    settings.REAUTHENTICATE_AFTER = 0
    answer = bobs.post(at(waiting, "approve"), {"reason": "Checked"})
    assert answer["Location"].startswith(reverse("account_reauthenticate"))
    waiting.refresh_from_db()
    assert waiting.state == RunState.WAITING


def test_an_operator_of_another_organization_only_sees_it(
    bob: User, client_of: ClientOf, waiting: Run
) -> None:
    client = client_of(bob)
    assert "asks for your approval" not in client.get(waiting.get_absolute_url()).text
    assert client.post(at(waiting, "approve"), {"reason": "Fine"}).status_code == 403


def test_an_expired_request(alices: Client, bobs: Client, waiting: Run) -> None:
    Run.objects.update(expires_at=timezone.now())
    answer = bobs.post(at(waiting, "approve"), {"reason": "Late"}, follow=True)
    assert "no longer in the state that you saw" in answer.text
    Run.objects.update(state=RunState.EXPIRED)
    assert "Nobody approved it in time" in alices.get(waiting.get_absolute_url()).text


# A single address


@pytest.fixture
def url(token: ApiToken) -> str:
    return reverse("unallocate", args=[token.id, IP])


def test_a_single_address_becomes_a_run(
    alices: Client, katapult: Katapult, url: str, token: ApiToken
) -> None:
    page = Page(alices.get(url))
    assert "This needs the approval of a second person" in page.text
    sent = {"confirmation": page.confirmation(), "reason": "OPS-1"}
    first, again = alices.post(url, sent), alices.post(url, sent)
    run = Run.objects.get()
    assert first["Location"] == again["Location"] == run.get_absolute_url()
    assert (run.state, run.items.get().address_id) == (RunState.WAITING, IP)
    assert katapult.sent == []
    assert not AuditEntry.objects.exists()


def test_a_single_address_in_the_dialog_leads_to_its_run(
    alices: Client, katapult: Katapult, url: str
) -> None:
    page = Page(alices.get(url, headers=HTMX))
    sent = {"confirmation": page.confirmation()}
    answer = alices.post(url, sent, headers=HTMX)
    assert answer["HX-Redirect"] == Run.objects.get().get_absolute_url()
