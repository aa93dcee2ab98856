"""Sessions in a browser: the warning before the idle timeout, its end, the list, and lock-outs."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone
from playwright.sync_api import Page, expect

from ipadmin.models import Session, User
from tests.browser.conftest import Browse
from tests.browser.steps import expect_accessible, expect_no_sideways_scrolling, sign_in
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)

SIGN_IN = re.compile("/accounts/login/")


def open_with_clock(page: Page, path: str) -> None:
    """A page whose time the test moves."""
    page.clock.install()
    page.goto(path)


def pass_time(page: Page, **time: float) -> None:
    """In the browser and on the server."""
    passed = timedelta(**time)
    for session in Session.objects.all():
        Session.objects.filter(pk=session.pk).update(last_seen_at=session.last_seen_at - passed)
    page.clock.fast_forward(int(passed.total_seconds() * 1000))


def test_an_idle_session_is_warned_and_can_stay(page: Page) -> None:
    open_with_clock(page, "/tokens/")
    pass_time(page, minutes=113)
    dialog = page.get_by_role("alertdialog")
    expect(dialog).to_be_hidden()
    pass_time(page, minutes=2)
    expect(dialog).to_contain_text(re.compile("signed out in [34] minutes"))
    expect(dialog.get_by_role("button", name="Stay signed in")).to_be_focused()
    expect_accessible(page)
    dialog.get_by_role("button", name="Stay signed in").click()
    expect(dialog).to_be_hidden()
    assert timezone.now() - Session.objects.get().last_seen_at < timedelta(minutes=1)
    pass_time(page, minutes=100)
    expect(dialog).to_be_hidden()


def test_a_session_that_nobody_uses_ends_by_itself(page: Page) -> None:
    open_with_clock(page, "/audit/?q=198.18")
    pass_time(page, minutes=115)
    expect(page.get_by_role("alertdialog")).to_be_visible()
    pass_time(page, minutes=6)
    expect(page).to_have_url(SIGN_IN)
    expect(page.get_by_text("this site was not used for 2 hours")).to_be_visible()
    sign_in(page, "alice")
    expect(page).to_have_url(re.compile(r"/audit/\?q=198.18$"))


def test_another_tab_keeps_the_session(page: Page) -> None:
    open_with_clock(page, "/tokens/")
    other = page.context.new_page()
    pass_time(page, minutes=115)
    expect(page.get_by_role("alertdialog")).to_be_visible()
    # Its time is the real one, as that of this tab is not.
    other.goto("/audit/")
    ends_at = page.evaluate("Date.now()") + settings.SESSION_IDLE_TIMEOUT * 1000
    other.evaluate("(at) => localStorage.setItem('session-ends-at', at)", ends_at)
    expect(page.get_by_role("alertdialog")).to_be_hidden()


def test_escape_keeps_the_session(page: Page) -> None:
    open_with_clock(page, "/tokens/")
    pass_time(page, minutes=115)
    expect(page.get_by_role("alertdialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("alertdialog")).to_be_hidden()
    assert timezone.now() - Session.objects.get().last_seen_at < timedelta(minutes=1)


def test_polling_is_marked(page: Page) -> None:
    page.goto("/tokens/")
    script = """(trigger) => new Promise((resolve) => {
      document.addEventListener("htmx:configRequest", (event) => {
        event.preventDefault();
        resolve(event.detail.headers["X-Background"] || "");
      }, { once: true });
      document.querySelector("main").insertAdjacentHTML("beforeend",
        `<button id="probe" hx-get="/tokens/" hx-trigger="${trigger}">x</button>`);
      const probe = document.getElementById("probe");
      htmx.process(probe);
      if (trigger === "click") probe.click();
    })"""
    assert page.evaluate(script, "every 100ms") == "yes"
    page.reload()
    assert not page.evaluate(script, "click")


def test_the_sessions_page_ends_another_browser(browse: Browse, page: Page, alice: User) -> None:
    other = browse(user_agent="Mozilla/5.0 (iPhone) Version/18.0 Mobile Safari/604.1")
    other.goto("/tokens/")
    sign_in(other, "alice")
    expect(other.get_by_role("heading", name="API tokens")).to_be_visible()
    page.goto("/tokens/")
    page.locator("details.menu summary", has_text="alice").click()
    page.get_by_role("link", name="Your account").click()
    page.get_by_role("link", name="Show sessions").click()
    expect(page.get_by_text("This session")).to_have_count(1)
    expect_accessible(page)
    page.set_viewport_size({"width": 390, "height": 800})
    expect_no_sideways_scrolling(page)
    page.get_by_role("button", name=re.compile("End Safari on an iPhone")).click()
    expect(page.get_by_text("1 session was ended.")).to_be_visible()
    other.reload()
    expect(other).to_have_url(SIGN_IN)
    expect(other.get_by_text("this session was ended in another browser")).to_be_visible()


def test_a_lock_out_says_when_to_try_again(browse: Browse, alice: User) -> None:
    page = browse()
    page.goto("/accounts/login/")
    for _ in range(5):
        sign_in(page, "alice", "wrong password")
        expect(page.get_by_role("alert")).to_contain_text("not correct")
    sign_in(page, "alice", PASSWORD)
    expect(page.get_by_role("alert")).to_contain_text("Try again in 15 minutes")


def test_a_password_that_someone_else_set_in_a_browser(browse: Browse, alice: User) -> None:
    User.objects.update(must_change_password=True)
    page = browse(alice)
    page.goto("/audit/")
    expect(page.get_by_role("heading", name="Change password")).to_be_visible()
    page.get_by_label("Current password").fill(PASSWORD)
    for label in ("New Password", "New password (again)"):
        page.get_by_label(label, exact=label == "New Password").fill("Katapult-2026!")
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_text("This password is too easy to guess.")).to_be_visible()
    page.get_by_label("Current password").fill(PASSWORD)
    for label in ("New Password", "New password (again)"):
        page.get_by_label(label, exact=label == "New Password").fill("a violin for the tortoise")
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_text("Password successfully changed")).to_be_visible()
    page.goto("/audit/")
    expect(page.get_by_role("heading", name="History")).to_be_visible()
