"""Runs in a browser: selection, confirmation, progress, approval, and Put all back."""

from __future__ import annotations

import re
import threading
from collections import Counter

import pytest
from django.db import connection
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect
from pytest_django import Settings

from ipadmin.models import ApiToken, AuditEntry, Run, RunState, User
from ipadmin.sandbox import Sandbox
from ipadmin.services import inventory, run_worker
from tests.browser.conftest import Browse, add_token
from tests.browser.steps import (
    calls,
    expect_accessible,
    expect_no_sideways_scrolling,
    open_list,
    wait_until_read,
)
from tests.browser.witness import PLANTED

pytestmark = pytest.mark.django_db(transaction=True)

RUN_PAGE = re.compile(r"/runs/[\w-]{36}/$")
SLOW = [{"call": "unallocate", "kind": "delay", "seconds": 1}]


@pytest.fixture(autouse=True)
def _quick(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting for the beginning of a minute; one address after the other."""
    settings.RUN_CONCURRENCY = 1
    monkeypatch.setattr("ipadmin.services.run_pace.FIRST_PART", 0)
    monkeypatch.setattr(run_worker, "POLL_SECONDS", 0.05)


@pytest.fixture
def read(token: ApiToken) -> ApiToken:
    """alice's token, with its inventory."""
    inventory.read(token)
    return token


def ten(box: Sandbox) -> list[str]:
    """Ten allocated addresses of the first organization."""
    world = box.world()
    own = world["organizations"][0]["id"]
    return [
        each["address"]
        for each in world["ip_addresses"]
        if each["organization"] == own and each["allocation_type"] == "VirtualMachine"
    ][:10]


def boxes(page: Page) -> Locator:
    return page.locator("tbody [data-select]")


def bar(page: Page) -> Locator:
    return page.locator("#selection")


def headline(page: Page) -> Locator:
    """How far a run is."""
    return page.locator(".run-state strong")


def confirm(page: Page, reason: str = "Racks are retired, OPS-4685") -> None:
    expect(page).to_have_url(RUN_PAGE)
    page.get_by_label("Reason").fill(reason)
    typed = page.locator("[data-enables]")
    if typed.count():
        typed.fill(typed.get_attribute("data-enables") or "")
    page.locator(".confirm-foot [type=submit]").click()


def draft(page: Page, token: ApiToken, count: int) -> None:
    """The confirmation of a run of the first addresses of virtual machines."""
    open_list(page, token)
    wait_until_read(page)
    for number in range(count):
        # The first address is that of a gateway.
        boxes(page).nth(number + 1).check()
    bar(page).get_by_role("button", name="Unallocate…", exact=True).click()


def worker() -> threading.Thread:
    """A worker that carries out the oldest run."""

    def work() -> None:
        if claimed := run_worker.claim():
            claimed.carry_out()
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def acted(box: Sandbox) -> Counter[str]:
    """How often each address was changed."""
    return Counter(each["ip_address"] for each in box.ledger() if each["acted"])


# Selection


def test_selection_by_mouse(page: Page, read: ApiToken) -> None:
    open_list(page, read)
    expect(bar(page)).to_be_hidden()
    boxes(page).nth(1).check()
    boxes(page).nth(5).click(modifiers=["Shift"])
    expect(bar(page)).to_contain_text("5 selected")
    boxes(page).nth(3).uncheck()
    expect(bar(page)).to_contain_text("4 selected")
    # What is selected stays selected while the list shows something else.
    page.get_by_label("Filter the list").fill("cache-01")
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(bar(page)).to_contain_text("4 selected, not all on this page")
    bar(page).get_by_role("button", name="Select all 2 that match").click()
    expect(bar(page)).to_contain_text("5 selected")
    bar(page).get_by_role("button", name="Clear").click()
    expect(bar(page)).to_be_hidden()


def test_all_of_a_page_and_all_that_match(page: Page, token: ApiToken, box: Sandbox) -> None:
    box.reset(addresses=160)
    open_list(page, token)
    wait_until_read(page)
    whole = page.get_by_label("Select all on this page")
    whole.check()
    expect(bar(page)).to_contain_text(f"{boxes(page).count()} selected")
    bar(page).get_by_role("button", name="Select all 80").click()
    expect(bar(page)).to_contain_text("80 selected")
    page.get_by_role("link", name="Next", exact=True).click()
    expect(page).to_have_url(re.compile("page=2"))
    expect(bar(page)).to_contain_text("80 selected")
    expect(boxes(page).first).to_be_checked()
    bar(page).get_by_role("button", name="Unallocate…", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Unallocate 80 addresses?")


def test_selection_by_keyboard(page: Page, read: ApiToken) -> None:
    open_list(page, read)
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(boxes(page).first).to_be_checked()
    for _ in range(2):
        page.keyboard.press("j")
    page.keyboard.press("Shift+X")
    expect(bar(page)).to_contain_text("3 selected")
    page.keyboard.press("x")
    expect(bar(page)).to_contain_text("2 selected")
    page.keyboard.press("Shift+U")
    expect(page.get_by_role("heading", level=1)).to_have_text("Unallocate 2 addresses?")


def test_ten_addresses_from_a_ticket_take_few_clicks(
    page: Page, read: ApiToken, box: Sandbox
) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/tokens/")
    ticket = "Hello,\nplease free these:\n" + "\n".join(f"- {each}," for each in ten(box))
    page.evaluate("text => navigator.clipboard.writeText(text)", ticket)
    page.evaluate("sessionStorage.clicks = 0")
    page.context.add_init_script("addEventListener('mousedown', () => { sessionStorage.clicks++ })")
    page.reload()
    page.locator("#site-search").click()
    page.keyboard.press("Control+v")
    page.locator("#site-results").get_by_role("button", name="Unallocate 10 addresses…").click()
    expect(page).to_have_url(RUN_PAGE)
    page.get_by_label("Reason").click()
    page.keyboard.type("Moved, OPS-4685")
    typed = page.locator("[data-enables]")
    typed.click()
    page.keyboard.type(typed.get_attribute("data-enables") or "")
    page.get_by_role("button", name="Unallocate 10 addresses", exact=True).click()
    expect(headline(page)).to_have_text("0 of 10 done")
    assert int(page.evaluate("sessionStorage.clicks")) <= 6
    worker().join()
    expect(headline(page)).to_have_text("All 10 succeeded")
    assert set(acted(box).values()) == {1}
    assert AuditEntry.objects.filter(run_id=Run.objects.get().pk).count() == 10


# A run


def test_a_run_with_pause_resume_and_stop(page: Page, read: ApiToken, box: Sandbox) -> None:
    draft(page, read, 10)
    confirm(page)
    expect(headline(page)).to_have_text("0 of 10 done")
    box.set_faults(SLOW)
    first = worker()
    # Without a reload.
    expect(page.locator(".run-rows .badge", has_text="Succeeded").first).to_be_visible()
    expect(page.get_by_text(re.compile("about .* left"))).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".run-state .badge")).to_have_text("Paused")
    first.join()
    made = calls(box)
    assert 0 < made < 10
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Waiting for you")
    page.get_by_role("link", name="Unallocate 10 addresses").click()
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(".run-state .badge")).to_have_text("Queued")
    second = worker()
    expect(page.locator(".run-rows .badge", has_text="Succeeded")).not_to_have_count(made)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("A person stopped it.")).to_be_visible()
    second.join()
    page.reload()
    assert made < calls(box) < 10
    expect(page.locator(".run-rows .badge", has_text="Not attempted").first).to_be_visible()
    expect_accessible(page)


