"""The page of an address and of an entry in a browser: tabs, with and without JavaScript."""

from __future__ import annotations

import re
from typing import Any

from django.urls import reverse
from playwright.sync_api import Page, expect

from ipadmin.models import ApiToken, AuditEntry, User
from ipadmin.sandbox import Sandbox
from tests.browser.conftest import Browse
from tests.browser.steps import (
    expect_accessible,
    expect_no_sideways_scrolling,
    open_list,
    ordinary,
    row,
)
from tests.history import keep


def attempted(box: Sandbox, **fields: Any) -> AuditEntry:
    """A finished attempt on an address of the sandbox, made by alice."""
    found = ordinary(box)
    organization = {"organization_id": found["organization"], "organization_name": "Northwind"}
    usual = {"address": found["address"], "address_id": found["id"], "api_url": box.url}
    return keep(**organization | usual | fields)


def test_the_tabs_of_an_address(page: Page, token: ApiToken, box: Sandbox) -> None:
    attempted(box)
    open_list(page, token)
    row(page, ordinary(box)).get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(ordinary(box)["address"])
    expect(page.get_by_text("Allocated to cache-01", exact=True)).to_be_visible()
    expect_accessible(page)
    page.get_by_role("link", name="Timeline").click()
    expect(page.locator(".timeline")).to_contain_text("Unallocated from")
    expect(page).to_have_url(re.compile(r"/timeline/\?token="))
    expect_accessible(page)
    page.get_by_role("link", name="Attempts").click()
    expect(page.locator(".entries tbody tr")).to_have_count(1)
    expect(page.locator(".tabs [aria-current]")).to_have_text("Attempts")
    page.go_back()
    expect(page.locator(".timeline")).to_be_visible()
    page.locator(".timeline a.num").first.click()
    page.get_by_role("link", name="Address now").click()
    expect(page.locator(".tabs [aria-current]")).to_have_text("Now")


def test_the_tabs_on_a_phone_without_javascript(
    browse: Browse, alice: User, token: ApiToken, box: Sandbox
) -> None:
    attempted(box)
    plain = browse(alice, java_script_enabled=False, viewport={"width": 320, "height": 800})
    plain.goto(reverse("address", args=[token.id, ordinary(box)["id"]]))
    for tab in ("Timeline", "Attempts", "Now"):
        plain.get_by_role("link", name=tab, exact=True).click()
        expect(plain.locator(".tabs [aria-current]")).to_have_text(tab)
        expect_no_sideways_scrolling(plain)
    expect(plain.get_by_text("Read again")).to_be_visible()


def test_an_auditor_sees_what_the_history_knows(browse: Browse, audrey: User, box: Sandbox) -> None:
    attempted(box)
    page = browse(audrey)
    page.goto(reverse("address_now", args=[ordinary(box)["address"]]))
    expect(page.locator("#address")).to_contain_text("This site has not read it since.")
    expect_accessible(page)
    page.get_by_role("link", name="Attempts").click()
    expect(page.locator(".entries tbody tr")).to_have_count(1)
    expect_accessible(page)


def test_looking_up_a_holder_by_keyboard(page: Page, box: Sandbox) -> None:
    attempted(box)
    page.goto(reverse("address_timeline", args=[ordinary(box)["address"]]))
    page.get_by_role("textbox", name="Date and time").fill("2026-01-02T12:00:00")
    page.get_by_role("textbox", name="Date and time").press("Enter")
    expect(page.locator("#lookup")).to_contain_text("this site first read the address later")


def test_the_neighbours_of_an_entry_follow_the_list(page: Page, box: Sandbox) -> None:
    for number in range(2):
        attempted(box, address=f"192.0.2.{number}")
        attempted(box, user_name="bob")
    page.goto("/audit/?person=alice")
    page.locator(".entries tbody a").first.click()
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_contain_text("192.0.2.1")
    page.get_by_role("link", name="Older").click()
    expect(heading).to_contain_text("192.0.2.0")
    expect_no_sideways_scrolling(page)
    expect_accessible(page)
    page.get_by_role("navigation", name="Back").get_by_role("link").click()
    expect(page).to_have_url(re.compile("person=alice"))


def test_the_json_of_an_entry_is_copied(page: Page, box: Sandbox) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    entry = attempted(box)
    page.goto(entry.get_absolute_url())
    page.get_by_text("Raw JSON").click()
    page.locator(".raw").get_by_role("button", name="Copy").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert str(entry.attempt_id) in copied
