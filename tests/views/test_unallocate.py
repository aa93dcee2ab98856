"""Unallocating an address from the page, the row and the dialog."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import signing
from django.db import OperationalError
from django.db.models import QuerySet
from django.test import Client, override_settings
from django.urls import reverse
from pytest_django import Settings

from ipadmin.models import ApiToken, AuditEntry, Outcome, User
from ipadmin.sandbox import Sandbox
from ipadmin.services.confirmation import SALT
from tests.conftest import ClientOf
from tests.page import Page
from tests.sandbox_client import some
from tests.services.katapult import ADDRESS, IP, refusal
from tests.views.confirming import act, ask, confirmation_of, only_entry, url, with_and_without_htmx
from tests.views.conftest import HTMX, PLANTED, MakeEntry
from tests.views.katapult import HOSTILE, Organizations, listed

# Used by name only, as fixtures are.
__all__ = ["url"]


# It works


def test_unallocating_without_htmx_redirects_to_the_entry(
    alices: Client, url: str, katapult: Organizations
) -> None:
    answer = act(alices, url, reason="moved")
    entry = only_entry()
    assert answer.status_code == 302
    assert answer["Location"] == reverse("audit_entry", args=[entry.attempt_id])
    assert (entry.outcome, len(katapult.sent), katapult.holder) == ("succeeded", 1, None)


def test_unallocating_from_a_row_answers_with_the_row(
    alices: Client, url: str, katapult: Organizations
) -> None:
    answer = act(alices, f"{url}?table=1", htmx=True)
    assert answer.status_code == 200
    assert Page(answer).one(f"tr#row-{IP}")
    assert f"{ADDRESS} was unallocated" in answer.text
    assert "<html" not in answer.text
    assert (only_entry().outcome, len(katapult.sent)) == ("succeeded", 1)


@pytest.mark.usefixtures("katapult")
def test_unallocating_from_an_address_answers_with_its_section(alices: Client, url: str) -> None:
    answer = act(alices, url, htmx=True)
    assert Page(answer).one(f"section#row-{IP}")
    assert "data-announce" in answer.text


@pytest.mark.usefixtures("katapult")
def test_the_result_says_what_changed_and_where_it_is_kept(alices: Client, url: str) -> None:
    text = act(alices, url, htmx=True).text
    assert "web-01" in text
    assert "web-01.example.net" in text
    assert "took " in text
    assert only_entry().get_absolute_url() in text
    assert "hx-trigger" not in text


@pytest.mark.usefixtures("katapult")
def test_the_result_can_be_copied_for_a_ticket(alices: Client, url: str) -> None:
    page = Page(act(alices, url, htmx=True, reason="OPS-4685"))
    entry = only_entry()
    [ticket] = [each for each in page.values("data-copy") if "\n" in each]
    for line in (
        f"{ADDRESS}: unallocated (Succeeded, sandbox)",
        "Was allocated to: web-01 Virtual machine vm_0000000000000001",
        "Reverse DNS was: web-01.example.net",
        "Organization: Acme",
        "Reason: OPS-4685",
        f"Audit entry: http://testserver{entry.get_absolute_url()}",
    ):
        assert line in ticket.splitlines()
    assert ticket in Page(alices.get(entry.get_absolute_url())).values("data-copy")


def test_the_result_links_to_the_next_address_of_the_list(
    alices: Client, url: str, token: ApiToken, katapult: Organizations
) -> None:
    lists = reverse("addresses", args=[token.id])
    katapult.listed += [listed(9, None), listed(10)]
    alices.get(f"{lists}?wait=1")

    def following(query: str = "") -> list[str]:
        current = HTMX | {"HX-Current-URL": f"http://testserver{lists}{query}"}
        attempt = reverse("attempt_result", args=[only_entry().attempt_id])
        page = Page(alices.get(f"{attempt}?table=1", headers=current))
        return [text for text in page.links if text.startswith("Next")]

    act(alices, url)
    assert following() == ["Next: 192.0.2.8…"]
    # In the order of the list, and past those that have no button.
    assert following("?sort=-address") == []
    assert following("?q=192.0.2.7") == []
    assert following("?state=allocated") == ["Next: 192.0.2.8…"]
    assert following("?family=IPv6") == []


def test_lists_on_the_page_hear_of_a_finished_attempt(
    alices: Client, url: str, katapult: Organizations
) -> None:
    answer = act(alices, f"{url}?table=1", htmx=True)
    assert "attempted" in answer["HX-Trigger-After-Settle"]


@pytest.mark.usefixtures("katapult")
def test_who_acted_from_where_and_why_is_kept(alices: Client, alice: User, url: str) -> None:
    confirmation = ask(alices, url)
    form = {"confirmation": confirmation, "reason": f"  moved {HOSTILE} "}
    answer = alices.post(url, form, REMOTE_ADDR="192.0.2.99")
    entry = only_entry()
    assert (entry.user_id, entry.user_name, entry.source_ip) == (alice.pk, "alice", "192.0.2.99")
    assert entry.reason == f"moved {HOSTILE}"
    assert entry.request_id == answer["X-Request-Id"]


def test_a_csrf_token_is_enough(
    alice: User, client_of: ClientOf, url: str, katapult: Organizations
) -> None:
    client = client_of(alice, enforce_csrf_checks=True)
    page = client.get(url)
    [csrf_token] = Page(page).form("confirmation")["csrfmiddlewaretoken"]
    form = {"confirmation": confirmation_of(page)}
    headers = HTMX | {"x-csrftoken": csrf_token}
    assert client.post(url, form, headers=headers).status_code == 200
    assert len(katapult.sent) == 1


def test_unallocating_in_the_sandbox(alices: Client, token: ApiToken, box: Sandbox) -> None:
    address = some(box)
    token.organization_id = address["organization"]
    token.save()
    url = reverse("unallocate", args=[token.id, address["id"]])
    answer = act(alices, url, htmx=True, typed_address=address["address"])
    assert f"{address['address']} was unallocated" in answer.text
    assert len(box.ledger("unallocate")) == 1
    assert some(box, None, id=address["id"])


# Typing


def test_unallocating_a_vip_needs_its_address_typed(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.more = {"vip": True}
    page = alices.get(url)
    assert "A virtual IP (VIP)" in page.text
    form = {"confirmation": confirmation_of(page), "typed_address": f" {ADDRESS} "}
    assert alices.post(url, form).status_code == 302
    assert only_entry().vip


def test_unallocating_the_last_of_a_family_needs_its_address_typed(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.listed = [listed(7, id=IP, address=ADDRESS), listed(8, address="2001:db8::8")]
    page = alices.get(url)
    assert "The last IPv4 address of web-01" in page.text
    form = {"confirmation": confirmation_of(page)}
    assert alices.post(url, form).status_code == 422
    assert alices.post(url, form | {"typed_address": ADDRESS}).status_code == 302


def test_other_addresses_need_not_be_typed(
    alices: Client, url: str, katapult: Organizations
) -> None:
    assert "typed_address" not in alices.get(url).text


@pytest.mark.parametrize("typed", ["", "192.0.2.70", HOSTILE, "\x00", "1" * 65])
def test_a_wrong_typed_address_is_refused(
    alices: Client, url: str, katapult: Organizations, typed: str
) -> None:
    katapult.more = {"vip": True}
    confirmation = ask(alices, url)
    form = {"confirmation": confirmation, "typed_address": typed, "reason": "kept"}
    answer = alices.post(url, form, headers=HTMX)
    assert answer.status_code == 422
    assert "errorlist" in answer.text
    assert HOSTILE not in answer.text
    assert ('value="kept"' in answer.text, confirmation_of(answer)) == (True, confirmation)
    assert (katapult.sent, AuditEntry.objects.count()) == ([], 0)


def test_a_form_with_a_mistake_stays_in_the_dialog(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.more = {"vip": True}
    answer = act(alices, f"{url}?table=1", htmx=True)
    assert (answer["HX-Retarget"], answer["HX-Reswap"]) == ("#dialog", "innerHTML")
    assert f'hx-post="{url}?table=1"' in answer.text


@pytest.mark.parametrize(
    ("required", "reason", "error"),
    [
        ("reason", " ", "Give a reason."),
        ("ticket", "", "Give a reason."),
        ("ticket", "moved", "Give a reason with a ticket key"),
        ("reason", "moved", None),
        ("ticket", "moved, OPS-4685", None),
        ("no", "", None),
    ],
)
@pytest.mark.usefixtures("katapult")
def test_a_reason_can_be_mandatory(
    alices: Client, url: str, required: str, reason: str, error: str | None
) -> None:
    with override_settings(REASON_REQUIRED=required):
        answer = act(alices, url, reason=reason)
    assert answer.status_code == (422 if error else 302)
    assert error is None or error in answer.text
    assert AuditEntry.objects.count() == (0 if error else 1)


def test_a_reason_has_at_most_500_characters(
    alices: Client, url: str, katapult: Organizations
) -> None:
    assert act(alices, url, reason="x" * 501).status_code == 422
    assert (katapult.sent, AuditEntry.objects.count()) == ([], 0)
    assert act(alices, url, reason="é" * 500).status_code == 302
    assert only_entry().reason == "é" * 500


# Once


@with_and_without_htmx
def test_a_double_post_is_one_call(
    alices: Client, url: str, katapult: Organizations, htmx: bool
) -> None:
    form = {"confirmation": ask(alices, url)}
    headers = HTMX if htmx else {}
    first, second = (alices.post(url, form, headers=headers) for _ in range(2))
    assert (first.status_code, first.text) == (second.status_code, second.text)
    assert first.headers.get("Location") == second.headers.get("Location")
    assert (len(katapult.sent), AuditEntry.objects.count()) == (1, 1)


def test_a_second_post_while_the_first_is_under_way(
    alices: Client, url: str, katapult: Organizations, entry: MakeEntry
) -> None:
    confirmation = ask(alices, url)
    attempt = signing.loads(confirmation, salt=SALT)["attempt_id"]
    entry(attempt_id=attempt, outcome=Outcome.PENDING)
    answer = alices.post(f"{url}?table=1", {"confirmation": confirmation}, headers=HTMX)
    assert "in progress" in answer.text
    assert f'hx-get="{reverse("attempt_result", args=[attempt])}?table=1"' in answer.text
    assert katapult.sent == []


def test_back_after_it_expired_shows_the_outcome(
    alices: Client, url: str, katapult: Organizations, settings: Settings
) -> None:
    form = {"confirmation": ask(alices, url)}
    first = alices.post(url, form)
    settings.CONFIRMATION_MAX_AGE = -1
    assert alices.post(url, form)["Location"] == first["Location"]
    assert "was unallocated" in alices.post(url, form, headers=HTMX).text
    assert len(katapult.sent) == 1


def test_a_replay_with_another_reason_changes_nothing(
    alices: Client, url: str, katapult: Organizations
) -> None:
    form = {"confirmation": ask(alices, url)}
    alices.post(url, form | {"reason": "first"})
    alices.post(url, form | {"reason": "second"})
    assert only_entry().reason == "first"


# Ourselves


@with_and_without_htmx
def test_without_an_entry_there_is_no_call(
    alices: Client,
    url: str,
    katapult: Organizations,
    monkeypatch: pytest.MonkeyPatch,
    htmx: bool,
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OperationalError("database or disk is full")

    confirmation = ask(alices, url)
    monkeypatch.setattr(AuditEntry, "save", full)
    answer = alices.post(url, {"confirmation": confirmation}, headers=HTMX if htmx else {})
    assert answer.status_code == 503
    assert "The audit log can&#x27;t be written" in answer.text
    assert "Nothing was changed." in answer.text
    assert ("<html" in answer.text, katapult.sent) == (not htmx, [])


@with_and_without_htmx
def test_an_outcome_that_cannot_be_written_is_explained(
    alices: Client,
    url: str,
    katapult: Organizations,
    monkeypatch: pytest.MonkeyPatch,
    htmx: bool,
) -> None:
    update = QuerySet.update

    def full(self: QuerySet[Any], **fields: Any) -> int:
        if fields.get("finished_at"):
            raise OperationalError("database or disk is full")
        return update(self, **fields)

    confirmation = ask(alices, url)
    monkeypatch.setattr(QuerySet, "update", full)
    answer = alices.post(url, {"confirmation": confirmation}, headers=HTMX if htmx else {})
    assert answer.status_code == 503
    assert "The outcome could not be saved" in answer.text
    assert "Whether anything was changed is not known yet." in answer.text
    assert (only_entry().outcome, len(katapult.sent)) == ("pending", 1)


@pytest.mark.usefixtures("unopenable")
def test_a_token_that_cannot_be_decrypted_is_explained(
    alices: Client, url: str, katapult: Organizations
) -> None:
    for headers in ({}, HTMX):
        answer = alices.get(url, headers=headers)
        assert answer.status_code == 200
        assert "Enter this token again" in answer.text
    assert katapult.requests == []


def test_a_token_that_can_no_longer_be_decrypted_is_refused(
    alices: Client, url: str, token: ApiToken, katapult: Organizations
) -> None:
    confirmation = ask(alices, url)
    ApiToken.objects.update(encrypted_secret=b"spoilt")
    answer = alices.post(url, {"confirmation": confirmation}, headers=HTMX)
    assert "Enter this token again" in answer.text
    assert (katapult.sent, only_entry().outcome) == ([], "refused")


def test_a_token_deleted_in_the_meantime_answers_404(
    alices: Client, url: str, token: ApiToken, katapult: Organizations
) -> None:
    confirmation = ask(alices, url)
    token.delete()
    assert alices.post(url, {"confirmation": confirmation}, headers=HTMX).status_code == 404
    assert (katapult.sent, AuditEntry.objects.count()) == ([], 0)


def test_no_page_of_an_attempt_shows_the_token(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.posts.append(refusal(403, "permission_denied", {"details": PLANTED}, PLANTED))
    pages = [alices.get(url), act(alices, url, htmx=True)]
    pages.append(alices.get(only_entry().get_absolute_url()))
    assert all(PLANTED not in page.text for page in pages)
    assert PLANTED not in str(AuditEntry.objects.values().get())