def test_a_killed_worker_is_taken_over(page: Page, read: ApiToken, box: Sandbox) -> None:
    draft(page, read, 4)
    confirm(page)
    expect(headline(page)).to_have_text("0 of 4 done")
    box.set_faults(SLOW)
    first = worker()
    expect(page.locator(".run-rows .badge", has_text="Succeeded").first).to_be_visible()
    # It no longer renews its claim, and another one takes the run.
    Run.objects.update(claimed_until=timezone.now())
    second = worker()
    first.join()
    second.join()
    expect(headline(page)).to_have_text("All 4 succeeded")
    assert set(acted(box).values()) == {1}


def test_put_all_back(page: Page, read: ApiToken, box: Sandbox) -> None:
    before = {each["id"]: each["allocation_id"] for each in box.world()["ip_addresses"]}
    page.goto("/search/?" + "q=" + "+".join(ten(box)[:3]))
    page.get_by_role("button", name="Unallocate 3 addresses…").click()
    confirm(page)
    worker().join()
    expect(headline(page)).to_have_text("All 3 succeeded")
    page.get_by_role("button", name="Put all back…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Put back 3 addresses?")
    page.get_by_label("Also restore reverse DNS").check()
    confirm(page)
    worker().join()
    expect(headline(page)).to_have_text("All 3 succeeded")
    assert {each["id"]: each["allocation_id"] for each in box.world()["ip_addresses"]} == before


