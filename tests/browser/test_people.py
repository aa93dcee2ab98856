"""Signing in and out, roles, and what every page says of where it acts."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from ipadmin.models import ApiToken, User
from tests.browser.conftest import Browse
from tests.browser.steps import ordinary, sign_in, unallocate
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)

NEW = "a new battery for the old horse"


def menu(page: Page, name: str) -> None:
    page.locator("details.menu summary", has_text=name).click()


def test_signing_in_and_out_in_a_browser(browse: Browse, alice: User, token: ApiToken) -> None:
    page = browse()
    page.goto("/audit/")
    sign_in(page, "alice", "wrong password")
    expect(page.get_by_role("alert")).to_be_visible()
    sign_in(page, "alice")
    expect(page.get_by_role("heading", name="History")).to_be_visible()
    menu(page, "alice")
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/accounts/login/"))
    page.go_back()
    expect(page.get_by_role("heading", name="History")).to_have_count(0)


def test_changing_the_password_in_a_browser(browse: Browse, alice: User, token: ApiToken) -> None:
    page = browse(alice)
    page.goto("/")
    menu(page, "alice")
    page.get_by_role("link", name="Your account").click()
    page.get_by_role("link", name="Change password").click()
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_label("New Password", exact=True).fill(NEW)
    page.get_by_label("New password (again)").fill(NEW)
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_text("Password successfully changed")).to_be_visible()
    alice.refresh_from_db()
    assert alice.check_password(NEW)


def test_the_menu_closes_with_escape(page: Page) -> None:
    page.goto("/tokens/")
    menu(page, "alice")
    expect(page.get_by_role("link", name="Your account")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Your account")).to_be_hidden()


def test_an_auditor_sees_the_history_only(
    browse: Browse, page: Page, token: ApiToken, box: Any, audrey: User
) -> None:
    unallocate(page, token, ordinary(box))
    audit = browse(audrey)
    audit.goto("/")
    navigation = audit.get_by_role("navigation", name="Main").get_by_role("link")
    expect(navigation).to_have_text(["Runs", "History"])
    audit.locator(".entries tbody a").first.click()
    expect(audit.locator("main")).to_contain_text("was unallocated")
    for path in ("/tokens/", f"/tokens/{token.id}/addresses/"):
        answer = audit.goto(path)
        assert answer
        assert answer.status in {403, 404}
        expect(audit.get_by_role("heading", level=1)).to_be_visible()


def test_a_user_without_a_role_in_a_browser(browse: Browse, charlie: User) -> None:
    page = browse(charlie)
    page.goto("/")
    expect(page.get_by_role("heading", name="Your account has no role yet")).to_be_visible()


PAGES = ["/", "/tokens/", "/tokens/add/", "/audit/", "/accounts/password/change/", "/nowhere/"]


@pytest.mark.parametrize("is_sandbox", [True, False])
def test_every_page_shows_its_environment_in_a_browser(
    page: Page, settings: Any, *, is_sandbox: bool
) -> None:
    settings.SANDBOX = is_sandbox
    here, there = ("SANDBOX", "LIVE") if is_sandbox else ("LIVE", "SANDBOX")
    for path in PAGES:
        page.goto(path)
        expect(page.locator(".environment")).to_contain_text(here)
        expect(page.locator(".environment")).not_to_contain_text(there)
        expect(page).to_have_title(re.compile(rf"{here}$"))
    page.goto("/")
    page.get_by_role("link", name=re.compile("^Unallocate 198")).first.click()
    expect(page.get_by_role("dialog").locator(".confirm-head")).to_contain_text(here)
