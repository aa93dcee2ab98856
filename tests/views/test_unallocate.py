"""Ask, then act: the page, the dialog, and what becomes of a confirmation."""

# Pytest passes them by name.
# ruff: noqa: PLR0917
from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from django.core import signing
from django.db import OperationalError
from django.db.models import QuerySet
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from ipadmin.models import ApiToken, AuditEntry, Outcome, User
from ipadmin.sandbox import Sandbox
from ipadmin.services.confirmation import SALT
from tests.conftest import ClientOf
from tests.page import Page
from tests.sandbox_client import some
from tests.services.katapult import ADDRESS, IP, OTHER_VM, REQUEST_ID, VM, html, refusal
from tests.views.conftest import HTMX, PLANTED, MakeEntry
from tests.views.katapult import HOSTILE, LIST, Organizations, listed

# The codes of the API page that unallocating can be answered with: (status, code, detail, words).
NO: list[tuple[int, str, dict[str, Any], list[str]]] = [
    (400, "missing_api_token", {}, ["Katapult received no API token", "Check the proxy"]),
    (
        403,
        "unauthorized_network_for_api_token",
        {"ip_address": "203.0.113.9"},
        ["be used from this network", "Address seen by Katapult", 'data-copy="203.0.113.9"'],
    ),
    (403, "invalid_api_token", {"details": "expired"}, ["does not accept this token", "expired"]),
    (403, "invalid_capabilities_token", {}, ["signed with the wrong key"]),
    (
        403,
        "scope_not_granted",
        {"scopes": ["ip_addresses", "organizations:read"]},
        ["lacks a scope", "Scope needed", "ip_addresses, organizations:read"],
    ),
    (403, "permission_denied", {"details": "not yours"}, ["denied permission", "not yours"]),
    (403, "organization_suspended", {}, ["The organization is suspended"]),
    (403, "organization_not_activated", {}, ["The organization is not activated"]),
    (404, "ip_address_not_found", {}, ["Address not found"]),
    (404, "organization_not_found", {}, ["Organization not found"]),
    (404, "virtual_machine_not_found", {}, ["Virtual machine not found"]),
    (404, "route_not_found", {}, ["does not know this request", "KATAPULT_API_URL"]),
    (409, "resource_does_not_support_unallocation", {}, ["does not support unallocation"]),
    (422, "no_allocation", {}, ["The address was already unallocated", "nothing left to do"]),
    (
        422,
        "validation_error",
        {"errors": ["is locked"]},
        ["Katapult rejected the change", "is locked"],
    ),
    (422, "validation_error", {"errors": "is held"}, ["Katapult rejected the change", "is held"]),
    (400, "invalid_argument", {}, ["did not understand the request"]),
    (400, "missing_required_argument", {}, ["lacked an argument"]),
    (400, "invalid_json_body", {}, ["did not arrive as JSON"]),
    (
        429,
        "rate_limit_reached",
        {"total_permitted": 1000},
        ["Too many requests this minute", "Requests allowed per minute", "1000", "Try again at"],
    ),
]
FAILING = [
    (503, "service_unavailable", "Katapult answered that its service is unavailable"),
    (500, "unhandled_exception", "An internal error occurred in Katapult"),
    # A gateway's: it says nothing of what became of the request.
    (408, "request_timeout", "Own words"),
    (400, "no_allocation", "Own words"),
]
FORM = 'name="confirmation"'
CODES = [pytest.param(*each, id=f"{each[1]}-{number}") for number, each in enumerate(NO)]
# One of each kind of detail.
FEW_CODES = [each for each in CODES if each.values[1] in {"scope_not_granted", "no_allocation"}]
with_and_without_htmx = pytest.mark.parametrize("htmx", [True, False], ids=["htmx", "plain"])


@pytest.fixture
def url(token: ApiToken) -> str:
    return reverse("unallocate", args=[token.id, IP])


def confirmation_of(page: Any) -> str:
    """What the form of a page would send along."""
    return Page(page).confirmation()


def ask(client: Client, url: str) -> str:
    return confirmation_of(client.get(url))


def act(client: Client, url: str, *, htmx: bool = False, **form: str) -> Any:
    """Ask first, then confirm."""
    form = {"confirmation": ask(client, url)} | form
    return client.post(url, form, headers=HTMX if htmx else {})