def test_approval_by_a_second_person(
    page: Page, read: ApiToken, browse: Browse, bob: User, settings: Settings
) -> None:
    settings.APPROVALS = "*=above:1"
    add_token(bob, PLANTED)
    draft(page, read, 2)
    expect(page.get_by_text("This needs the approval of a second person")).to_be_visible()
    confirm(page)
    expect(page.get_by_text("Waiting for the approval of a second person")).to_be_visible()
    other = browse(bob)
    other.goto("/")
    other.get_by_role("link", name="Unallocate 2 addresses").click()
    expect(other.get_by_text("alice asks for your approval")).to_be_visible()
    expect_accessible(other)
    other.get_by_label("Reason").fill("Checked with the rack plan")
    other.get_by_role("button", name="Approve").click()
    expect(other.get_by_text("You approved this run")).to_be_visible()
    # alice's page notices.
    expect(headline(page)).to_have_text("0 of 2 done")
    worker().join()
    expect(headline(page)).to_have_text("All 2 succeeded")
    expect(page.get_by_text("Checked with the rack plan")).to_be_visible()


def test_a_run_without_javascript(
    browse: Browse, alice: User, read: ApiToken, box: Sandbox
) -> None:
    page = browse(alice, java_script_enabled=False)
    open_list(page, read, "?q=cache-01")
    for number in range(2):
        boxes(page).nth(number).check()
    bar(page).get_by_role("button", name="Unallocate…", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Unallocate 2 addresses?")
    page.get_by_role("link", name="Cancel").click()
    open_list(page, read, "?q=cache-01")
    bar(page).get_by_role("button", name="Unallocate all 2 that match…").click()
    confirm(page)
    expect(headline(page)).to_have_text("0 of 2 done")
    worker().join()
    page.get_by_role("link", name="Refresh").click()
    expect(headline(page)).to_have_text("All 2 succeeded")
    assert Run.objects.get(state=RunState.FINISHED).items.count() == 2


# Everywhere


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_of_runs_are_accessible_and_narrow(page: Page, read: ApiToken, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto("/runs/")
    expect(page.get_by_text("No runs yet")).to_be_visible()
    draft(page, read, 6)
    for path in (page.url, "/waiting/", "/runs/"):
        for width in (1280, 390, 320):
            page.set_viewport_size({"width": width, "height": 844})
            page.goto(path)
            expect_no_sideways_scrolling(page)
            expect_accessible(page)
    page.goto(Run.objects.get().get_absolute_url())
    confirm(page)
    worker().join()
    page.reload()
    for width in (1280, 390, 320):
        page.set_viewport_size({"width": width, "height": 844})
        expect_no_sideways_scrolling(page)
        expect_accessible(page)
