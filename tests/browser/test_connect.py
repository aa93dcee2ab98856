"""Connecting to Katapult through OAuth2: the consent page of the sandbox, Allow and Deny."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django import Settings

from ipadmin.models import ApiToken, User
from ipadmin.sandbox import Sandbox
from tests.browser.conftest import Browse
from tests.browser.steps import expect_accessible
from tests.conftest import prove_identity
from tests.oauth import provider

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def identity(box: Sandbox, settings: Settings) -> Iterator[Sandbox]:
    policy = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    settings.CONTENT_SECURITY_POLICY = {
        "DIRECTIVES": policy | {"form-action": [*policy["form-action"], box.url]}
    }
    with provider(box, settings):
        yield box


@pytest.fixture
def page(browse: Browse, alice: User, identity: Sandbox) -> Page:
    """alice's browser, with a proof of identity that is not old."""
    page = browse(alice)
    client = Client()
    [cookie] = page.context.cookies()
    client.cookies[cookie["name"]] = cookie["value"]
    prove_identity(client, alice)
    return page


def ask_katapult(page: Page) -> None:
    page.goto("/tokens/")
    page.get_by_role("button", name="Connect with Katapult").click()
    expect(page.get_by_role("heading", name="Allow access?")).to_be_visible()


def test_allow_connects_and_the_list_can_be_read(page: Page, alice: User) -> None:
    ask_katapult(page)
    page.get_by_label("Harbour Labs").check()
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_text("Token “Katapult” was added.")).to_be_visible()
    expect(page.get_by_text("Connected through Katapult").first).to_be_visible()
    expect_accessible(page)
    page.get_by_role("link", name="Addresses").last.click()
    expect(page.locator("tbody tr")).to_have_count(10)
    page.goto("/tokens/")
    expect_accessible(page)


def test_deny_adds_nothing(page: Page) -> None:
    ask_katapult(page)
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_text("You did not allow access in Katapult.")).to_be_visible()
    assert not ApiToken.objects.exists()


def test_a_connection_that_ended_is_made_again(page: Page, identity: Sandbox) -> None:
    ask_katapult(page)
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_text("was added")).to_be_visible()
    ApiToken.objects.update(expires_at=timezone.now())
    identity.behave(error="invalid_grant", times=1)
    page.get_by_role("button", name="Check again").click()
    expect(page.get_by_text("Connect to Katapult again")).to_be_visible()
    page.get_by_role("button", name="Connect again").first.click()
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_text("is connected to Katapult again.")).to_be_visible()
    expect(page.get_by_text("Working")).to_be_visible()
