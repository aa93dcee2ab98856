"""The timeline of an address in a browser: its state now comes by itself, and without JavaScript
by a link."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from ipadmin.models import ApiToken, AuditEntry, User
from ipadmin.sandbox import Sandbox
from tests.browser.conftest import Browse
from tests.browser.steps import ordinary, unallocate


def timeline_of(page: Page, token: ApiToken, box: Sandbox) -> str:
    """Unallocate an address, and its timeline's URL."""
    unallocate(page, token, ordinary(box))
    return f"/audit/addresses/{AuditEntry.objects.get().address}/"


def test_the_current_state_is_loaded_by_htmx(page: Page, token: ApiToken, box: Sandbox) -> None:
    page.goto(timeline_of(page, token, box))
    state = page.locator("#state")
    expect(state.get_by_role("heading", name="Now")).to_be_visible()
    expect(state).to_contain_text("Not allocated")
    expect(page.locator("#announcer")).to_have_text("Not allocated")


def test_the_current_state_is_a_link_without_javascript_in_a_browser(
    page: Page, browse: Browse, alice: User, token: ApiToken, box: Sandbox
) -> None:
    url = timeline_of(page, token, box)
    plain = browse(alice, java_script_enabled=False)
    plain.goto(url)
    expect(plain.locator("#state")).to_contain_text("When last seen")
    plain.get_by_role("link", name="Check now").click()
    expect(plain.locator("#state")).to_contain_text("Not allocated")


def test_looking_up_a_holder_by_keyboard(page: Page, token: ApiToken, box: Sandbox) -> None:
    page.goto(timeline_of(page, token, box))
    page.get_by_role("textbox", name="Date and time").fill("2026-01-02T12:00:00")
    page.get_by_role("textbox", name="Date and time").press("Enter")
    expect(page.locator("#lookup")).to_contain_text("this site first read the address later")


def test_the_json_of_an_entry_is_copied(page: Page, token: ApiToken, box: Sandbox) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    timeline_of(page, token, box)
    entry = AuditEntry.objects.get()
    page.goto(entry.get_absolute_url())
    page.get_by_text("Raw JSON").click()
    page.locator(".raw").get_by_role("button", name="Copy").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert str(entry.attempt_id) in copied
