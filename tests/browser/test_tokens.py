"""A token's whole life."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from ipadmin.katapult.types import Organization
from ipadmin.models import ApiToken, User
from ipadmin.sandbox import Sandbox
from tests.browser.conftest import Browse
from tests.browser.steps import (
    ask,
    confirm,
    expect_accessible,
    open_list,
    ordinary,
    row,
    wait_until_read,
)
from tests.browser.witness import PLANTED
from tests.services.conftest import keep_token

pytestmark = pytest.mark.django_db(transaction=True)


def paste(page: Page, secret: str, label: str = "Main") -> None:
    page.goto("/tokens/add/")
    page.get_by_label("Label").fill(label)
    page.get_by_label("API token").fill(secret)
    page.get_by_role("button", name="Check and save").click()


def test_choosing_among_organizations_in_a_browser(browse: Browse, bob: User) -> None:
    page = browse(bob)
    paste(page, PLANTED)
    expect(page.get_by_role("heading", name="Choose the organization")).to_be_visible()
    page.get_by_label("Harbour Labs").check()
    page.get_by_role("button", name="Use this organization").click()
    expect(page.get_by_text("“Main” is now connected to Harbour Labs.")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(10)


def test_a_single_organization_is_chosen_at_once(browse: Browse, bob: User) -> None:
    page = browse(bob)
    paste(page, f"{PLANTED}-second")
    expect(page.get_by_text("Token “Main” was added.")).to_be_visible()
    expect(page.locator("main")).to_contain_text("Harbour Labs")


def test_a_token_that_may_not_name_its_organization(browse: Browse, bob: User) -> None:
    page = browse(bob)
    paste(page, f"{PLANTED}-no-organizations")
    expect(page.get_by_text("organizations:read")).to_be_visible()
    page.get_by_label("Sub-domain").fill("southwind")
    page.get_by_role("button", name="Use this organization").click()
    expect(page.get_by_text("Organization not found")).to_be_visible()
    page.get_by_label("Sub-domain").fill("northwind")
    page.get_by_role("button", name="Use this organization").click()
    expect(page.locator("tbody tr")).to_have_count(30)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("expired", "Katapult does not accept this token"),
        ("other-network", "This token can't be used from this network"),
        ("never-heard-of", "Katapult does not accept this token"),
    ],
)
def test_a_token_that_does_not_work_is_not_kept(
    browse: Browse, bob: User, kind: str, words: str
) -> None:
    page = browse(bob)
    paste(page, f"{PLANTED}-{kind}")
    expect(page.get_by_text(words)).to_be_visible()
    expect(page.get_by_label("API token")).to_have_value("")
    expect(page.get_by_label("Label")).to_have_value("Main")
    assert not ApiToken.objects.exists()


def test_a_token_that_may_not_unallocate(browse: Browse, bob: User, box: object) -> None:
    page = browse(bob)
    paste(page, f"{PLANTED}-denied")
    page.get_by_label("Northwind Hosting").check()
    page.get_by_role("button", name="Use this organization").click()
    address = ordinary(box)  # type: ignore[arg-type]
    ask(page, address)
    confirm(page)
    expect(row(page, address)).to_contain_text("Katapult denied permission")


@pytest.mark.parametrize(
    ("kind", "state", "detail", "step"),
    [
        ("low-limit", "Working", "", "Addresses"),
        ("read-only", "Read-only", "scope ip_addresses is missing", "Replace token"),
        ("no-machines", "Limited", "scope virtual_machines:read is missing", "Check again"),
        ("no-scopes", "Limited", "scope ip_addresses:read is missing", "Check again"),
        ("expired", "Rejected by Katapult", "does not accept this token", "Replace token"),
        ("other-network", "Rejected by Katapult", "from this network", "Check again"),
        ("spoilt", "Enter again", "can't be decrypted", "Enter again"),
    ],
)
@pytest.mark.parametrize("has_script", [True, False])
def test_every_state_and_its_button(  # noqa: PLR0917
    browse: Browse,
    alice: User,
    box: Sandbox,
    kind: str,
    state: str,
    detail: str,
    step: str,
    *,
    has_script: bool,
) -> None:
    northwind = box.world()["organizations"][0]
    organization = Organization(northwind["id"], northwind["name"], northwind["sub_domain"])
    token = keep_token(alice, f"{PLANTED}-{kind}", organization, "Main")
    page = browse(alice, java_script_enabled=has_script)
    if kind == "spoilt":
        ApiToken.objects.update(encrypted_secret=b"spoilt")
    page.goto(token.get_absolute_url())
    page.locator(".card").get_by_role("button", name="Check again").click()
    page.goto("/tokens/")
    row = page.get_by_role("row").filter(has_text="Main")
    expect(row).to_contain_text(state)
    expect(row).to_contain_text(detail)
    button = row.get_by_role("button" if step == "Check again" else "link", name=step)
    if has_script:
        expect_accessible(page)
    button.click()
    words = {"Addresses": "Addresses", "Check again": "Main"}.get(step, "Replace the secret")
    expect(page.get_by_role("heading", level=1)).to_have_text(words)


def test_a_read_only_token_offers_no_button_to_unallocate(browse: Browse, bob: User) -> None:
    page = browse(bob)
    paste(page, f"{PLANTED}-read-only")
    page.get_by_label("Northwind Hosting").check()
    page.get_by_role("button", name="Use this organization").click()
    expect(page.locator("tbody tr")).to_have_count(30)
    expect(page.get_by_text("This token can't unallocate.")).to_be_visible()
    expect(page.locator("[data-unallocate]")).to_have_count(0)


def test_the_form_waits_as_long_as_katapult_says(browse: Browse, bob: User, box: Sandbox) -> None:
    page = browse(bob)
    box.set_faults([{"kind": "rate_limit", "retry_after": 3}])
    paste(page, f"{PLANTED}-second")
    button = page.get_by_role("button", name="Check and save")
    expect(button).to_have_text(re.compile(r"in [123] s"))
    expect(button).to_have_attribute("aria-disabled", "true")
    page.get_by_label("API token").fill(f"{PLANTED}-second")
    box.set_faults([])
    button.click(force=True)
    expect(page).to_have_url(re.compile("/tokens/add/$"))
    expect(button).not_to_have_attribute("aria-disabled", "true")
    button.click()
    expect(page.get_by_text("Token “Main” was added.")).to_be_visible()


def test_the_same_token_is_not_added_twice(browse: Browse, bob: User) -> None:
    page = browse(bob)
    paste(page, f"{PLANTED}-second")
    paste(page, f"{PLANTED}-second", "Again")
    page.get_by_role("link", name="Open “Main”").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Main")
    assert ApiToken.objects.count() == 1


def test_renaming_checking_and_replacing_a_token_in_a_browser(page: Page, token: ApiToken) -> None:
    page.goto(token.get_absolute_url())
    page.get_by_label("Label").fill("Night shift")
    page.get_by_role("button", name="Save name").click()
    expect(page.get_by_text("The token is now called “Night shift”.")).to_be_visible()

    page.get_by_role("button", name="Check again").click()
    expect(page.get_by_text("The token works", exact=True)).to_be_visible()

    page.get_by_role("link", name="Replace…").click()
    page.get_by_label("API token").fill(f"{PLANTED}-second")
    page.get_by_role("button", name="Check and replace").click()
    expect(page.get_by_text("can't access Northwind Hosting")).to_be_visible()
    page.get_by_label("API token").fill(f"{PLANTED}-low-limit")
    page.get_by_role("button", name="Check and replace").click()
    expect(page.get_by_text("The secret of “Night shift” was replaced.")).to_be_visible()
    open_list(page, token)
    expect(page.locator("tbody tr")).to_have_count(30)


def test_deleting_a_token_in_a_browser(page: Page, token: ApiToken) -> None:
    page.goto("/tokens/")
    page.get_by_role("link", name="Manage Main").click()
    page.get_by_role("link", name="Delete…").click()
    expect(page.get_by_role("link", name="Cancel")).to_be_focused()
    page.get_by_role("button", name="Delete token").click()
    expect(page.get_by_text("Token “Main” was deleted. Its history is kept.")).to_be_visible()
    expect(page.get_by_text("No tokens yet")).to_be_visible()


def test_a_token_that_is_gone_says_so_in_a_tab_that_still_shows_it(
    page: Page, token: ApiToken
) -> None:
    open_list(page, token)
    wait_until_read(page)
    ApiToken.objects.all().delete()
    page.get_by_role("navigation", name="State").get_by_role("link", name="Unallocated").click()
    expect(page.locator("#listing").get_by_text("Page not found")).to_be_visible()
