"""Whatever goes wrong is said where the eye is, and never looks like success."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404
from django.urls import reverse
from playwright.sync_api import Page, expect

from ipadmin.katapult.client import KatapultClient
from ipadmin.models import ApiToken, AuditEntry
from ipadmin.sandbox import Sandbox
from ipadmin.services import api, confirmation, inventory
from ipadmin.services import attempt as service
from tests.browser.steps import (
    ask,
    calls,
    confirm,
    dialog_of,
    expect_in_view,
    is_allocated,
    open_list,
    ordinary,
    row,
    unallocate_button,
    wait_until_read,
)

pytestmark = pytest.mark.django_db(transaction=True)

BreakAt = Callable[[Any, str, Exception], None]

FAILURES = [
    (SuspiciousOperation("x"), "Invalid request"),
    (PermissionDenied(), "Your role does not allow this"),
    (Http404(), "Page not found"),
    (RuntimeError("broken on purpose"), "An internal error occurred"),
]
each_failure = pytest.mark.parametrize(
    ("error", "words"), FAILURES, ids=["400", "403", "404", "500"]
)


@pytest.fixture
def break_at(monkeypatch: pytest.MonkeyPatch) -> BreakAt:
    def break_it(module: Any, name: str, error: Exception) -> None:
        def broken(*_args: Any, **_kwargs: Any) -> None:
            raise error

        monkeypatch.setattr(module, name, broken)

    return break_it


@pytest.fixture
def nobody() -> Iterator[KatapultClient]:
    """A client of a Katapult that is not there."""
    client = KatapultClient("http://127.0.0.1:9", user_agent="test")
    yield client
    client.close()


# Ourselves


@each_failure
def test_an_error_on_the_confirmation_page_in_a_browser(
    page: Page, token: ApiToken, box: Sandbox, break_at: BreakAt, *, error: Exception, words: str
) -> None:
    open_list(page, token)
    wait_until_read(page)
    break_at(confirmation, "read", error)
    button = unallocate_button(page, ordinary(box))
    button.click()
    expect_in_view(dialog_of(page).get_by_text(words))
    dialog_of(page).get_by_role("button", name="Close").click()
    expect(button).to_be_focused()


@each_failure
def test_an_error_of_the_call_in_a_browser(
    page: Page, token: ApiToken, box: Sandbox, break_at: BreakAt, *, error: Exception, words: str
) -> None:
    address = ordinary(box)
    open_list(page, token)
    ask(page, address)
    break_at(service, "carry_out", error)
    confirm(page)
    expect_in_view(dialog_of(page).get_by_text(words))
    page.keyboard.press("Escape")
    expect(row(page, address)).to_contain_text("cache-01")
    assert calls(box) == 0


@each_failure
def test_an_error_of_the_list_in_a_browser(
    page: Page, token: ApiToken, break_at: BreakAt, error: Exception, words: str
) -> None:
    open_list(page, token)
    wait_until_read(page)
    break_at(inventory, "stored", error)
    page.get_by_role("link", name="Allocated", exact=False).first.click()
    expect_in_view(page.locator("#listing").get_by_text(words))


def test_without_an_entry_there_is_no_call_in_a_browser(
    page: Page, token: ApiToken, box: Sandbox, break_at: BreakAt
) -> None:
    open_list(page, token)
    ask(page, ordinary(box))
    break_at(service, "carry_out", service.AuditUnavailable())
    confirm(page)
    expect_in_view(dialog_of(page).get_by_text("The audit log can't be written"))
    expect(dialog_of(page)).to_contain_text("Nothing was changed.")


def test_an_expired_confirmation_is_asked_again(
    page: Page, token: ApiToken, box: Sandbox, settings: Any
) -> None:
    address = ordinary(box)
    open_list(page, token)
    ask(page, address)
    settings.CONFIRMATION_MAX_AGE = -1
    confirm(page)
    expect_in_view(dialog_of(page).get_by_text("has expired"))
    settings.CONFIRMATION_MAX_AGE = 600
    confirm(page)
    expect(row(page, address)).to_contain_text("was unallocated")
    assert calls(box) == 1


def test_the_error_page_of_a_proxy_is_not_swapped_in(
    page: Page, token: ApiToken, box: Sandbox
) -> None:
    open_list(page, token)
    ask(page, ordinary(box))
    page.route(
        "**/unallocate/**", lambda route: route.fulfill(status=502, body="<html>Bad gateway")
    )
    confirm(page)
    expect_in_view(dialog_of(page).get_by_text("The response can't be shown"))
    expect(page.get_by_text("Bad gateway")).to_have_count(0)


@pytest.mark.parametrize("status", [413, 429, 500, 504])
def test_an_empty_answer_to_htmx_is_explained(
    page: Page, token: ApiToken, box: Sandbox, status: int
) -> None:
    open_list(page, token)
    page.route("**/unallocate/**", lambda route: route.fulfill(status=status, body=""))
    unallocate_button(page, ordinary(box)).click()
    expect_in_view(dialog_of(page).get_by_text("The response can't be shown"))


# The network between the browser and us


def test_no_network_before_the_confirmation(page: Page, token: ApiToken, box: Sandbox) -> None:
    open_list(page, token)
    page.context.set_offline(True)
    unallocate_button(page, ordinary(box)).click()
    expect_in_view(page.get_by_text("No response from IP admin"))
    page.context.set_offline(False)
    ask(page, ordinary(box))


def test_no_network_before_the_call(page: Page, token: ApiToken, box: Sandbox) -> None:
    address = ordinary(box)
    open_list(page, token)
    ask(page, address)
    page.context.set_offline(True)
    confirm(page)
    expect_in_view(dialog_of(page).get_by_text("No response from IP admin"))
    assert calls(box) == 0
    page.context.set_offline(False)
    confirm(page)
    expect(row(page, address)).to_contain_text("was unallocated")
    assert (calls(box), AuditEntry.objects.count()) == (1, 1)


def test_the_answer_is_lost_on_its_way_to_the_browser(
    page: Page, token: ApiToken, box: Sandbox
) -> None:
    """We acted; the operator presses again and is shown what became of it, not a second call."""
    address = ordinary(box)
    open_list(page, token)
    ask(page, address)

    def lose(route: Any) -> None:
        route.fetch()
        route.abort()

    page.route("**/unallocate/**", lose, times=1)
    confirm(page)
    expect_in_view(dialog_of(page).get_by_text("No response from IP admin"))
    confirm(page)
    expect(row(page, address)).to_contain_text("was unallocated")
    assert (calls(box), AuditEntry.objects.count()) == (1, 1)


# Katapult


def test_katapult_is_unreachable_when_the_list_is_read(
    page: Page, token: ApiToken, nobody: KatapultClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "client", lambda: nobody)
    open_list(page, token)
    expect_in_view(page.get_by_text("Katapult can't be reached"))
    expect(page.get_by_text("Nothing was changed.")).to_be_visible()


def test_katapult_is_unreachable_on_the_confirmation_page(
    page: Page,
    token: ApiToken,
    box: Sandbox,
    nobody: KatapultClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    open_list(page, token)
    wait_until_read(page)
    monkeypatch.setattr(api, "client", lambda: nobody)
    unallocate_button(page, ordinary(box)).click()
    expect_in_view(dialog_of(page).get_by_text("Katapult can't be reached"))


def test_katapult_is_unreachable_at_the_call(
    page: Page,
    token: ApiToken,
    box: Sandbox,
    nobody: KatapultClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = ordinary(box)
    open_list(page, token)
    ask(page, address)
    monkeypatch.setattr(api, "client", lambda: nobody)
    confirm(page)
    expect_in_view(row(page, address).get_by_text("Katapult can't be reached"))
    expect(row(page, address)).to_contain_text("Nothing was changed.")
    assert is_allocated(box, address)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            {"kind": "error", "code": "resource_does_not_support_unallocation"},
            "does not support unallocation",
        ),
        ({"kind": "error", "code": "no_allocation"}, "The address was already unallocated"),
        ({"kind": "rate_limit", "retry_after": 30}, re.compile("Try again (at|from)")),
    ],
)
def test_a_refusal_of_katapult_in_a_browser(
    page: Page, token: ApiToken, box: Sandbox, fault: dict[str, Any], words: Any
) -> None:
    address = ordinary(box)
    open_list(page, token)
    ask(page, address)
    box.set_faults([{"call": "unallocate", **fault}])
    confirm(page)
    expect_in_view(row(page, address).get_by_text(words).first)
    expect(row(page, address)).to_contain_text("Nothing was changed.")
    expect(row(page, address)).to_be_focused()
    assert is_allocated(box, address)


def test_no_javascript_sees_the_same_refusal(
    browse: Any, alice: Any, token: ApiToken, box: Sandbox
) -> None:
    page = browse(alice, java_script_enabled=False)
    page.goto(reverse("unallocate", args=[token.id, ordinary(box)["id"]]))
    box.set_faults([{"call": "unallocate", "kind": "rate_limit"}])
    confirm(page)
    expect(page.locator("main")).to_contain_text("Too many requests this minute")
    expect(page.locator("main")).to_contain_text("Nothing was changed.")
