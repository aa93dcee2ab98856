"""Signing in with OpenID Connect in a browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from pytest_django import Settings

from ipadmin.models import User
from tests.browser.conftest import Browse
from tests.browser.steps import expect_accessible
from tests.provider import Provider, running

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def provider(settings: Settings, transactional_db: None) -> Iterator[Provider]:
    with running(settings) as provider:
        policy = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
        settings.CONTENT_SECURITY_POLICY = {
            "DIRECTIVES": policy | {"form-action": [*policy["form-action"], provider.url]}
        }
        yield provider


def begin(page: Page, url: str = "/accounts/login/") -> None:
    page.goto(url)
    page.get_by_role("button", name="Sign in with Example ID").click()
    expect(page.get_by_role("heading", name="Provider")).to_be_visible()


def test_signing_in_leads_to_the_page_that_was_asked_for(
    browse: Browse, provider: Provider
) -> None:
    page = browse()
    begin(page, "/tokens/?from=mail")
    page.get_by_role("link", name="Sign in as Carol").click()
    expect(page.get_by_role("heading", name="API tokens")).to_be_visible()
    assert page.url.endswith("/tokens/?from=mail")
    assert User.objects.get().username == "carol"


def test_cancelling_leads_back(browse: Browse, provider: Provider) -> None:
    page = browse()
    begin(page)
    page.get_by_role("link", name="Cancel").click()
    expect(page.get_by_text("You did not sign in.")).to_be_visible()
    expect(page.get_by_role("heading", name="Sign in to IP admin")).to_be_visible()


def test_a_person_without_a_role_learns_why(browse: Browse, provider: Provider) -> None:
    provider.person["groups"] = []
    page = browse()
    begin(page)
    page.get_by_role("link", name="Sign in as Carol").click()
    expect(page.get_by_text("You have no role on this site.")).to_be_visible()
    expect_accessible(page)


def test_without_local_sign_in_there_is_no_password(
    browse: Browse, provider: Provider, settings: Settings
) -> None:
    settings.LOCAL_SIGN_IN = "off"
    page = browse(viewport={"width": 390, "height": 800})
    page.goto("/accounts/login/")
    expect(page.get_by_role("button", name="Sign in with Example ID")).to_be_visible()
    expect(page.get_by_label("Password")).to_have_count(0)
    expect_accessible(page)