def only_entry() -> AuditEntry:
    return AuditEntry.objects.get()


# It works


def test_it_works_without_htmx(alices: Client, url: str, katapult: Organizations) -> None:
    answer = act(alices, url, reason="moved")
    entry = only_entry()
    assert answer.status_code == 302
    assert answer["Location"] == reverse("audit_entry", args=[entry.attempt_id])
    assert (entry.outcome, len(katapult.sent), katapult.holder) == ("succeeded", 1, None)


def test_it_works_from_a_row(alices: Client, url: str, katapult: Organizations) -> None:
    answer = act(alices, f"{url}?table=1", htmx=True)
    assert answer.status_code == 200
    assert re.match(rf'\s*<tr id="row-{IP}"', answer.text)
    assert f"{ADDRESS} was unallocated" in answer.text
    assert "<html" not in answer.text
    assert (only_entry().outcome, len(katapult.sent)) == ("succeeded", 1)


@pytest.mark.usefixtures("katapult")
def test_it_works_from_the_page_of_an_address(alices: Client, url: str) -> None:
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


def test_in_the_sandbox(alices: Client, token: ApiToken, box: Sandbox) -> None:
    address = some(box)
    token.organization_id = address["organization"]
    token.save()
    url = reverse("unallocate", args=[token.id, address["id"]])
    answer = act(alices, url, htmx=True, typed_address=address["address"])
    assert f"{address['address']} was unallocated" in answer.text
    assert len(box.ledger("unallocate")) == 1
    assert some(box, None, id=address["id"])


# Asking


def test_asking_shows_what_will_change(alices: Client, url: str, katapult: Organizations) -> None:
    katapult.more = {"network": {"id": "netw_1", "name": "Public Network"}}
    answer = alices.get(url)
    assert answer.status_code == 200
    page = answer.text.replace("<wbr>", "")
    for shown in (ADDRESS, "web-01", VM, "web-01.example.net", "Will be lost", "shop", "Acme"):
        assert shown in page
    for shown in ("192-0-2-7.rdns.katapult.io", "Public Network", "SANDBOX", "alice", "Live", IP):
        assert shown in page


def test_asking_never_writes(alices: Client, url: str, katapult: Organizations) -> None:
    confirmation = ask(alices, url)
    alices.get(url, {"confirmation": confirmation, "reason": "x", "typed_address": ADDRESS})
    alices.head(url, {"confirmation": confirmation})
    alices.get(f"{url}?table=1", {"confirmation": confirmation}, headers=HTMX)
    assert (katapult.sent, AuditEntry.objects.count()) == ([], 0)


@pytest.mark.usefixtures("katapult")
def test_asking_shows_the_part_in_the_dialog(alices: Client, url: str) -> None:
    answer = alices.get(f"{url}?table=1", headers=HTMX)
    assert "<html" not in answer.text
    assert f'hx-post="{url}?table=1"' in answer.text
    assert answer["HX-Retarget"] == "#dialog"
    assert answer["HX-Reswap"] == "innerHTML"


@pytest.mark.usefixtures("katapult")
@pytest.mark.parametrize("header", ["HX-Boosted", "HX-History-Restore-Request"])
def test_asking_shows_the_page_to_the_history(alices: Client, url: str, header: str) -> None:
    answer = alices.get(url, headers=HTMX | {header: "true"})
    assert "<html" in answer.text
    assert "HX-Retarget" not in answer


@pytest.mark.usefixtures("katapult")
def test_each_asking_is_another_attempt(alices: Client, url: str) -> None:
    assert ask(alices, url) != ask(alices, url)


@pytest.mark.usefixtures("katapult")
def test_asking_shows_earlier_attempts(alices: Client, url: str, entry: MakeEntry) -> None:
    earlier = entry(reason=HOSTILE)
    text = alices.get(url).text
    assert "Earlier attempts" in text
    assert earlier.get_absolute_url() in text
    assert HOSTILE not in text


@pytest.mark.usefixtures("katapult")
def test_asking_warns_of_an_earlier_attempt_that_is_open(
    alices: Client, url: str, entry: MakeEntry
) -> None:
    assert "has no outcome yet" not in alices.get(url).text
    entry(outcome=Outcome.FAILED, error_code="permission_denied")
    assert "has no outcome yet" not in alices.get(url).text
    entry(outcome=Outcome.PENDING, user_id=2, user_name="bob")
    text = alices.get(url).text
    assert "has no outcome yet" in text
    assert "The attempt by bob" in text


