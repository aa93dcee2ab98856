"""The main job from beginning to end: with JavaScript, without, and by keyboard alone."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import Locator, Page, expect

from ipadmin.models import ApiToken, User
from ipadmin.sandbox import Sandbox
from tests.browser.conftest import Browse
from tests.browser.steps import (
    Address,
    address_of,
    ask,
    calls,
    confirm,
    danger_button,
    dialog_of,
    expect_in_view,
    is_allocated,
    last_of_its_family,
    open_list,
    ordinary,
    row,
    sign_in,
    the_entry,
    unallocate_button,
    vip,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_unallocating_from_the_list_in_a_browser(page: Page, token: ApiToken, box: Sandbox) -> None:
    address = ordinary(box)
    open_list(page, token)
    dialog = ask(page, address)
    expect(dialog).to_contain_text("cache-01")
    expect(dialog).to_contain_text("Northwind Hosting")
    expect(dialog).to_contain_text("198-18-0-6.rdns.katapult.io")
    dialog.get_by_label("Reason").fill("No longer needed")
    confirm(page)

    result = row(page, address)
    expect(result).to_contain_text(f"{address['address']} was unallocated")
    expect(result).to_contain_text("took")
    expect(result).to_be_focused()
    expect(dialog).to_be_hidden()
    assert calls(box) == 1
    assert not is_allocated(box, address)

    result.get_by_role("link", name="Audit entry").click()
    expect(page).to_have_url(re.compile(re.escape(the_entry().get_absolute_url())))
    for known in ("alice", "No longer needed", "Main", "cache-01", "127.0.0.1", address["id"]):
        expect(page.locator("main")).to_contain_text(known)
    page.get_by_role("navigation", name="Main").get_by_role("link", name="History").click()
    expect(page.locator(".entries tbody tr")).to_have_count(1)
    expect(page.locator(".entries tbody tr")).to_contain_text("succeeded", ignore_case=True)


def test_unallocating_from_an_address_in_a_browser(
    page: Page, token: ApiToken, box: Sandbox
) -> None:
    address = ordinary(box)
    page.goto(reverse("address", args=[token.id, address["id"]]))
    page.get_by_role("link", name="Unallocate…").click()
    confirm(page)
    expect(row(page, address)).to_contain_text("was unallocated")
    assert calls(box) == 1


def test_unallocating_without_javascript(browse: Browse, token: ApiToken, box: Sandbox) -> None:
    page = browse(java_script_enabled=False)
    address = ordinary(box)
    page.goto("/")
    sign_in(page, "alice")
    unallocate_button(page, address).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Unallocate {address['address']}?")
    page.get_by_label("Reason").fill("No longer needed")
    confirm(page)
    expect(page).to_have_url(re.compile(re.escape(the_entry().get_absolute_url())))
    expect(page.locator("main")).to_contain_text("was unallocated")
    expect(page.locator("main")).to_contain_text("No longer needed")
    assert calls(box) == 1
    page.get_by_role("link", name="History").first.click()
    expect(page.locator(".entries tbody tr")).to_contain_text(address["address"])


def test_the_list_works_without_javascript(
    browse: Browse, alice: User, token: ApiToken, box: Sandbox
) -> None:
    page = browse(alice, java_script_enabled=False)
    open_list(page, token)
    page.get_by_label("Filter the list").fill("cache-01")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_role("link", name="Unallocated").click()
    expect(page.get_by_text("No results for “cache-01”")).to_be_visible()


def test_unallocating_by_keyboard_alone(page: Page, token: ApiToken, box: Sandbox) -> None:
    address = ordinary(box)
    open_list(page, token, "?q=cache-01")
    button = unallocate_button(page, address)
    tab_to(page, button)
    page.keyboard.press("Enter")
    expect(dialog_of(page).get_by_role("button", name="Keep it")).to_be_focused()
    tab_to(page, danger_button(page))
    page.keyboard.press("Enter")
    expect(row(page, address)).to_contain_text("was unallocated")
    expect(row(page, address)).to_be_focused()
    assert calls(box) == 1
    tab_to(page, row(page, address).get_by_role("link", name="Audit entry"))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(re.escape(the_entry().get_absolute_url())))


@pytest.mark.parametrize("leave", ["Escape", "Enter"])
def test_leaving_the_dialog_returns_the_focus_to_its_button(
    page: Page, token: ApiToken, box: Sandbox, leave: str
) -> None:
    open_list(page, token)
    button = unallocate_button(page, address_of(box, "files-01"))
    button.focus()
    page.keyboard.press("Enter")
    expect(dialog_of(page).get_by_role("button", name="Keep it")).to_be_focused()
    page.keyboard.press(leave)
    expect(dialog_of(page)).to_be_hidden()
    expect(button).to_be_focused()
    assert calls(box) == 0


def test_the_focus_stays_inside_the_dialog(page: Page, token: ApiToken, box: Sandbox) -> None:
    open_list(page, token)
    dialog = ask(page, ordinary(box))
    for _ in range(12):
        page.keyboard.press("Tab")
        outside = "document.activeElement !== document.body && !document.activeElement.closest"
        assert not page.evaluate(f"{outside}('dialog')")
    expect(dialog).to_be_visible()


@pytest.mark.parametrize("choose", [vip, last_of_its_family])
def test_dangerous_addresses_have_to_be_typed(
    page: Page, token: ApiToken, box: Sandbox, choose: Callable[[Sandbox], Address]
) -> None:
    address = choose(box)
    open_list(page, token)
    dialog = ask(page, address)
    typed = dialog.get_by_label(f"Type {address['address']} to confirm")
    expect(danger_button(page)).to_be_disabled()
    typed.fill("198.18.0.99")
    expect(danger_button(page)).to_be_disabled()
    typed.fill(address["address"])
    confirm(page)
    expect(row(page, address)).to_contain_text("was unallocated")
    assert calls(box) == 1


def test_a_mistyped_address_keeps_the_reason_without_javascript(
    browse: Browse, alice: User, token: ApiToken, box: Sandbox
) -> None:
    page = browse(alice, java_script_enabled=False)
    address = vip(box)
    page.goto(reverse("unallocate", args=[token.id, address["id"]]))
    page.get_by_label("Reason").fill("Moved to the new cluster")
    typed = page.get_by_label(f"Type {address['address']} to confirm")
    typed.fill("198")
    confirm(page)
    expect(page.get_by_text("exactly to confirm")).to_be_visible()
    expect(page.get_by_label("Reason")).to_have_value("Moved to the new cluster")
    typed.fill(address["address"])
    confirm(page)
    expect(page.locator("main")).to_contain_text("was unallocated")
    assert the_entry().reason == "Moved to the new cluster"


def test_the_confirmation_on_a_phone(page: Page, token: ApiToken, box: Sandbox) -> None:
    page.set_viewport_size({"width": 390, "height": 700})
    address = last_of_its_family(box)
    open_list(page, token)
    dialog = ask(page, address)
    expect_in_view(dialog.get_by_label(f"Type {address['address']} to confirm"))
    expect(dialog).to_contain_text("Started")
    dialog.get_by_role("button", name="Keep it").click()
    expect(dialog).to_be_hidden()


def test_counts_and_the_next_address_follow_an_attempt(
    page: Page, token: ApiToken, box: Sandbox
) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    address = ordinary(box)
    open_list(page, token)
    ask(page, address)
    confirm(page)
    result = row(page, address)
    tabs = page.get_by_role("navigation", name="State")
    expect(tabs).to_contain_text(re.compile(r"Allocated\s+22\s+Unallocated\s+8"))
    expect(result).to_be_visible()
    result.get_by_role("button", name="Copy for a ticket").click()
    expect(page.locator("#announcer")).to_have_text("Copied the result")
    assert f"{address['address']}: unallocated" in page.evaluate("navigator.clipboard.readText()")
    result.get_by_role("link", name="Next: 198.18.0.7").click()
    expect(dialog_of(page).get_by_role("heading")).to_have_text("Unallocate 198.18.0.7?")
    page.reload()
    expect(row(page, address)).to_contain_text("Unallocated")


def test_the_result_is_announced(page: Page, token: ApiToken, box: Sandbox) -> None:
    address = ordinary(box)
    open_list(page, token)
    ask(page, address)
    confirm(page)
    expect(page.locator("#announcer")).to_contain_text(f"{address['address']} was unallocated")


def tab_to(page: Page, wanted: Locator, limit: int = 40) -> None:
    """Press Tab until it has the focus, as somebody without a mouse does."""
    for _ in range(limit):
        page.keyboard.press("Tab")
        if wanted.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError("Tab never reached it")
