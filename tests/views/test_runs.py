"""Runs: the confirmation, the page that follows one, and its steps."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from ipadmin.katapult.types import Organization
from ipadmin.models import ApiToken, AuditEntry, Outcome, Run, RunState, User
from ipadmin.services import inventory, runs
from tests.conftest import ClientOf
from tests.history import keep
from tests.page import Page
from tests.services.cloud import Cloud, id_of
from tests.services.conftest import keep_token
from tests.services.katapult import refusal
from tests.views.conftest import HTMX

pytestmark = pytest.mark.django_db


@pytest.fixture
def url(token: ApiToken) -> str:
    return reverse("run_add", args=[token.id])


@pytest.fixture
def draft(token: ApiToken, cloud: Cloud) -> Run:
    """Two ordinary addresses; their machine keeps another one."""
    cloud.add(3)
    return runs.draft(token.owner, token, cloud.add(1, 2))


def at(run: Run, step: str) -> str:
    return reverse(f"run_{step}", args=[run.pk])


def attempted(run: Run, *outcomes: Outcome, **fields: object) -> list[AuditEntry]:
    """Entries of the first addresses of a run."""
    return [
        keep(
            attempt_id=item.attempt_id,
            run_id=run.pk,
            outcome=outcome,
            address=item.address,
            address_id=item.address_id,
            organization_key=run.organization_key,
            **fields,
        )
        for item, outcome in zip(run.items.all(), outcomes, strict=False)
    ]


# The confirmation


def test_selected_addresses_are_drafted_and_nothing_is_changed(
    alices: Client, cloud: Cloud, url: str
) -> None:
    first, second = cloud.add(1, 2)
    answer = alices.post(url, {"address": [first, second, id_of(9)]}, follow=True)
    page = Page(answer)
    assert page.texts("h1") == ["Unallocate 2 addresses?"]
    assert "Not found in this organization" in page.text
    assert "4 (2 for each address)" in page.text
    assert cloud.changes == []
    assert Run.objects.get().state == RunState.DRAFT


def test_ids_may_come_in_one_field(alices: Client, cloud: Cloud, url: str) -> None:
    alices.post(url, {"address": " ".join(cloud.add(1, 2, 3))})
    assert Run.objects.get().items.count() == 3


def test_all_that_match_the_filter(alices: Client, cloud: Cloud, token: ApiToken, url: str) -> None:
    cloud.add(1, 2, 3)
    cloud.add(4, holder="lb_1", allocation_type="LoadBalancer")
    cloud.add(5, reverse_dns="other.example.net")
    inventory.read(token)
    alices.post(url, {"all": "1", "q": "host-", "address": id_of(5)})
    found = Run.objects.get().items.values_list("address_id", flat=True)
    assert [*found] == [id_of(1), id_of(2), id_of(3)]


def test_vips_and_last_addresses_need_their_number(alices: Client, cloud: Cloud, url: str) -> None:
    cloud.add(1, 2, 3)
    cloud.add(4, vip=True)
    cloud.add(5, holder="vm_2")
    answer = alices.post(url, {"address": [id_of(1), id_of(4), id_of(5)]}, follow=True)
    page, run = Page(answer), Run.objects.get()
    assert "2 of them need attention" in page.text
    assert page.texts(".dangers li") == [
        "192.0.2.4 a virtual IP (VIP)",
        "192.0.2.5 leaves vm_2 without IPv4",
    ]
    refused = alices.post(at(run, "start"), {"typed_number": "3"})
    assert refused.status_code == 422
    assert "Type 2 exactly" in refused.text
    alices.post(at(run, "start"), {"typed_number": "2"})
    run.refresh_from_db()
    assert run.state == RunState.QUEUED


def test_those_that_need_attention_can_be_left_out(alices: Client, cloud: Cloud, url: str) -> None:
    cloud.add(1, 2)
    cloud.add(4, vip=True)
    answer = alices.post(url, {"address": [id_of(1), id_of(4)]}, follow=True)
    [ids] = [each.attributes["value"] for each in Page(answer).all(".note [name=address]")]
    assert ids == id_of(1)


def test_a_confirmed_run_is_queued_once(alices: Client, draft: Run) -> None:
    for _ in range(2):
        answer = alices.post(at(draft, "start"), {"reason": "Moved, OPS-1"})
        assert answer["Location"] == draft.get_absolute_url()
    draft.refresh_from_db()
    assert (draft.state, draft.reason) == (RunState.QUEUED, "Moved, OPS-1")


def test_a_required_reason(alices: Client, draft: Run, settings: Settings) -> None:
    settings.REASON_REQUIRED = "ticket"
    assert alices.post(at(draft, "start"), {"reason": "because"}).status_code == 422
    draft.refresh_from_db()
    assert draft.state == RunState.DRAFT


def test_an_old_confirmation_is_read_again(alices: Client, draft: Run, settings: Settings) -> None:
    Run.objects.update(
        created_at=timezone.now() - timedelta(seconds=settings.CONFIRMATION_MAX_AGE + 1)
    )
    page = Page(alices.post(at(draft, "start"), follow=True))
    assert "This confirmation has expired" in page.text
    assert Run.objects.get().state == RunState.DRAFT
    alices.post(reverse("run_add", args=[draft.token_id]), page.form("address"))
    assert Run.objects.count() == 2


def test_an_expired_draft_that_puts_back_is_drafted_as_one_again(
    alices: Client, run: Run, cloud: Cloud
) -> None:
    Run.objects.update(state=RunState.FINISHED)
    cloud.addresses[id_of(1)] |= {"allocation_id": None, "allocation_type": None}
    alices.post(at(run, "undo"))
    draft = Run.objects.get(undoes=run)
    Run.objects.filter(pk=draft.pk).update(created_at=timezone.now() - timedelta(hours=1))
    page = Page(alices.get(draft.get_absolute_url()))
    [form] = page.all("footer form")
    assert form.attributes["action"] == at(run, "undo")


def test_a_draft_whose_token_was_deleted_offers_nothing(
    alices: Client, cloud: Cloud, url: str
) -> None:
    alices.post(url, {"address": cloud.add(1)})
    ApiToken.objects.all().delete()
    page = Page(alices.get(Run.objects.get().get_absolute_url()))
    assert "This confirmation has expired" in page.text
    assert page.all("main form") == []


def test_a_selection_that_is_no_run(
    alices: Client, cloud: Cloud, settings: Settings, url: str
) -> None:
    settings.MAX_RUN_SIZE = 2
    for ids, text in (("", "There is no address to change"), ("a b c", "at most 2 addresses")):
        answer = alices.post(url, {"address": ids})
        assert (answer.status_code, text in answer.text) == (422, True)
    assert not Run.objects.exists()


def test_a_list_that_cannot_be_read_can_be_tried_again(
    alices: Client, cloud: Cloud, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = cloud.add(1, 2)
    with monkeypatch.context() as broken:
        broken.setattr(cloud, "list", lambda: refusal(503, "service_unavailable"))
        answer = alices.post(url, {"address": ids})
    assert (answer.status_code, "Katapult is unavailable" in answer.text) == (422, True)
    alices.post(url, Page(answer).form("address"))
    assert Run.objects.get().items.count() == 2


def test_no_draft_of_another_person(bob: User, client_of: ClientOf, draft: Run, url: str) -> None:
    bobs = client_of(bob)
    assert bobs.post(url, {"address": id_of(1)}).status_code == 404
    for step in ("start", "pause", "stop", "retry", "undo"):
        assert bobs.post(at(draft, step)).status_code == 404
    assert bobs.get(draft.get_absolute_url()).status_code == 404


# A run that was started


@pytest.fixture
def run(alices: Client, draft: Run) -> Run:
    """Running, with the first of its two addresses unallocated."""
    attempted(draft, Outcome.SUCCEEDED, reverse_dns="web.example.net")
    state = RunState.RUNNING
    Run.objects.update(state=state, reason="OPS-1", confirmed_at=timezone.now())
    draft.refresh_from_db()
    return draft


def test_a_run_is_followed(alices: Client, run: Run) -> None:
    page = Page(alices.get(run.get_absolute_url()))
    assert "1 of 2 done" in page.text
    assert page.one("#run").attributes["hx-trigger"] == "every 2s"
    assert [row.split()[0::2] for row in page.rows] == [
        ["192.0.2.1", "Succeeded"],
        ["192.0.2.2", "Waiting"],
    ]
    part = alices.get(at(run, "rows"), headers=HTMX)
    assert ("<html" in part.text, "1 of 2 done" in part.text) == (False, True)


def test_a_missing_worker_is_said(alices: Client, run: Run) -> None:
    assert "The background worker is not running" in alices.get(run.get_absolute_url()).text


def test_rows_of_one_outcome(alices: Client, run: Run) -> None:
    page = Page(alices.get(run.get_absolute_url(), {"state": "waiting"}))
    assert [row.split()[0] for row in page.rows] == ["192.0.2.2"]
    assert page.texts(".run-tabs a") == ["All 2", "Succeeded 1", "Waiting 1"]


def test_a_run_is_paused_resumed_and_stopped(alices: Client, run: Run) -> None:
    for step, state in (("pause", "paused"), ("resume", "queued"), ("stop", "stopped")):
        alices.post(at(run, step))
        run.refresh_from_db()
        assert run.state == state
    page = Page(alices.post(at(run, "pause"), follow=True))
    assert "no longer in the state that you saw" in page.text
    assert "A person stopped it." in page.text
    assert not page.all("#run[hx-get]")


def test_the_record_of_a_run(alices: Client, run: Run) -> None:
    item = run.items.last()
    assert item
    keep(
        attempt_id=item.attempt_id,
        run_id=run.pk,
        outcome=Outcome.FAILED,
        error_code="validation_error",
    )
    Run.objects.update(state=RunState.FINISHED, finished_at=timezone.now())
    page = Page(alices.get(run.get_absolute_url()))
    assert "1 of 2 succeeded" in page.text
    assert "Katapult rejected the change" in page.rows[1]
    assert page.links["Export"] == f"/audit/export/?run={run.pk}&when=all"
    [ticket] = page.values("data-copy", "#run .actions")
    assert "1 succeeded, 1 failed" in ticket
    assert f"http://testserver{run.get_absolute_url()}" in ticket
    assert {"Retry the failed 1…", "Put all back…"} <= {*page.buttons}


def test_the_failed_ones_are_drafted_again(alices: Client, run: Run, cloud: Cloud) -> None:
    Run.objects.update(state=RunState.STOPPED, stop_reason="by_person")
    page = Page(alices.post(at(run, "retry"), follow=True))
    assert page.texts("h1") == ["Unallocate 192.0.2.2?"]
    assert Run.objects.get(retries=run).state == RunState.DRAFT


def test_an_error_offers_no_tokens_of_another_person(
    run: Run, bob: User, client_of: ClientOf, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme = Organization("org_1", "Acme", "acme")
    keep_token(run.user, "another0token0of0alices", acme, "Of alice")
    keep_token(bob, "bobs0token0bobs0token", acme, "Of bob")
    Run.objects.update(state=RunState.STOPPED)
    monkeypatch.setattr(cloud, "list", lambda: refusal(403, "scope_not_granted"))
    answer = client_of(bob).post(at(run, "retry"))
    assert answer.status_code == 422
    assert "This token lacks a scope" in answer.text
    assert "Of alice" not in answer.text


def test_all_are_put_back(alices: Client, run: Run, cloud: Cloud) -> None:
    Run.objects.update(state=RunState.FINISHED)
    cloud.addresses[id_of(1)] |= {"allocation_id": None, "allocation_type": None}
    page = Page(alices.post(at(run, "undo"), follow=True))
    assert page.texts("h1") == ["Put back 192.0.2.1?"]
    undo = Run.objects.get(undoes=run)
    alices.post(at(undo, "start"), {"with_reverse_dns": "on"})
    undo.refresh_from_db()
    assert (undo.state, undo.restores_reverse_dns) == (RunState.QUEUED, True)
    assert "Put back by" in alices.get(run.get_absolute_url()).text


def test_an_auditor_sees_runs_and_changes_none(audrey: User, client_of: ClientOf, run: Run) -> None:
    audreys = client_of(audrey)
    page = Page(audreys.get(run.get_absolute_url()))
    assert "Pause" not in page.buttons
    assert Page(audreys.get(reverse("runs"))).rows
    assert audreys.post(at(run, "stop")).status_code == 403


def test_an_unknown_run(alices: Client) -> None:
    assert alices.get(reverse("run", args=[uuid.uuid4()])).status_code == 404


# Lists


def test_the_list_of_runs(alices: Client, run: Run) -> None:
    page = Page(alices.get(reverse("runs")))
    assert len(page.rows) == 1
    assert page.rows[0].startswith("Unallocate 2 addresses Running Acme alice OPS-1")
    assert Page(alices.get(reverse("runs"), {"state": "ended"})).rows == []


def test_there_are_no_runs_yet(alices: Client, draft: Run) -> None:
    assert "No runs yet" in alices.get(reverse("runs")).text


def test_home_leads_to_what_waits(alices: Client, run: Run) -> None:
    assert alices.get("/")["Location"] == reverse("addresses_home")
    Run.objects.update(state=RunState.PAUSED)
    assert alices.get("/")["Location"] == reverse("waiting")
    page = Page(alices.get(reverse("waiting")))
    assert page.texts(".inbox .count") == ["1"]
    assert "Paused" in page.rows[0]


def test_nothing_waits(alices: Client) -> None:
    page = Page(alices.get(reverse("waiting")))
    assert "Nothing waits for you" in page.text
    assert page.all(".inbox .count") == []