def test_asking_escapes_what_katapult_says(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.more = {
        "reverse_dns": HOSTILE,
        "label": HOSTILE,
        "allocation_type": HOSTILE,
        "network": {"name": HOSTILE},
    }
    answer = alices.get(url)
    assert HOSTILE not in answer.text
    assert answer.text.count("&lt;script&gt;") >= 4


@pytest.mark.parametrize(("status", "code", "detail", "words"), FEW_CODES)
def test_asking_explains_a_refusal(
    alices: Client,
    url: str,
    katapult: Organizations,
    status: int,
    code: str,
    detail: dict[str, Any],
    words: list[str],
) -> None:
    katapult.reads.append(refusal(status, code, detail, "Own words"))
    answer = alices.get(url)
    assert answer.status_code == 200
    assert all(word in answer.text for word in [*words, "Nothing was changed.", REQUEST_ID])
    assert FORM not in answer.text
    assert AuditEntry.objects.count() == 0


def test_asking_in_the_dialog_explains_a_refusal(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.reads.append(refusal(404, "ip_address_not_found"))
    answer = alices.get(url, headers=HTMX)
    assert answer["HX-Retarget"] == "#dialog"
    assert "Address not found" in answer.text
    assert FORM not in answer.text


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (httpx.ConnectError("refused"), "No connection to Katapult could be opened"),
        (httpx.ReadTimeout("timed out"), "Katapult did not answer"),
        (html(), "format. It may come from a proxy"),
    ],
)
def test_asking_without_an_answer(
    alices: Client, url: str, katapult: Organizations, failure: Any, words: str
) -> None:
    katapult.reads.append(failure)
    assert words in alices.get(url).text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"allocation_type": "LoadBalancer"}, "be unallocated from a load balancer"),
        (
            {"allocation_id": None, "allocation_type": None},
            "there is nothing to unallocate",
        ),
    ],
)
def test_what_cannot_be_unallocated_is_not_offered(
    alices: Client, url: str, katapult: Organizations, change: dict[str, Any], words: str
) -> None:
    katapult.holder = None if change["allocation_type"] is None else VM
    katapult.more = change
    answer = alices.get(url)
    assert words in answer.text
    assert FORM not in answer.text


