"""The buttons of explanations, on the pages that show them."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from selectolax.lexbor import LexborNode

from ipadmin.katapult.types import Organization
from ipadmin.models import ApiToken, AuditEntry, User
from ipadmin.services import attempt as service
from ipadmin.services import attempt_entry
from tests.page import Page, text_of
from tests.services.conftest import keep_token
from tests.services.katapult import IP, VM, refusal
from tests.views.confirming import act
from tests.views.conftest import HTMX, MakeEntry
from tests.views.katapult import Organizations


@pytest.fixture
def other(token: ApiToken, alice: User) -> ApiToken:
    return keep_token(alice, "another0for0acme", Organization("org_1", "Acme", "acme"), "Night")


def steps(answer: object) -> list[tuple[str, LexborNode]]:
    return [(text_of(each), each) for each in Page(answer).all(".steps :is(a, button)")]


def texts(answer: object) -> list[str]:
    return [text for text, _ in steps(answer)]


@pytest.mark.parametrize("name", ["addresses", "address", "machine", "unallocate"])
def test_another_token_opens_the_same_page(
    alices: Client, token: ApiToken, other: ApiToken, katapult: Organizations, name: str
) -> None:
    args = {"addresses": [], "machine": [VM]}.get(name, [IP])
    for script in (katapult.lists, katapult.reads):
        script.extend([refusal(403, "invalid_api_token")] * 4)
    answer = alices.get(reverse(name, args=[token.id, *args]) + "?wait=1")
    assert texts(answer) == ["Replace token", "Use “Night”"]
    links = [each.attributes["href"] for _, each in steps(answer)]
    assert links == [
        reverse("token_replace", args=[token.id]),
        reverse(name, args=[other.id, *args]),
    ]


def test_a_read_only_token_is_no_other_token_to_unallocate_with(
    alices: Client, token: ApiToken, other: ApiToken, katapult: Organizations
) -> None:
    ApiToken.objects.filter(pk=other.pk).update(can_unallocate=False)
    katapult.reads.append(refusal(403, "invalid_api_token"))
    assert texts(alices.get(reverse("unallocate", args=[token.id, IP]))) == ["Replace token"]


def test_a_retry_is_the_same_page_and_counts_down(
    alices: Client, token: ApiToken, katapult: Organizations
) -> None:
    url = reverse("addresses", args=[token.id]) + "?q=192&wait=1"
    katapult.lists.append(refusal(429, "rate_limit_reached"))
    [(text, retry)] = steps(alices.get(url))
    assert (text, retry.attributes["href"]) == ("Retry", url)
    assert 0 < int(retry.attributes["data-wait"] or 0) <= 60
    assert retry.attributes["data-read"] == reverse("addresses_read", args=[token.id])


@pytest.mark.parametrize("name", ["token_add", "token_replace", "token_check"])
def test_the_form_of_a_token_counts_down(
    alices: Client, token: ApiToken, katapult: Organizations, name: str
) -> None:
    katapult.names.append(refusal(429, "rate_limit_reached"))
    url = reverse(name, args=[] if name == "token_add" else [token.id])
    page = Page(alices.post(url, {"label": "New", "secret": "x" * 20}))
    waits = [int(each or 0) for each in page.values("data-wait")]
    assert 0 < max(waits) <= 60
    assert set(waits) <= {0, max(waits)}


def test_the_streamed_list_is_tried_again_as_a_page(
    alices: Client, token: ApiToken, katapult: Organizations
) -> None:
    katapult.lists.extend([refusal(503, "service_unavailable")] * 4)
    answer = alices.get(reverse("addresses_read", args=[token.id]))
    html = b"".join(answer).decode()
    retry, _copy = (each for _, each in steps(html))
    assert retry.attributes["href"] == reverse("addresses", args=[token.id])


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "dialog"])
def test_a_confirmation_is_tried_again_where_it_is(
    alices: Client, token: ApiToken, katapult: Organizations, headers: dict[str, str]
) -> None:
    url = reverse("unallocate", args=[token.id, IP])
    katapult.reads.append(refusal(503, "service_unavailable"))
    retry, _copy = (each for _, each in steps(alices.get(url, headers=headers)))
    assert retry.attributes["href"] == url
    assert ("hx-get" in retry.attributes) is bool(headers)


def test_an_attempt_without_an_effect_can_be_started_again(
    alices: Client, token: ApiToken, other: ApiToken, katapult: Organizations
) -> None:
    url = reverse("unallocate", args=[token.id, IP])
    katapult.posts.append(refusal(429, "rate_limit_reached"))
    answer = act(alices, f"{url}?table=1", htmx=True)
    assert texts(answer) == ["Start again", "Use “Night”"]
    again = steps(answer)[0][1]
    assert again.attributes["href"] == url
    assert again.attributes["hx-get"] == f"{url}?table=1"
    # On the entry's page, as a link.
    again = steps(alices.get(AuditEntry.objects.get().get_absolute_url()))[0][1]
    assert "hx-get" not in again.attributes


def test_an_attempt_of_another_user_is_not_started_again(
    alices: Client, bobs_token: ApiToken, entry: MakeEntry
) -> None:
    made = entry(outcome="failed", error_code="service_unavailable", token_id=bobs_token.id)
    assert texts(alices.get(made.get_absolute_url())) == ["Copy details for support"]


@pytest.mark.parametrize(("age", "is_offered"), [(timedelta(), True), (timedelta(days=2), False)])
def test_an_old_attempt_is_not_started_again(
    alices: Client, token: ApiToken, entry: MakeEntry, age: timedelta, *, is_offered: bool
) -> None:
    at = timezone.now() - age
    made = entry(outcome="failed", error_code="interrupted", token_id=token.id, created_at=at)
    assert texts(alices.get(made.get_absolute_url())) == ["Start again"] * is_offered


def test_an_outcome_that_is_not_saved_links_to_its_entry(
    alices: Client,
    token: ApiToken,
    katapult: Organizations,
    entry: MakeEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = entry(outcome="succeeded")

    def fail(*_: object) -> None:
        raise attempt_entry.OutcomeNotWritten(made)

    monkeypatch.setattr(service, "carry_out", fail)
    answer = act(alices, reverse("unallocate", args=[token.id, IP]))
    assert texts(answer) == ["Open entry", "Copy details for support"]
    assert steps(answer)[0][1].attributes["href"] == made.get_absolute_url()


def test_the_details_to_copy_have_no_secret(
    alices: Client, token: ApiToken, katapult: Organizations
) -> None:
    katapult.reads.append(refusal(500, "unhandled_exception"))
    answer = alices.get(reverse("address", args=[token.id, IP]))
    copied = steps(answer)[1][1].attributes["data-copy"] or ""
    assert re.search(
        r"Internal error.*Nothing was changed.*request ID: .*Time: ", copied, re.DOTALL
    )
    assert token.decrypt_secret().reveal() not in copied
