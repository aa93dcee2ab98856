"""Second factors and proofs of identity in Chromium, with its virtual authenticator."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from allauth.mfa.models import Authenticator
from django.urls import reverse
from playwright.sync_api import CDPSession, Page, expect
from pytest_django import Settings

from ipadmin.models import ApiToken, LinkKind, User
from ipadmin.models.audit_link import AuditLink
from ipadmin.sandbox import Sandbox
from tests.browser.conftest import Browse
from tests.browser.steps import (
    ask,
    calls,
    confirm,
    dialog_of,
    expect_accessible,
    expect_no_sideways_scrolling,
    is_allocated,
    open_list,
    ordinary,
    sign_in,
    the_entry,
)
from tests.conftest import PASSWORD
from tests.factors import code_of

DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
Devices = Callable[[Page], CDPSession]


@pytest.fixture
def page(browse: Browse, alice: User, token: ApiToken, base_url: str) -> Page:
    """alice's browser, signed in, with a device that makes passkeys. They need a host name."""
    assert urlsplit(base_url).hostname == "localhost"
    page = browse(alice)
    device = page.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    device.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
    return page


def sign_out(page: Page) -> None:
    page.context.clear_cookies()
    page.goto("/accounts/login/")


def add_passkey(page: Page, name: str = "Laptop") -> list[str]:
    """Returns the recovery codes."""
    page.goto("/account/")
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Add passkey").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    return page.locator("pre").inner_text().split()


def add_app(page: Page) -> str:
    """Returns the secret of the authenticator app."""
    page.goto("/account/")
    page.get_by_role("link", name="Set up…").click()
    expect_accessible(page)
    secret = page.locator("form [data-copy]").get_attribute("data-copy") or ""
    page.get_by_label("Authenticator code").fill(code_of(secret))
    page.get_by_role("button", name="Set up").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    return secret


def forget_proofs(settings: Settings) -> None:
    """From now on each proof of identity is too old, except one made for the step itself."""
    settings.REAUTHENTICATE_AFTER = settings.UNALLOCATE_REAUTHENTICATE_AFTER = 0


def test_signing_in_with_a_passkey_alone(page: Page) -> None:
    codes = add_passkey(page)
    assert len(codes) == 10
    expect_accessible(page)
    sign_out(page)
    page.goto("/tokens/")
    expect_accessible(page)
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page).to_have_url(re.compile(r"\d/tokens/$"))
    page.goto("/account/")
    expect(page.get_by_role("link", name="Rename Laptop")).to_be_visible()
    expect_accessible(page)


def test_a_passkey_after_the_password(page: Page) -> None:
    add_passkey(page)
    sign_out(page)
    sign_in(page, "alice")
    expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
    expect_accessible(page)
    page.get_by_role("button", name="Use your passkey").click()
    expect(page).to_have_url(re.compile("/addresses/"))


def test_a_passkey_that_is_not_given_is_explained(page: Page, browse: Browse) -> None:
    add_passkey(page)
    sign_out(page)
    page.evaluate(
        "() => { navigator.credentials.get ="
        " () => Promise.reject(new DOMException('x', 'NotAllowedError')); }"
    )
    button = page.get_by_role("button", name="Sign in with a passkey")
    for _ in range(2):
        button.click()
        expect(page.get_by_role("alert")).to_contain_text("No passkey was used")
    expect(button).to_be_enabled()


def test_an_app_and_recovery_codes(page: Page) -> None:
    secret = add_app(page)
    codes = page.locator("pre").inner_text().split()
    with page.expect_download() as found:
        page.get_by_role("link", name="Download").click()
    assert found.value.path().read_text().split() == codes
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    copied = "navigator.clipboard.readText()"
    expect(page.locator("#announcer")).to_contain_text("Copied the recovery codes")
    assert page.evaluate(copied).split() == codes
    for code in (codes[0], code_of(secret)):
        sign_out(page)
        sign_in(page, "alice")
        page.get_by_label("Code").fill(code)
        page.get_by_role("button", name="Sign in with the code").click()
        expect(page).to_have_url(re.compile("/addresses/"))
    page.goto("/account/")
    expect(page.get_by_text("9 of 10 left")).to_be_visible()


def test_renaming_and_removing_a_passkey(page: Page) -> None:
    add_passkey(page)
    page.get_by_role("link", name="I have kept them").click()
    page.get_by_role("link", name="Rename").click()
    page.get_by_label("Name").fill("Old laptop")
    page.get_by_role("button", name="Save name").click()
    page.get_by_role("link", name="Remove… Old laptop").click()
    page.get_by_role("button", name="Remove passkey").click()
    expect(page.get_by_text("The passkey was removed")).to_be_visible()
    assert not Authenticator.objects.exists()


def test_unallocating_in_the_dialog_waits_for_the_password(
    page: Page, token: ApiToken, box: Sandbox, settings: Settings
) -> None:
    forget_proofs(settings)
    address = ordinary(box)
    open_list(page, token)
    ask(page, address)
    dialog_of(page).get_by_label("Reason").fill("Ümzug & mehr, OPS-1")
    confirm(page)
    expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    expect_accessible(page)
    assert (calls(box), is_allocated(box, address)) == (0, True)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(address["address"])
    assert (the_entry().outcome, the_entry().reason) == ("succeeded", "Ümzug & mehr, OPS-1")
    # Back to the confirmation of identity, and again: nothing happens twice.
    page.go_back()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    expect(page).to_have_url(re.compile("/unallocate/$"))
    assert (calls(box), is_allocated(box, address)) == (1, False)


def test_a_pasted_token_waits_for_a_passkey(
    page: Page, token: ApiToken, box: Sandbox, settings: Settings
) -> None:
    add_passkey(page)
    forget_proofs(settings)
    page.goto(reverse("token_replace", args=[token.id]))
    page.get_by_label("API token").fill(box.token)
    page.get_by_role("button", name="Check and replace").click()
    page.get_by_role("button", name="Confirm with your passkey").click()
    expect(page.get_by_text("The secret of “Main” was replaced")).to_be_visible()
    assert AuditLink.objects.filter(kind=LinkKind.REAUTHENTICATED).count() == 1


@pytest.mark.parametrize("width", [390, 1280])
def test_a_required_factor_is_set_up_without_a_detour(
    browse: Browse, audrey: User, settings: Settings, width: int
) -> None:
    settings.SECOND_FACTOR, settings.SECOND_FACTOR_GRACE_DAYS = "everyone", 0
    page = browse(audrey, viewport={"width": width, "height": 800})
    page.goto("/audit/")
    expect(page).to_have_url(re.compile("/account/$"))
    expect(page.get_by_text("This site requires a second factor of you")).to_be_visible()
    expect_no_sideways_scrolling(page)
    expect_accessible(page)
    add_app(page)
    expect_no_sideways_scrolling(page)
    page.goto("/audit/")
    expect(page).to_have_url(re.compile("/audit/$"))
