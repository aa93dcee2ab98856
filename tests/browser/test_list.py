"""The list of addresses: search, tabs, order, pages, refresh, copying, looking one up."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from ipadmin.models import ApiToken, User
from ipadmin.sandbox import Sandbox
from tests.browser.conftest import Browse
from tests.browser.steps import address_of, dialog_of, open_list, ordinary, row

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_searching_the_list_in_a_browser(page: Page, token: ApiToken) -> None:
    open_list(page, token)
    field = page.get_by_label("Search addresses")
    with page.expect_response(re.compile("q=cache")) as answered:
        field.press_sequentially("cache-01")
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(page.locator("tbody mark").first).to_have_text("cache-01")
    expect(page).to_have_url(re.compile("q=cache-01"))
    expect(field).to_be_focused()
    # Typed in one go, asked for once.
    assert answered.value.request.url.endswith("q=cache-01&state=all&sort=address")


def test_back_restores_the_whole_list(page: Page, token: ApiToken) -> None:
    open_list(page, token)
    page.get_by_label("Search addresses").fill("cache-01")
    expect(page).to_have_url(re.compile("q=cache-01"))
    page.get_by_role("link", name="History").click()
    page.go_back()
    expect(page.get_by_role("heading", name="Addresses")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(page.get_by_label("Search addresses")).to_have_value("cache-01")
    page.go_back()
    expect(page.locator("tbody tr")).to_have_count(30)
    expect(page.get_by_label("Search addresses")).to_have_value("")
    expect(page.get_by_role("banner")).to_be_visible()


def test_a_search_without_matches_in_a_browser(page: Page, token: ApiToken) -> None:
    open_list(page, token, "?q=nowhere")
    expect(page.get_by_text("No results for “nowhere”")).to_be_visible()
    page.get_by_role("link", name="Clear search").click()
    expect(page.locator("tbody tr")).to_have_count(30)


def test_the_tabs_of_the_list_in_a_browser(page: Page, token: ApiToken) -> None:
    open_list(page, token)
    tabs = page.get_by_role("navigation", name="State")
    expect(tabs).to_contain_text(re.compile(r"All\s+30\s+Allocated\s+23\s+Unallocated\s+7"))
    tabs.get_by_role("link", name="Unallocated").click()
    expect(page.locator("tbody tr")).to_have_count(7)
    expect(page).to_have_url(re.compile("state=unallocated"))
    expect(tabs.get_by_role("link", name="Unallocated")).to_have_attribute("aria-current", "page")
    # A search stays on the tab it was made from.
    page.get_by_label("Search addresses").fill("198.18.0.8")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile("state=unallocated"))


def test_sorting_the_list_in_a_browser(page: Page, token: ApiToken) -> None:
    open_list(page, token)
    header = page.get_by_role("columnheader", name="Reverse DNS")
    header.get_by_role("link").click()
    expect(header).to_have_attribute("aria-sort", "ascending")
    expect(page.locator("tbody tr").first).to_contain_text("198-18-0-13.rdns")
    header.get_by_role("link").click()
    expect(header).to_have_attribute("aria-sort", "descending")
    expect(page.locator("tbody tr").first).to_contain_text("web-02")


def test_paging_the_list_in_a_browser(page: Page, token: ApiToken, box: Sandbox) -> None:
    box.reset(addresses=160)
    open_list(page, token)
    expect(page.get_by_text("50 of 120 addresses")).to_be_visible()
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_text("100 of 120 addresses")).to_be_visible()
    expect(page).to_have_url(re.compile("page=2"))
    page.reload()
    expect(page.get_by_text("100 of 120 addresses")).to_be_visible()
    page.get_by_role("link", name="Previous").click()
    expect(page.get_by_text("50 of 120 addresses")).to_be_visible()


def test_refreshing_the_list_in_a_browser(page: Page, token: ApiToken, box: Sandbox) -> None:
    address = ordinary(box)
    open_list(page, token, "?q=198.18.0.6")
    box.unallocate(address["id"])
    page.get_by_role("link", name="Refresh").click()
    expect(row(page, address)).to_contain_text("Nothing")
    expect(page.get_by_label("Search addresses")).to_have_value("198.18.0.6")


def test_no_unallocate_button_where_it_cannot_work(
    page: Page, token: ApiToken, box: Sandbox
) -> None:
    open_list(page, token)
    balancer = row(page, address_of(box, "lb-01"))
    expect(balancer).to_contain_text("be unallocated from a load balancer")
    expect(balancer.get_by_role("link", name="Unallocate")).to_have_count(0)


def test_copying_an_address(page: Page, token: ApiToken) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_list(page, token)
    page.get_by_role("button", name="Copy 198.18.0.6").click()
    expect(page.locator("#announcer")).to_have_text("Copied 198.18.0.6")
    assert page.evaluate("navigator.clipboard.readText()") == "198.18.0.6"


def test_copying_an_address_without_clipboard_permission(page: Page, token: ApiToken) -> None:
    open_list(page, token)
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject() }")
    page.get_by_role("button", name="Copy 198.18.0.6").click()
    expect(page.locator("#announcer")).to_have_text("Press Ctrl and C to copy")
    assert page.evaluate("String(getSelection()).trim()") == "198.18.0.6"


@pytest.mark.parametrize("written", ["198.18.0.6", " 198.18.0.6/22 ", "ip_IeeNsXE1jFXe6kW9"])
def test_looking_up_an_address_in_a_browser(page: Page, token: ApiToken, written: str) -> None:
    open_list(page, token)
    page.get_by_label("Look up an address or ID").fill(written)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("198.18.0.6")
    expect(page.get_by_role("link", name="Unallocate…")).to_be_visible()


def test_looking_up_an_unknown_address_in_a_browser(page: Page, token: ApiToken) -> None:
    open_list(page, token)
    page.get_by_label("Look up an address or ID").fill("192.0.2.1")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Address not found", exact=True)).to_be_visible()


def test_a_list_that_cannot_be_read_still_leaves_the_lookup(
    page: Page, token: ApiToken, box: Sandbox
) -> None:
    denied = {"kind": "error", "code": "scope_not_granted"}
    box.set_faults([{"call": "list", **denied}])
    open_list(page, token)
    expect(page.get_by_text("This token lacks a scope")).to_be_visible()
    page.get_by_label("Look up an address or ID").fill("198.18.0.6")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("198.18.0.6")


def test_the_list_without_a_token_in_a_browser(browse: Browse, bob: User) -> None:
    page = browse(bob)
    page.goto("/")
    page.get_by_role("link", name="Add a token").click()
    expect(page.get_by_role("heading", name="Add an API token")).to_be_visible()
    expect(dialog_of(page)).to_be_hidden()