def test_an_address_outside_the_organization_is_not_offered(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.listed = [listed(8)]
    answer = alices.get(url)
    assert "Use a token of its organization" in answer.text
    assert FORM not in answer.text


def test_an_address_outside_the_organization_is_not_unallocated(
    alices: Client, url: str, katapult: Organizations
) -> None:
    signed = forged(ask(alices, url), in_organization=False)
    answer = alices.post(url, {"confirmation": signed, "typed_address": ADDRESS})
    assert answer.status_code == 422
    assert "Use a token of its organization" in answer.text
    assert (katapult.sent, AuditEntry.objects.count()) == ([], 0)


def forged(confirmation: str, **changes: Any) -> str:
    """A confirmation that shows something else, signed as ours are."""
    data = signing.loads(confirmation, salt=SALT)
    return signing.dumps(data | changes, salt=SALT, compress=True)


@pytest.mark.parametrize(
    "answer",
    [
        refusal(403, "scope_not_granted", {"scopes": ["ip_addresses:read"]}),
        refusal(503, "service_unavailable"),
    ],
)
def test_a_list_that_cannot_be_read_says_what_is_not_known(
    alices: Client, url: str, katapult: Organizations, answer: httpx.Response
) -> None:
    katapult.lists.append(answer)
    page = alices.get(url)
    assert "Not checked whether this is the last" in page.text
    assert alices.post(url, {"confirmation": confirmation_of(page)}).status_code == 302
    assert only_entry().outcome == Outcome.SUCCEEDED


@pytest.mark.parametrize("answer", [html(), httpx.ReadTimeout("slow")])
def test_a_list_that_is_not_answered_says_so(
    alices: Client, url: str, katapult: Organizations, answer: Any
) -> None:
    katapult.lists.append(answer)
    page = alices.get(url)
    assert page.status_code == 200
    assert "Nothing was changed" in page.text or "Not checked whether this is the last" in page.text


def test_few_calls_left_do_not_keep_a_confirmation_waiting(
    alices: Client, url: str, katapult: Organizations
) -> None:
    few = {"X-Ratelimit-Permitted": "1000", "X-Ratelimit-Remaining": "3"}
    katapult.reads.append(httpx.Response(200, json=katapult.body(), headers=few))
    assert "Not checked whether this is the last" in alices.get(url).text
    assert katapult.calls(LIST) == 0


# Typing


def test_a_vip_is_typed(alices: Client, url: str, katapult: Organizations) -> None:
    katapult.more = {"vip": True}
    page = alices.get(url)
    assert "A virtual IP (VIP)" in page.text
    form = {"confirmation": confirmation_of(page), "typed_address": f" {ADDRESS} "}
    assert alices.post(url, form).status_code == 302
    assert only_entry().vip


def test_the_last_of_its_family_is_typed(alices: Client, url: str, katapult: Organizations) -> None:
    katapult.listed = [listed(7, id=IP, address=ADDRESS), listed(8, address="2001:db8::8")]
    page = alices.get(url)
    assert "The last IPv4 address of web-01" in page.text
    form = {"confirmation": confirmation_of(page)}
    assert alices.post(url, form).status_code == 422
    assert alices.post(url, form | {"typed_address": ADDRESS}).status_code == 302


def test_any_other_is_not_typed(alices: Client, url: str, katapult: Organizations) -> None:
    assert "typed_address" not in alices.get(url).text


@pytest.mark.parametrize("typed", ["", "192.0.2.70", HOSTILE, "\x00", "1" * 65])
def test_something_else_typed(
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


def test_a_reason_too_long(alices: Client, url: str, katapult: Organizations) -> None:
    assert act(alices, url, reason="x" * 501).status_code == 422
    assert (katapult.sent, AuditEntry.objects.count()) == ([], 0)
    assert act(alices, url, reason="é" * 500).status_code == 302
    assert only_entry().reason == "é" * 500


# A confirmation is good for what it showed


@pytest.mark.parametrize(
    ("sent", "htmx"),
    [
        ("", True),
        ("", False),
        ("a:b:c", True),
        ("\x00", True),
        (HOSTILE, True),
        ("x" * 30_000, True),
    ],
)
def test_no_confirmation_of_ours(
    alices: Client, url: str, katapult: Organizations, sent: str, htmx: bool
) -> None:
    answer = alices.post(url, {"confirmation": sent}, headers=HTMX if htmx else {})
    assert answer.status_code == 422
    assert "This confirmation is not valid" in answer.text
    assert confirmation_of(answer)
    assert (katapult.sent, AuditEntry.objects.count()) == ([], 0)


def test_a_tampered_confirmation(alices: Client, url: str, katapult: Organizations) -> None:
    confirmation = ask(alices, url)
    tampered = confirmation[:10] + ("A" if confirmation[10] != "A" else "B") + confirmation[11:]
    assert alices.post(url, {"confirmation": tampered}).status_code == 422
    assert (katapult.sent, AuditEntry.objects.count()) == ([], 0)


def test_a_confirmation_of_another_site(
    alices: Client, url: str, katapult: Organizations, settings: Settings
) -> None:
    confirmation = ask(alices, url)
    settings.KATAPULT_API_URL = "https://api.katapult.io"
    assert alices.post(url, {"confirmation": confirmation}).status_code == 422
    assert katapult.sent == []


def test_a_confirmation_for_another_address(
    alices: Client, token: ApiToken, url: str, katapult: Organizations
) -> None:
    other = reverse("unallocate", args=[token.id, "ip_0000000000000008"])
    assert alices.post(other, {"confirmation": ask(alices, url)}).status_code == 422
    assert (katapult.sent, AuditEntry.objects.count()) == ([], 0)


def test_somebody_elses_confirmation(
    alices: Client,
    url: str,
    bob: User,
    bobs_token: ApiToken,
    client_of: ClientOf,
    katapult: Organizations,
) -> None:
    bobs = reverse("unallocate", args=[bobs_token.id, IP])
    answer = client_of(bob).post(bobs, {"confirmation": ask(alices, url)})
    assert answer.status_code == 422
    assert (katapult.sent, AuditEntry.objects.count()) == ([], 0)


def test_a_confirmation_with_another_secret(
    alices: Client, url: str, token: ApiToken, katapult: Organizations
) -> None:
    confirmation = ask(alices, url)
    token.fingerprint = "fedcba9876543210"
    token.save()
    assert alices.post(url, {"confirmation": confirmation}).status_code == 422
    assert katapult.sent == []


@with_and_without_htmx
def test_an_expired_confirmation(
    alices: Client, url: str, katapult: Organizations, settings: Settings, htmx: bool
) -> None:
    confirmation = ask(alices, url)
    settings.CONFIRMATION_MAX_AGE = -1
    answer = alices.post(url, {"confirmation": confirmation}, headers=HTMX if htmx else {})
    assert answer.status_code == 422
    assert "has expired" in answer.text
    assert confirmation_of(answer) != confirmation
    assert (katapult.sent, AuditEntry.objects.count()) == ([], 0)


def test_a_form_that_was_filled_in_badly_grows_no_younger(
    alices: Client, url: str, katapult: Organizations, settings: Settings
) -> None:
    katapult.more = {"vip": True}
    confirmation = confirmation_of(act(alices, url, typed_address="wrong"))
    settings.CONFIRMATION_MAX_AGE = -1
    answer = alices.post(url, {"confirmation": confirmation, "typed_address": ADDRESS})
    assert "has expired" in answer.text


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


# What Katapult answers


@pytest.mark.parametrize(("status", "code", "detail", "words"), CODES)
def test_a_no_has_one_entry_and_its_own_words(
    alices: Client,
    url: str,
    katapult: Organizations,
    status: int,
    code: str,
    detail: dict[str, Any],
    words: list[str],
) -> None:
    katapult.posts.append(refusal(status, code, detail, "Own words"))
    answer = alices.get(act(alices, url)["Location"])
    assert answer.status_code == 200
    assert all(word in answer.text for word in [*words, "Nothing was changed.", REQUEST_ID])
    entry = only_entry()
    assert (entry.outcome, entry.error_code, entry.http_status) == ("failed", code, status)
    assert len(katapult.sent) == 1


@pytest.mark.parametrize(("status", "code", "detail", "words"), FEW_CODES)
def test_a_flat_no_reads_the_same(
    alices: Client,
    url: str,
    katapult: Organizations,
    status: int,
    code: str,
    detail: dict[str, Any],
    words: list[str],
) -> None:
    body = {"code": code, "description": "Own words", "detail": detail}
    katapult.posts.append(httpx.Response(status, json=body))
    answer = act(alices, url, htmx=True)
    assert all(word in answer.text for word in [*words, "Nothing was changed."])
    assert (only_entry().outcome, only_entry().error_code) == ("failed", code)


@pytest.mark.parametrize(("status", "code", "words"), FAILING)
@pytest.mark.parametrize(
    ("holder", "outcome", "said"),
    [
        (VM, "unknown", "not known yet"),
        (None, "succeeded", "It was allocated to"),
        (OTHER_VM, "unknown", "not known yet"),
    ],
)
def test_a_failing_katapult_is_read_afterwards(
    alices: Client,
    url: str,
    katapult: Organizations,
    status: int,
    code: str,
    words: str,
    holder: str | None,
    outcome: str,
    said: str,
) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        katapult.holder = holder
        return refusal(status, code, {}, "Own words")

    katapult.posts.append(fail)
    text = act(alices, url, htmx=True).text
    assert words in text
    assert said in text
    assert only_entry().outcome == outcome
    assert len(katapult.sent) == 1


def test_a_lost_answer_says_that_it_is_not_known(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.posts.append(httpx.ReadTimeout("timed out"))
    text = act(alices, f"{url}?table=1", htmx=True).text
    assert "not known yet" in text
    assert "may or may not have been unallocated" in text
    assert "Do not try again yet" in text
    assert f"{reverse('attempt_result', args=[only_entry().attempt_id])}?table=1" in text
    assert (only_entry().outcome, only_entry().is_open) == ("unknown", True)


def test_an_answer_lost_that_did_work_is_found_out(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.posts.append(katapult.landing_in_silence)
    text = act(alices, url, htmx=True).text
    assert f"{ADDRESS} was unallocated" in text
    assert "The address was read as unallocated at" in text
    assert only_entry().basis == "evidence"


def test_where_all_connections_are_in_use_the_network_is_not_blamed(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.posts.append(httpx.PoolTimeout("timed out"))
    text = act(alices, url, htmx=True).text
    assert "All connections are in use" in text
    assert "Nothing was changed." in text
    assert "heck the network" not in text


def test_what_was_never_sent_was_refused(alices: Client, url: str, katapult: Organizations) -> None:
    katapult.posts.append(httpx.ConnectError("refused"))
    text = act(alices, url, htmx=True).text
    assert "No connection to Katapult could be opened" in text
    assert "Nothing was changed." in text
    assert (only_entry().outcome, only_entry().sent_at) == ("refused", None)


@pytest.mark.parametrize(
    ("holder", "words"),
    [
        (None, "The address was unallocated in the meantime"),
        (OTHER_VM, "The address was reassigned in the meantime"),
    ],
)
def test_what_is_no_longer_what_was_seen_is_refused(
    alices: Client, url: str, katapult: Organizations, holder: str | None, words: str
) -> None:
    confirmation = ask(alices, url)
    katapult.holder = holder
    text = alices.post(url, {"confirmation": confirmation}, headers=HTMX).text
    assert words in text
    assert VM in text
    assert (katapult.sent, only_entry().outcome) == ([], "refused")
    assert (OTHER_VM in text) is (holder == OTHER_VM)


def test_no_allocation_is_calm(alices: Client, url: str, katapult: Organizations) -> None:
    katapult.posts.append(refusal(422, "no_allocation"))
    text = act(alices, url, htmx=True).text
    assert '<div class="outcome" data-tone="info">' in text
    assert "danger" not in text


def test_too_many_calls_say_when_to_try_again(
    alices: Client, url: str, katapult: Organizations
) -> None:
    answer = refusal(429, "rate_limit_reached", {"total_permitted": 200})
    answer.headers["Retry-After"] = "17"
    katapult.posts.append(answer)
    text = act(alices, url, htmx=True).text
    entry = only_entry()
    assert entry.finished_at
    assert re.search(r"Try again at \d\d:\d\d:\d\d UTC", text)
    assert 'data-copy="200"' in text


def test_hostile_words_of_katapult_are_escaped(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.posts.append(refusal(422, HOSTILE, {"errors": [HOSTILE]}, HOSTILE))
    answer = act(alices, url, htmx=True)
    page = alices.get(only_entry().get_absolute_url())
    assert HOSTILE not in answer.text + page.text
    assert "&lt;script&gt;" in answer.text


# Ourselves


@with_and_without_htmx
def test_no_entry_no_call(
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
def test_an_outcome_that_cannot_be_written_is_said(
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
def test_a_token_that_cannot_be_opened(alices: Client, url: str, katapult: Organizations) -> None:
    for headers in ({}, HTMX):
        answer = alices.get(url, headers=headers)
        assert answer.status_code == 200
        assert "Enter this token again" in answer.text
    assert katapult.requests == []


def test_a_token_that_cannot_be_opened_any_more(
    alices: Client, url: str, token: ApiToken, katapult: Organizations
) -> None:
    confirmation = ask(alices, url)
    ApiToken.objects.update(encrypted_secret=b"spoilt")
    answer = alices.post(url, {"confirmation": confirmation}, headers=HTMX)
    assert "Enter this token again" in answer.text
    assert (katapult.sent, only_entry().outcome) == ([], "refused")


def test_a_token_deleted_meanwhile(
    alices: Client, url: str, token: ApiToken, katapult: Organizations
) -> None:
    confirmation = ask(alices, url)
    token.delete()
    assert alices.post(url, {"confirmation": confirmation}, headers=HTMX).status_code == 404
    assert (katapult.sent, AuditEntry.objects.count()) == ([], 0)


def test_the_secret_is_nowhere(alices: Client, url: str, katapult: Organizations) -> None:
    katapult.posts.append(refusal(403, "permission_denied", {"details": PLANTED}, PLANTED))
    pages = [alices.get(url), act(alices, url, htmx=True)]
    pages.append(alices.get(only_entry().get_absolute_url()))
    assert all(PLANTED not in page.text for page in pages)
    assert PLANTED not in str(AuditEntry.objects.values().get())
