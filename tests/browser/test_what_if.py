"""The "What if…" panel, and every error's button, in a browser."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from ipadmin.models import ApiToken, AuditEntry, User
from ipadmin.sandbox import Sandbox
from tests.browser.conftest import Browse, add_token
from tests.browser.steps import (
    ask,
    confirm,
    dialog_of,
    expect_accessible,
    expect_no_sideways_scrolling,
    is_allocated,
    open_list,
    ordinary,
    row,
)
from tests.browser.witness import PLANTED

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_fault_is_armed_on_the_confirmation(page: Page, token: ApiToken, box: Sandbox) -> None:
    address = ordinary(box)
    open_list(page, token)
    dialog = ask(page, address)
    dialog.get_by_role("link", name="What if…").click()
    panel = dialog.get_by_role("form", name="What if…")
    expect(panel).to_contain_text("Nothing is armed")
    panel.get_by_role("button", name="503").click()
    expect(panel).to_contain_text("503, for the next request to unallocate")
    expect_accessible(page)
    panel.get_by_role("button", name="Clear").click()
    expect(panel).to_contain_text("Nothing is armed")
    panel.get_by_role("button", name="It works, but the connection breaks").click()
    expect(panel).to_contain_text("Armed")
    page.locator(".confirm-form button[type=submit]").click()
    expect(row(page, address)).to_contain_text("was unallocated")
    expect(row(page, address)).to_contain_text("no complete response arrived")
    assert not is_allocated(box, address)


def test_the_panel_without_javascript(
    browse: Browse, alice: User, token: ApiToken, box: Sandbox
) -> None:
    address = ordinary(box)
    page = browse(alice, java_script_enabled=False)
    confirmation = reverse("unallocate", args=[token.id, address["id"]])
    page.goto(confirmation)
    page.locator("main").get_by_role("link", name="What if…").click()
    page.get_by_role("button", name="HTML").click()
    expect(page.get_by_text("HTML, for the next request to unallocate")).to_be_visible()
    page.get_by_role("link", name="Back to where you were").click()
    assert page.url.endswith(confirmation)
    page.locator(".confirm-form button[type=submit]").click()
    expect(page.locator("main")).to_contain_text("It is not in Katapult's format.")


@pytest.mark.parametrize("width", [1280, 320])
def test_the_panel_in_the_menu(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto("/tokens/")
    page.locator(".menu summary", has_text="alice").click()
    page.get_by_role("link", name="What if…").click()
    page.get_by_label("Let this go wrong").select_option("the next read of an address")
    page.get_by_role("button", name="Other JSON").click()
    expect(page.get_by_text("Other JSON, for the next read of an address")).to_be_visible()
    expect_accessible(page)
    expect_no_sideways_scrolling(page)


def test_a_rate_limit_counts_down_to_the_button(page: Page, token: ApiToken, box: Sandbox) -> None:
    address = ordinary(box)
    box.set_faults([{"kind": "rate_limit", "call": "unallocate", "times": 1, "retry_after": 8}])
    open_list(page, token)
    ask(page, address)
    confirm(page)
    again = row(page, address).get_by_role("link", name="Start again")
    expect(again).to_have_text(re.compile(r"Start again in \d s"))
    expect(again).to_have_text("Start again", timeout=20_000)
    again.click()
    confirm(page)
    expect(row(page, address)).to_contain_text("was unallocated")
    assert AuditEntry.objects.count() == 2


def test_a_confirmation_that_failed_is_tried_again_in_the_dialog(
    page: Page, token: ApiToken, box: Sandbox
) -> None:
    address = ordinary(box)
    open_list(page, token)
    expect(row(page, address)).to_be_visible()
    box.set_faults([{"kind": "status", "status": 503, "call": "get", "times": 1}])
    row(page, address).get_by_role("link", name="Unallocate").click()
    dialog = dialog_of(page)
    expect(dialog.get_by_text("Katapult is unavailable", exact=True)).to_be_visible()
    dialog.get_by_role("link", name="Retry").click()
    expect(dialog.get_by_role("heading")).to_have_text(f"Unallocate {address['address']}?")


def test_another_token_takes_over(page: Page, alice: User, token: ApiToken, box: Sandbox) -> None:
    other = add_token(alice, f"{PLANTED}-low-limit", "Night")
    address = ordinary(box)
    page.goto(reverse("address", args=[token.id, address["id"]]))
    box.set_faults([{"kind": "error", "code": "invalid_api_token", "times": 1}])
    page.reload()
    expect(page.get_by_role("link", name="Replace token")).to_be_visible()
    page.get_by_role("link", name="Use “Night”").click()
    expect(page).to_have_url(re.compile(f"token={other.id}"))
    expect(page.get_by_role("link", name="Unallocate…")).to_be_visible()


def test_the_details_are_copied(page: Page, token: ApiToken, box: Sandbox) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    box.set_faults([{"kind": "status", "call": "get"}])
    page.goto(reverse("address", args=[token.id, ordinary(box)["id"]]))
    page.get_by_role("button", name="Copy details for support").click()
    expect(page.locator("#announcer")).to_have_text("Copied the details")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "Internal error in Katapult" in copied
    assert "Katapult request ID: " in copied


def test_a_list_that_failed_is_read_again(page: Page, token: ApiToken, box: Sandbox) -> None:
    box.set_faults([{"kind": "html", "call": "list"}])
    open_list(page, token)
    retry = page.get_by_role("link", name="Retry")
    expect(retry).to_be_visible()
    box.set_faults([])
    retry.click()
    expect(page.locator("tbody tr")).to_have_count(30)
