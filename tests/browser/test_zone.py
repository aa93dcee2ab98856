"""Times on the clock of the reader's browser."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from ipadmin.models import ApiToken, User
from tests.browser.conftest import Browse
from tests.browser.steps import (
    expect_accessible,
    expect_no_sideways_scrolling,
    ordinary,
    sign_in,
    unallocate,
)

pytestmark = pytest.mark.django_db(transaction=True)
# Chromium calls it by its older name.
INDIA = re.compile("Times in Asia/(Calcutta|Kolkata)")


@pytest.fixture
def indian(browse: Browse, alice: User, token: ApiToken, box: Any) -> Page:
    """In India, with an attempt, after the first sign-in."""
    page = browse(timezone_id="Asia/Kolkata")
    page.goto("/audit/")
    sign_in(page, "alice")
    unallocate(page, token, ordinary(box))
    page.goto("/audit/")
    page.get_by_role("button", name="Exact times").click()
    return page


def test_the_first_page_is_in_the_browsers_zone(
    browse: Browse, alice: User, token: ApiToken
) -> None:
    page = browse(timezone_id="Asia/Kolkata")
    page.goto("/audit/")
    sign_in(page, "alice")
    expect(page.locator(".foot")).to_contain_text(INDIA)


def test_switching_to_utc_and_back_in_a_browser(indian: Page) -> None:
    heads = indian.locator(".entries th .unit")
    expect(heads).to_have_text(re.compile("Asia/"))
    indian.locator(".entries tbody a").first.click()
    expect(indian.locator(".facts time").first).to_have_text(re.compile(r"UTC\+05:30$"))
    expect(indian.locator(".facts time.second").first).to_have_text(re.compile(" UTC$"))
    indian.get_by_role("button", name="Show UTC").click()
    expect(indian.locator(".facts time").first).to_have_text(re.compile(r"\d UTC$"))
    indian.goto("/audit/")
    expect(heads).to_have_text("UTC")
    indian.get_by_role("button", name=re.compile("Show Asia")).click()
    expect(heads).to_have_text(re.compile("Asia/"))


def test_switching_the_time_zone_keeps_the_filters(indian: Page) -> None:
    # As htmx does when it swaps the entries alone.
    indian.evaluate("history.pushState({}, '', '?outcome=succeeded')")
    indian.get_by_role("button", name="Show UTC").click()
    expect(indian.locator(".foot")).to_contain_text("Times in UTC")
    expect(indian).to_have_url(re.compile("outcome=succeeded"))


def test_a_shared_url_means_the_same_in_two_zones(
    indian: Page, browse: Browse, audrey: User, token: ApiToken
) -> None:
    indian.goto("/audit/?since=2026-01-02T05:30:07")
    indian.locator("#id_since").evaluate("field => field.form.requestSubmit()")
    expect(indian).to_have_url(re.compile("zone=Asia"))
    expect(indian.locator(".chips")).to_contain_text("2026-01-02 05:30:07 UTC+05:30")
    other = browse(audrey, timezone_id="America/Sao_Paulo")
    other.goto("/")
    other.goto(indian.url)
    expect(other.locator(".chips")).to_contain_text("2026-01-01 21:00:07 UTC-03:00")
    expect(other.get_by_label("Since", exact=True)).to_have_value("2026-01-01T21:00:07")


def test_without_javascript_times_are_utc(browse: Browse, alice: User, token: ApiToken) -> None:
    page = browse(alice, timezone_id="Asia/Kolkata", java_script_enabled=False)
    page.goto("/audit/")
    page.goto("/audit/")
    expect(page.locator(".foot")).to_contain_text("Times in UTC")


@pytest.mark.parametrize("width", [390, 1280])
def test_the_time_zone_fits_a_narrow_page(indian: Page, width: int) -> None:
    indian.set_viewport_size({"width": width, "height": 800})
    expect(indian.locator(".entries .zone")).to_be_visible(visible=width == 390)
    expect_no_sideways_scrolling(indian)
    expect_accessible(indian)
