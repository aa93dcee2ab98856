"""A test of notifications, followed on the page while the worker sends it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect
from pytest_django import Settings

from ipadmin.models import User
from ipadmin.services import notify
from tests.browser.conftest import Browse
from tests.browser.steps import expect_accessible, expect_no_sideways_scrolling
from tests.receivers import Handler, Receiver, receiving

pytestmark = pytest.mark.django_db(transaction=True)


def accept(handler: Handler) -> None:
    body = handler.rfile.read(int(handler.headers["Content-Length"]))
    handler.server.batches.append([json.loads(body)])
    handler.answer(200)


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    with receiving(accept) as receiver:
        settings.NOTIFY_URLS = [f"json://127.0.0.1:{receiver.server_port}", "json://127.0.0.1:9"]
        settings.SITE_URL = "https://ip.example.com"
        yield receiver


@pytest.mark.parametrize("javascript", [True, False])
def test_a_test_is_sent_and_followed(
    browse: Browse, adam: User, receiver: Receiver, javascript: bool
) -> None:
    page = browse(adam, java_script_enabled=javascript)
    page.goto("/notifications/")
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_text("The test is being sent.")).to_be_visible()
    notify.prepare()
    for target in notify.targets():
        assert notify.send_due(target)
    if not javascript:
        page.get_by_role("link", name="Check again").click()
    row = page.get_by_role("row").filter(has_text="Test of notifications")
    expect(row.filter(has_text="json 1")).to_contain_text("Sent")
    expect(row.filter(has_text="json 2")).to_contain_text("It cannot be reached")
    expect(page.get_by_text("The test is being sent.")).to_be_hidden()
    expect_no_sideways_scrolling(page)
    if javascript:
        expect_accessible(page)
        page.set_viewport_size({"width": 390, "height": 844})
        expect_no_sideways_scrolling(page)
    [[message]] = receiver.batches
    assert message["title"] == "IP admin, sandbox: Test of notifications"
