"""The search from anywhere, pasted texts and shortcuts, in a browser; and without JavaScript."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse
from playwright.sync_api import Locator, Page, expect

from ipadmin.models import ApiToken, Session, User
from ipadmin.sandbox import Sandbox
from ipadmin.services import inventory
from tests.browser.conftest import Browse
from tests.browser.steps import (
    ask,
    calls,
    confirm,
    dialog_of,
    expect_accessible,
    expect_no_sideways_scrolling,
    open_list,
    ordinary,
    sign_in,
)

pytestmark = pytest.mark.django_db(transaction=True)

TICKET = (
    "Hello,\nplease free 198.18.0.6,\n198.18.0.4 and 198.18.0.5,\nor else 203.0.113.9. 12:30:55"
)


@pytest.fixture
def read(token: ApiToken) -> ApiToken:
    """alice's token, with its inventory."""
    inventory.read(token)
    return token


@pytest.fixture
def plain(browse: Browse, alice: User, read: ApiToken) -> Page:
    """alice's browser, without JavaScript."""
    return browse(alice, java_script_enabled=False)


def field(page: Page) -> Locator:
    return page.locator("#site-search")


def hits(page: Page) -> Locator:
    return page.locator("#site-results .hit")


def paste(page: Page, text: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("text => navigator.clipboard.writeText(text)", text)
    page.keyboard.press("/")
    page.keyboard.press("Control+v")


@pytest.fixture
def tokens_page(page: Page, read: ApiToken) -> Page:
    page.goto("/tokens/")
    return page


def test_results_appear_while_typing(tokens_page: Page) -> None:
    page = tokens_page
    page.keyboard.press("/")
    expect(field(page)).to_be_focused()
    field(page).press_sequentially("cache-01")
    expect(hits(page).first).to_contain_text("198.18.0.6")
    expect(page.get_by_role("region", name="Machines")).to_contain_text("cache-01")
    page.keyboard.press("Escape")
    expect(page.locator("#site-results")).to_be_hidden()
    expect(field(page)).to_have_value("cache-01")
    # They are still there.
    page.keyboard.press("Control+k")
    expect(hits(page).first).to_be_visible()


def test_enter_opens_the_first_result_even_before_it_appears(tokens_page: Page) -> None:
    page = tokens_page
    page.keyboard.press("/")
    page.keyboard.type("198.18.0.6")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("198.18.0.6")


def test_enter_without_a_result_opens_the_page_of_the_search(tokens_page: Page) -> None:
    page = tokens_page
    page.keyboard.press("/")
    page.keyboard.type("nowhere")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/search/\?q=nowhere$"))
    expect(page.get_by_text("Nothing found for “nowhere”")).to_be_visible()


@pytest.mark.parametrize("keys", [["ArrowRight", "Enter"], ["Tab", "Enter"], ["u"]])
def test_unallocate_is_one_key_further(tokens_page: Page, keys: list[str]) -> None:
    page = tokens_page
    page.keyboard.press("/")
    page.keyboard.type("cache-01")
    expect(hits(page).first).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(hits(page).first.locator("[data-hit]")).to_be_focused()
    for key in keys:
        page.keyboard.press(key)
    expect(page.get_by_role("heading", level=1)).to_have_text("Unallocate 198.18.0.6?")


def test_arrows_move_through_all_results_and_back(tokens_page: Page) -> None:
    page = tokens_page
    page.keyboard.press("/")
    page.keyboard.type("cache-01")
    expect(hits(page).first).to_be_visible()
    links = page.locator("#site-results [data-hit]")
    for number in range(links.count()):
        page.keyboard.press("ArrowDown")
        expect(links.nth(number)).to_be_focused()
    for _ in range(links.count()):
        page.keyboard.press("ArrowUp")
    expect(field(page)).to_be_focused()


def test_an_address_that_no_list_has_is_looked_up(
    tokens_page: Page, read: ApiToken, box: Sandbox
) -> None:
    page = tokens_page
    page.keyboard.press("/")
    page.keyboard.type("192.0.2.1")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Address not found", exact=True)).to_be_visible()
    expect_accessible(page)


# Pasted text


def test_a_pasted_ticket_shows_exactly_its_addresses(tokens_page: Page) -> None:
    page = tokens_page
    paste(page, TICKET)
    summary = "1 can be unallocated, 1 not allocated, 1 can't be unallocated, 1 not found."
    expect(page.locator("#site-results [data-pasted]")).to_have_text(summary)
    expect(hits(page)).to_have_count(4)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/search/"))
    expect(page.locator("main .hit")).to_have_count(4)
    page.keyboard.press("j")
    page.keyboard.press("u")
    expect(page.get_by_role("heading", level=1)).to_have_text("Unallocate 198.18.0.6?")


def test_a_long_pasted_text_is_complete(tokens_page: Page) -> None:
    page = tokens_page
    paste(page, "Some words before it.\n" * 4000 + "198.18.0.6")
    expect(hits(page)).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.locator("main .hit")).to_have_count(1)
    assert page.url.endswith("/search/")
    expect_accessible(page)


