"""The confirmation page, and which confirmations are accepted."""

# Pytest passes them by name.
# ruff: noqa: PLR0917
from __future__ import annotations

from typing import Any

import httpx
import pytest
from django.core import signing
from django.test import Client

from ipadmin.models import ApiToken, AuditEntry, Outcome
from ipadmin.services.confirmation import SALT
from tests.page import Page
from tests.services.katapult import ADDRESS, IP, REQUEST_ID, VM, html, refusal
from tests.views.confirming import (
    FEW_CODES,
    ask,
    confirmation_of,
    only_entry,
    url,
)
from tests.views.conftest import HTMX, MakeEntry
from tests.views.katapult import HOSTILE, LIST, Organizations, listed

# Used by name only, as fixtures are.
__all__ = ["url"]


FORM = 'name="confirmation"'


def forged(confirmation: str, **changes: Any) -> str:
    """A confirmation that shows something else, signed as ours are."""
    data = signing.loads(confirmation, salt=SALT)
    return signing.dumps(data | changes, salt=SALT, compress=True)


# Asking


def test_the_confirmation_page_shows_what_will_change(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.more = {"network": {"id": "netw_1", "name": "Public Network"}}
    answer = alices.get(url)
    assert answer.status_code == 200
    page = answer.text.replace("<wbr>", "")
    for shown in (ADDRESS, "web-01", VM, "web-01.example.net", "Will be lost", "shop", "Acme"):
        assert shown in page
    for shown in ("192-0-2-7.rdns.katapult.io", "Public Network", "SANDBOX", "alice", "Live", IP):
        assert shown in page


def test_the_confirmation_page_never_writes(
    alices: Client, url: str, katapult: Organizations
) -> None:
    confirmation = ask(alices, url)
    alices.get(url, {"confirmation": confirmation, "reason": "x", "typed_address": ADDRESS})
    alices.head(url, {"confirmation": confirmation})
    alices.get(f"{url}?table=1", {"confirmation": confirmation}, headers=HTMX)
    assert (katapult.sent, AuditEntry.objects.count()) == ([], 0)


@pytest.mark.usefixtures("katapult")
def test_the_confirmation_is_shown_in_the_dialog(alices: Client, url: str) -> None:
    answer = alices.get(f"{url}?table=1", headers=HTMX)
    assert "<html" not in answer.text
    assert f'hx-post="{url}?table=1"' in answer.text
    assert answer["HX-Retarget"] == "#dialog"
    assert answer["HX-Reswap"] == "innerHTML"


@pytest.mark.usefixtures("katapult")
@pytest.mark.parametrize("header", ["HX-Boosted", "HX-History-Restore-Request"])
def test_history_restores_get_the_full_confirmation_page(
    alices: Client, url: str, header: str
) -> None:
    answer = alices.get(url, headers=HTMX | {header: "true"})
    assert "<html" in answer.text
    assert "HX-Retarget" not in answer


@pytest.mark.usefixtures("katapult")
def test_each_confirmation_page_is_a_new_attempt(alices: Client, url: str) -> None:
    assert ask(alices, url) != ask(alices, url)


@pytest.mark.usefixtures("katapult")
def test_the_confirmation_page_shows_earlier_attempts(
    alices: Client, url: str, entry: MakeEntry
) -> None:
    earlier = entry(reason=HOSTILE)
    text = alices.get(url).text
    assert "Earlier attempts" in text
    assert earlier.get_absolute_url() in text
    assert HOSTILE not in text


@pytest.mark.usefixtures("katapult")
def test_the_confirmation_page_warns_of_an_open_attempt(
    alices: Client, url: str, entry: MakeEntry
) -> None:
    assert "has no outcome yet" not in alices.get(url).text
    entry(outcome=Outcome.FAILED, error_code="permission_denied")
    assert "has no outcome yet" not in alices.get(url).text
    entry(outcome=Outcome.PENDING, user_id=2, user_name="bob")
    text = alices.get(url).text
    assert "has no outcome yet" in text
    assert "The attempt by bob" in text


def test_the_confirmation_page_escapes_katapults_values(
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
def test_the_confirmation_page_explains_an_error(
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


def test_the_dialog_explains_an_error(alices: Client, url: str, katapult: Organizations) -> None:
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
def test_the_confirmation_page_explains_a_missing_answer(
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
def test_an_address_that_cannot_be_unallocated_has_no_form(
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
    # A page without a proper answer is read twice.
    katapult.lists.extend([answer, answer])
    page = alices.get(url)
    assert "Not checked whether this is the last" in page.text
    assert alices.post(url, {"confirmation": confirmation_of(page)}).status_code == 302
    assert only_entry().outcome == Outcome.SUCCEEDED


def unanswered(_: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("slow")


@pytest.mark.parametrize("answer", [html(), unanswered])
def test_a_list_that_is_not_answered_says_so(
    alices: Client, url: str, katapult: Organizations, answer: Any
) -> None:
    katapult.lists.extend([answer, answer])
    page = alices.get(url)
    assert page.status_code == 200
    assert "Not checked whether this is the last" in page.text


def test_few_calls_left_do_not_keep_a_confirmation_waiting(
    alices: Client, url: str, token: ApiToken, katapult: Organizations
) -> None:
    token.can_list_machines = False
    token.save()
    few = {"X-Ratelimit-Permitted": "1000", "X-Ratelimit-Remaining": "3"}
    katapult.reads.append(httpx.Response(200, json=katapult.body(), headers=few))
    assert "Not checked whether this is the last" in alices.get(url).text
    assert katapult.calls(LIST) == 0


def test_the_confirmation_shows_the_machine(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.machines = [
        {
            "id": VM,
            "name": "web-01",
            "state": "started",
            "zone": {"name": "North West"},
            "tag_names": ["production", HOSTILE],
            "organization": {"id": "org_1"},
            "ip_addresses": [katapult.listed[1]],
        }
    ]
    page = Page(alices.get(url))
    for shown in ("Started", "North West", "production", "Other IPs 192.0.2.8"):
        assert shown in page.text
    assert HOSTILE not in page.html
    assert katapult.calls(LIST) == 0


def test_the_field_to_type_into_names_the_address(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.more = {"vip": True}
    page = Page(alices.get(url))
    field = page.one("footer.confirm-foot input[name=typed_address]")
    assert field.attributes["data-enables"] == ADDRESS
    assert f"Type {ADDRESS} to confirm" in page.texts("footer.confirm-foot label")
    assert "Keep it" in page.links
    dialog = Page(alices.get(url, headers=HTMX))
    assert [each for each in dialog.buttons if each == "Keep it"] == ["Keep it"]


def test_the_title_of_an_unallocated_address_says_so(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.holder = None
    assert Page(alices.get(url)).texts("h1") == [f"{ADDRESS} is already unallocated"]


# A confirmation is good for what it showed
