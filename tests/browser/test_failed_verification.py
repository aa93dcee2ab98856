"""The warning of a failed verification in a browser, until it is acknowledged."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from ipadmin.models import User
from tests.audit.integrity.test_nightly import failed
from tests.browser.conftest import Browse
from tests.browser.steps import expect_accessible, expect_no_sideways_scrolling


@pytest.mark.parametrize(("script", "width"), [(True, 1280), (False, 320)])
def test_an_auditor_acknowledges_a_failed_verification(
    browse: Browse, audrey: User, script: bool, width: int
) -> None:
    failed("Changed: the entry of the attempt 0439aeb7-d9a9-44e5-bf35-5e97a3b46890")
    page = browse(audrey, java_script_enabled=script, viewport={"width": width, "height": 800})
    page.goto("/audit/")
    expect(page.get_by_role("alert")).to_contain_text("A verification of this history failed")
    expect_no_sideways_scrolling(page)
    if script:
        expect_accessible(page)
    page.get_by_role("link", name="Verification failed").click()
    expect_no_sideways_scrolling(page)
    if script:
        expect_accessible(page)
    page.get_by_label("Note").fill("A restored backup")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("The failed verification is acknowledged")).to_be_visible()
    page.goto("/audit/")
    expect(page.get_by_text("Verification failed")).to_have_count(0)
    expect(page.get_by_role("alert")).to_have_count(0)
