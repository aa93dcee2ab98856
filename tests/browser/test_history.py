"""The list of the history in a browser: rows first, search, periods, and times."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from ipadmin.models import ApiToken, AuditEntry, User
from tests.browser.conftest import Browse
from tests.browser.steps import expect_accessible, expect_no_sideways_scrolling
from tests.history import keep

pytestmark = pytest.mark.django_db(transaction=True)
ROWS = ".entries tbody tr"


@pytest.fixture
def kept(alice: User, token: ApiToken) -> list[AuditEntry]:
    """An hour apart, oldest first."""
    now = timezone.now()
    return [
        keep(
            created_at=now - timedelta(hours=20 - n, minutes=1),
            reason=f"Moved to the new load balancer, OPS-{4680 + n}",
        )
        for n in range(20)
    ]


@pytest.mark.usefixtures("kept")
def test_ten_entries_are_visible_without_scrolling(page: Page) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto("/audit/")
    tenth = page.locator(ROWS).nth(9).bounding_box()
    strip = page.locator(".summary").bounding_box()
    assert tenth
    assert strip
    assert tenth["y"] + tenth["height"] <= 900
    assert strip["height"] <= 90
    page.locator(".summary > summary").click()
    expect(page.locator("svg.chart")).to_be_visible()
    expect_accessible(page)


@pytest.mark.usefixtures("kept")
def test_the_first_entry_is_near_the_top_of_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/audit/")
    first = page.locator(ROWS).first.bounding_box()
    assert first
    assert first["y"] <= 480
    expect_accessible(page)
    page.set_viewport_size({"width": 320, "height": 700})
    expect_no_sideways_scrolling(page)


@pytest.mark.usefixtures("kept")
def test_a_ticket_is_found_while_typing(page: Page) -> None:
    page.goto("/audit/")
    page.get_by_label("Search the history").press_sequentially("ops-4685")
    expect(page.locator(ROWS)).to_have_count(1)
    expect(page.locator(ROWS)).to_contain_text("OPS-4685")
    expect(page).to_have_url(re.compile("q=ops-4685"))
    expect(page.locator("[role=status]").first).to_contain_text("1 of 1 attempt")


@pytest.mark.parametrize("has_script", [True, False])
@pytest.mark.usefixtures("kept")
def test_periods_and_exact_times(browse: Browse, alice: User, has_script: bool) -> None:
    page = browse(alice, java_script_enabled=has_script, timezone_id="UTC")
    page.goto("/audit/?outcome=succeeded")
    first = page.locator(".whole-row").first
    expect(first).to_have_text("1 h ago")
    page.get_by_role("button", name="Exact times").click()
    expect(first).to_have_text(re.compile(r"^[-\d]{10} [:\d]{8}"))
    expect(page).to_have_url(re.compile("outcome=succeeded"))
    page.locator(".periods > summary").click()
    page.get_by_label("From").fill("2026-01-01")
    page.get_by_label("To", exact=True).fill("2026-01-31")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_text("No attempts match")).to_be_visible()
    expect(page).to_have_url(re.compile("outcome=succeeded.*since=2026-01-01.*until=2026-01-31"))
    page.locator(".periods > summary").click()
    page.get_by_role("link", name="Last 7 days").click()
    expect(page.locator(ROWS)).to_have_count(20)


@pytest.mark.usefixtures("kept")
def test_the_exact_time_of_the_row_in_focus(page: Page) -> None:
    page.goto("/audit/")
    link = page.locator(".whole-row").first
    link.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    shown = link.evaluate("element => getComputedStyle(element, '::before').content")
    assert re.search(r"[-\d]{10} [:\d]{8} ", shown)
