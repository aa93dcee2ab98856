"""What the result says of each answer of Katapult."""

# Pytest passes them by name.
# ruff: noqa: PLR0917
from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from django.test import Client
from django.urls import reverse

from tests.services.katapult import ADDRESS, OTHER_VM, REQUEST_ID, VM, refusal
from tests.views.confirming import CODES, FEW_CODES, act, ask, only_entry, url
from tests.views.conftest import HTMX
from tests.views.katapult import HOSTILE, Organizations

# Used by name only, as fixtures are.
__all__ = ["url"]


FAILING = [
    (503, "service_unavailable", "Katapult answered that its service is unavailable"),
    (500, "unhandled_exception", "An internal error occurred in Katapult"),
    # A gateway's: it says nothing of what became of the request.
    (408, "request_timeout", "Own words"),
    (400, "no_allocation", "Own words"),
]


@pytest.mark.parametrize(("status", "code", "detail", "words"), CODES)
def test_each_error_code_has_one_entry_and_is_explained(
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
def test_an_error_that_is_not_wrapped_is_explained_alike(
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
def test_after_an_indefinite_error_the_address_is_read(
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


def test_a_lost_answer_is_shown_as_unknown(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.posts.append(httpx.ReadTimeout("timed out"))
    text = act(alices, f"{url}?table=1", htmx=True).text
    assert "not known yet" in text
    assert "may or may not have been unallocated" in text
    assert "Do not try again yet" in text
    assert f"{reverse('attempt_result', args=[only_entry().attempt_id])}?table=1" in text
    assert (only_entry().outcome, only_entry().is_open) == ("unknown", True)


def test_a_lost_answer_of_a_call_that_worked_is_a_success(
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


def test_a_call_that_was_not_sent_is_shown_as_refused(
    alices: Client, url: str, katapult: Organizations
) -> None:
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
def test_an_address_that_changed_since_the_confirmation_is_refused(
    alices: Client, url: str, katapult: Organizations, holder: str | None, words: str
) -> None:
    confirmation = ask(alices, url)
    katapult.holder = holder
    text = alices.post(url, {"confirmation": confirmation}, headers=HTMX).text
    assert words in text
    assert VM in text
    assert (katapult.sent, only_entry().outcome) == ([], "refused")
    assert (OTHER_VM in text) is (holder == OTHER_VM)


def test_no_allocation_is_shown_as_information(
    alices: Client, url: str, katapult: Organizations
) -> None:
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
