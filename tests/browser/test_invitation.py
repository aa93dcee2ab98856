"""People in a browser: from an invitation to the first sign-in, resets, and the end of access."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from ipadmin.models import User
from tests.browser.conftest import Browse
from tests.browser.steps import expect_accessible, sign_in
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)

NEW = "a new battery for the old horse"


def invite(page: Page) -> str:
    """Invite dora. Returns her link."""
    page.goto("/people/")
    page.get_by_role("link", name="Invite a person").click()
    page.get_by_label("User name").fill("dora")
    page.get_by_label("First name").fill("Dora")
    page.get_by_label("auditor").check()
    page.get_by_role("button", name="Invite").click()
    expect(page.get_by_role("heading", name="Dora", level=1)).to_be_visible()
    return link_on(page)


def link_on(page: Page) -> str:
    button = page.get_by_role("button", name="Copy link")
    return button.get_attribute("data-copy") or ""


def set_password(page: Page, password: str) -> None:
    page.get_by_label("New password", exact=True).fill(password)
    page.get_by_label("New password confirmation").fill(password)
    page.get_by_role("button", name="Save and sign in").click()


def take(page: Page, user: User, step: str, button: str) -> None:
    """Take a dangerous step from the page of a person."""
    page.goto(f"/people/{user.pk}/")
    page.get_by_role("link", name=f"{step}…").click()
    page.get_by_role("button", name=button).click()


def test_from_the_invitation_to_the_first_sign_in(browse: Browse, adam: User) -> None:
    page = browse(adam)
    link = invite(page)
    expect_accessible(page)
    page.reload()
    expect(page.get_by_text("A link is waiting")).to_be_visible()
    expect(page.get_by_text(link.partition("#")[2])).to_have_count(0)
    doras = browse()
    doras.goto(link)
    # The secret is gone from the address bar.
    expect(doras).to_have_url(re.compile("/invitation/$"))
    expect_accessible(doras)
    set_password(doras, "short")
    expect(doras.get_by_text("too short")).to_be_visible()
    set_password(doras, NEW)
    expect(doras.get_by_role("heading", name="History")).to_be_visible()
    doras.get_by_text("Dora", exact=True).click()
    doras.get_by_role("button", name="Sign out").click()
    sign_in(doras, "dora", NEW)
    expect(doras.get_by_role("heading", name="History")).to_be_visible()
    again = browse()
    again.goto(link)
    expect(again.get_by_role("heading", name="This link is not valid")).to_be_visible()
    page.reload()
    expect(page.locator(".page-head").get_by_text("Active")).to_be_visible()


def test_an_invitation_without_javascript(browse: Browse, adam: User) -> None:
    link = invite(browse(adam, java_script_enabled=False))
    page = browse(java_script_enabled=False)
    page.goto(link)
    page.get_by_label("Code of your link").fill(link)
    page.get_by_role("button", name="Continue").click()
    set_password(page, NEW)
    expect(page.get_by_role("heading", name="History")).to_be_visible()


def test_resetting_access(browse: Browse, adam: User, audrey: User) -> None:
    audreys = browse(audrey)
    audreys.goto("/audit/")
    page = browse(adam)
    take(page, audrey, "Reset access", "Reset access")
    link = link_on(page)
    audreys.goto("/audit/")
    sign_in(audreys, "audrey", PASSWORD)
    expect(audreys.get_by_role("alert")).to_be_visible()
    audreys.goto(link)
    set_password(audreys, NEW)
    expect(audreys.get_by_role("heading", name="History")).to_be_visible()


def test_disabling_ends_a_session(browse: Browse, adam: User, audrey: User) -> None:
    audreys = browse(audrey)
    audreys.goto("/audit/")
    page = browse(adam)
    take(page, audrey, "Disable", "Disable")
    expect(page.locator(".page-head").get_by_text("Disabled")).to_be_visible()
    audreys.reload()
    expect(audreys).to_have_url(re.compile("/accounts/login/"))
    sign_in(audreys, "audrey", PASSWORD)
    expect(audreys.get_by_role("alert")).to_be_visible()
    take(page, audrey, "Enable", "Enable")
    audreys.goto("/audit/")
    expect(audreys).to_have_url(re.compile("/accounts/login/"))


def test_the_last_administrator_stays(browse: Browse, adam: User) -> None:
    page = browse(adam)
    page.goto(f"/people/{adam.pk}/")
    expect(page.get_by_text("Nobody changes their own roles")).to_be_visible()
    expect(page.get_by_role("link", name="Disable…")).to_have_count(0)
    page.goto(f"/people/{adam.pk}/disable/")
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_text("You can't change your own access")).to_be_visible()
    expect(page.locator(".page-head").get_by_text("Active")).to_be_visible()


def test_searching_people(browse: Browse, adam: User, alice: User, audrey: User) -> None:
    page = browse(adam)
    page.goto("/people/")
    expect_accessible(page)
    page.get_by_label("Search people").fill("audr")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile("q=audr"))
    page.get_by_label("Search people").fill("nobody at all")
    expect(page.get_by_text("Nobody found")).to_be_visible()
