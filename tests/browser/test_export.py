"""The form of an export in a browser, as a dialog and without JavaScript as a page."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from ipadmin.models import AuditLink, LinkKind, User
from tests.browser.conftest import Browse
from tests.browser.steps import dialog_of, expect_accessible, expect_no_sideways_scrolling
from tests.history import keep

LIST = "/audit/?person=alice&when=all"


def download(page: Page) -> str:
    with page.expect_download() as found:
        page.get_by_role("button", name="Download").click()
    return found.value.path().read_text()


def test_exporting_in_the_dialog(page: Page) -> None:
    keep(user_name="alice")
    keep(user_name="bob")
    page.goto(LIST)
    page.get_by_role("link", name="Export…").click()
    dialog = dialog_of(page)
    expect(dialog).to_contain_text("1 attempt: 2 lines")
    expect_accessible(page)
    assert download(page).count("\n") == 2
    dialog.get_by_label("JSON lines").check()
    assert '"export_finished"' in download(page)
    dialog.get_by_role("link", name="Close").click()
    expect(dialog).to_be_hidden()
    assert page.url.endswith(LIST)
    kinds = AuditLink.objects.filter(kind=LinkKind.EXPORT_FINISHED)
    assert kinds.count() == 2


@pytest.mark.parametrize("width", [320, 1280])
def test_exporting_without_javascript(browse: Browse, alice: User, width: int) -> None:
    keep(user_name="alice")
    size = {"width": width, "height": 700}
    plain = browse(alice, java_script_enabled=False, viewport=size)
    plain.goto(LIST)
    plain.get_by_role("link", name="Export…").click()
    expect_no_sideways_scrolling(plain)
    plain.get_by_label("All 44").check()
    assert download(plain).count(",") > 60
    plain.get_by_role("link", name="Close").click()
    assert plain.url.endswith(LIST)