# Shortcuts


def test_keys_move_through_the_rows(page: Page, read: ApiToken) -> None:
    open_list(page, read)
    rows = page.locator("main tbody > tr")
    for key, number in (("j", 0), ("j", 1), ("ArrowDown", 2), ("k", 1), ("ArrowUp", 0)):
        page.keyboard.press(key)
        expect(rows.nth(number).locator("a").first).to_be_focused()
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid"
    page.keyboard.press("u")
    expect(dialog_of(page)).to_contain_text("Unallocate")
    # Not while a dialog is open.
    page.keyboard.press("/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_have_count(1)
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("198.18.0.1")


def test_keys_go_to_pages(tokens_page: Page) -> None:
    page = tokens_page
    for key, heading in (("h", "History"), ("a", "Addresses"), ("t", "API tokens")):
        page.keyboard.press("g")
        page.keyboard.press(key)
        expect(page.get_by_role("heading", level=1)).to_contain_text(heading)


def test_a_question_mark_shows_the_shortcuts(tokens_page: Page) -> None:
    page = tokens_page
    page.keyboard.press("?")
    expect(dialog_of(page)).to_contain_text("Keyboard shortcuts")
    expect_accessible(page)
    page.keyboard.press("Escape")
    expect(dialog_of(page)).to_be_hidden()


def test_no_shortcut_works_while_typing(page: Page, read: ApiToken) -> None:
    page.goto("/tokens/add/")
    label = page.get_by_label("Label")
    label.press_sequentially("/ghjku?")
    expect(label).to_have_value("/ghjku?")
    expect(label).to_be_focused()
    label.press("Control+k")
    expect(label).to_be_focused()


# Without JavaScript, and on a phone


def test_the_search_without_javascript(plain: Page) -> None:
    plain.goto("/tokens/")
    field(plain).fill("198.18.0.6")
    field(plain).press("Enter")
    expect(plain.locator("main .hit")).to_have_count(1)
    plain.get_by_role("link", name="Unallocate 198.18.0.6").click()
    expect(plain.get_by_role("heading", level=1)).to_have_text("Unallocate 198.18.0.6?")


def test_a_pasted_text_without_javascript(plain: Page) -> None:
    plain.goto("/search/")
    plain.get_by_label("Text with addresses").fill(TICKET)
    plain.get_by_role("button", name="Find the addresses").click()
    expect(plain.locator("main .hit")).to_have_count(4)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_of_the_search_are_accessible(tokens_page: Page, scheme: str) -> None:
    page = tokens_page
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.keyboard.press("/")
    page.keyboard.type("cache")
    expect(hits(page).first).to_be_visible()
    expect_accessible(page)
    for path in ("/search/", "/search/?q=cache", "/search/?q=198.18.0.6+198.18.0.4+198.18.0.5"):
        for width in (1280, 390, 320):
            page.set_viewport_size({"width": width, "height": 844})
            page.goto(path)
            expect_no_sideways_scrolling(page)
            expect_accessible(page)


# Everywhere


def test_the_theme_switch(tokens_page: Page) -> None:
    page = tokens_page
    page.emulate_media(color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.locator(".bar > .menu summary").click()
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate(ground) != light
    expect_accessible(page)
    page.emulate_media(media="print")
    assert page.evaluate(ground) == "rgb(255, 255, 255)"


def test_a_message_does_not_move_the_page(tokens_page: Page, read: ApiToken) -> None:
    page = tokens_page
    page.goto(reverse("token", args=[read.id]))
    before = page.locator("h1").bounding_box()
    page.get_by_label("Label").fill("Renamed")
    page.get_by_label("Label").press("Enter")
    message = page.locator(".flashes .note")
    expect(message).to_be_in_viewport()
    assert page.locator("h1").bounding_box() == before
    message.get_by_role("button", name="Close").click()
    expect(message).to_be_hidden()


def test_a_session_that_ended_keeps_the_reason(page: Page, read: ApiToken, box: Sandbox) -> None:
    open_list(page, read)
    address = ordinary(box)
    ask(page, address)
    page.get_by_label("Reason").fill("Moved, OPS-4685")
    Session.objects.all().delete()
    confirm(page)
    expect(page.get_by_text("You were signed out")).to_be_visible()
    expect_accessible(page)
    sign_in(page, "alice")
    title = f"Unallocate {address['address']}?"
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    expect(page.get_by_label("Reason")).to_have_value("Moved, OPS-4685")
    assert calls(box) == 0
