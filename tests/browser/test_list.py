"""The list of addresses: filters, tabs, order, pages, reading, copying."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from ipadmin.models import ApiToken, User
from ipadmin.sandbox import Sandbox
from tests.browser.conftest import Browse
from tests.browser.steps import (
    address_of,
    dialog_of,
    expect_in_view,
    expect_no_sideways_scrolling,
    open_list,
    ordinary,
    row,
    wait_until_read,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_searching_the_list_in_a_browser(page: Page, token: ApiToken) -> None:
    open_list(page, token)
    field = page.get_by_label("Filter the list")
    with page.expect_response(re.compile("q=cache")) as answered:
        field.press_sequentially("cache-01")
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(page.locator("tbody mark").first).to_have_text("cache-01")
    expect(page).to_have_url(re.compile("q=cache-01"))
    expect(field).to_be_focused()
    # Typed in one go, asked for once.
    assert "q=cache-01" in answered.value.request.url
    assert page.url.endswith("?q=cache-01")


def test_back_restores_the_whole_list(page: Page, token: ApiToken) -> None:
    open_list(page, token)
    page.get_by_label("Filter the list").fill("cache-01")
    expect(page).to_have_url(re.compile("q=cache-01"))
    page.get_by_role("link", name="History").click()
    page.go_back()
    expect(page.get_by_role("heading", name="Addresses")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(page.get_by_label("Filter the list")).to_have_value("cache-01")
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
    page.get_by_label("Filter the list").fill("198.18.0.8")
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
    page.get_by_role("link", name="Next", exact=True).click()
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
    expect(page.get_by_label("Filter the list")).to_have_value("198.18.0.6")


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


def test_typing_adds_nothing_to_the_browsers_history(page: Page, token: ApiToken) -> None:
    page.goto(reverse("tokens"))
    open_list(page, token)
    expect(page.locator("tbody tr")).to_have_count(30)
    field = page.get_by_label("Filter the list")
    for text in ("cache", "cache-0", "cache-01"):
        field.fill(text)
        expect(page).to_have_url(re.compile(f"q={text}$"))
    page.go_back()
    expect(page).to_have_url(re.compile(f"{reverse('tokens')}$"))


def test_an_exact_match_stands_alone_in_a_browser(page: Page, token: ApiToken) -> None:
    open_list(page, token, "?q=198.18.0.1")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name=re.compile("more start with 198.18.0.1")).click()
    expect(page.locator("tbody tr").nth(5)).to_be_visible()
    expect(page).to_have_url(re.compile("more=1"))


def test_filters_and_groups_in_a_browser(page: Page, token: ApiToken) -> None:
    open_list(page, token)
    page.locator(".list-filters summary").click()
    page.get_by_label("Family").select_option("IPv6")
    expect(page).to_have_url(re.compile("\\?family=IPv6$"))
    page.get_by_label("Group by machine").check()
    expect(page.locator(".group-row").first).to_be_visible()
    page.go_back()
    expect(page.locator(".group-row")).to_have_count(0)


def test_a_reading_shows_progress_and_can_be_stopped(
    page: Page, token: ApiToken, box: Sandbox
) -> None:
    box.reset(addresses=4000)
    box.set_faults([{"call": "list", "kind": "delay", "seconds": 1}])
    open_list(page, token)
    expect(page.locator(".read-at")).to_contain_text(re.compile(r"Reading… [\d,]+ of 3,000"))
    expect(page.locator("tbody tr").first).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    again = page.locator("[data-read]").first
    expect(again).to_be_visible()
    box.set_faults([])
    again.click()
    expect(page.locator(".tabs")).to_contain_text(re.compile(r"All\s+3,000"))


def test_the_list_is_dense_and_its_head_stays(page: Page, token: ApiToken, box: Sandbox) -> None:
    box.reset(addresses=160)
    page.set_viewport_size({"width": 1280, "height": 900})
    open_list(page, token)
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(50)
    expect_in_view(rows.nth(14))
    expect(page.locator(".read-at")).to_contain_text("Updated")
    page.evaluate("scrollTo(0, 900)")
    box_of = "document.querySelector('{}').getBoundingClientRect()"
    header = page.evaluate(f"{box_of.format('.top')}.bottom")
    assert abs(header - page.evaluate(f"{box_of.format('.addresses thead th')}.top")) <= 1


@pytest.mark.parametrize("width", [320, 390])
def test_the_list_on_a_phone(page: Page, token: ApiToken, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    open_list(page, token)
    wait_until_read(page)
    first = page.locator("tbody tr").first
    box = first.bounding_box()
    assert box
    assert box["y"] < 420
    expect_no_sideways_scrolling(page)


def test_the_list_without_a_token_in_a_browser(browse: Browse, bob: User) -> None:
    page = browse(bob)
    page.goto("/")
    page.get_by_role("link", name="Add a token").click()
    expect(page.get_by_role("heading", name="Add an API token")).to_be_visible()
    expect(dialog_of(page)).to_be_hidden()
