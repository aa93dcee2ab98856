"""What the pictures show. Needs Django to be set up: `screenshots` does."""

from __future__ import annotations

from pathlib import Path

from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db.models import Count
from django.utils import timezone
from playwright.sync_api import Browser, Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from ipadmin.audit import entries
from ipadmin.demo.history import facts
from ipadmin.models import ApiToken, AuditEntry, User
from ipadmin.sandbox import Sandbox
from tests.browser.chromium import find_chromium
from tests.browser.conftest import add_token, session
from tests.browser.steps import (
    Address,
    ask,
    confirm,
    open_list,
    row,
    unallocate,
    wait_until_read,
)


def take(box: Sandbox, docs: Path) -> None:
    call_command("migrate", verbosity=0)
    user = User.objects.create_user("dana", first_name="Dana", last_name="Reyes")
    user.groups.add(Group.objects.get(name="operator"))
    token = add_token(user, box.token, "Day shift")
    chromium = find_chromium()
    server = LiveServer("localhost")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            show(open_browser(browser, server, user, 1280, 800), box, token, docs)
            narrow = open_browser(browser, server, user, 390, 844)
            open_list(narrow, token)
            wait_until_read(narrow)
            narrow.screenshot(path=docs / "mobile.png")
            browser.close()
    finally:
        server.stop()


def show(page: Page, box: Sandbox, token: ApiToken, docs: Path) -> None:
    first, second, third = machines(box)
    open_list(page, token)
    wait_until_read(page)
    unallocate(page, token, second)
    open_list(page, token)
    ask(page, third)
    box.set_faults([{"call": "unallocate", "kind": "error", "code": "organization_suspended"}])
    confirm(page)
    row(page, third).locator(".outcome").wait_for()
    box.set_faults([])
    open_list(page, token)
    dialog = ask(page, first)
    dialog.get_by_label("Reason").fill("Moved to the new load balancer, OPS-2214")
    page.screenshot(path=docs / "addresses.png")
    confirm(page)
    row(page, first).locator(".outcome").wait_for()
    page.screenshot(path=docs / "result.png")
    page.goto("/what-if/")
    page.screenshot(path=docs / "what-if.png")
    make_up_a_history()
    page.goto(f"/tokens/{token.id}/addresses/")
    wait_until_read(page)
    page.keyboard.press("/")
    page.locator("#site-search").press_sequentially("web-01")
    page.locator("#site-results [data-hit]").first.wait_for()
    page.wait_for_timeout(500)
    page.screenshot(path=docs / "search.png")
    page.goto("/audit/?when=30d")
    page.screenshot(path=docs / "history.png")
    busiest = AuditEntry.objects.values_list("address").annotate(n=Count("id")).order_by("-n")
    page.goto(f"/addresses/{busiest[0][0]}/timeline/")
    page.screenshot(path=docs / "timeline.png")


def make_up_a_history() -> None:
    made = list(facts(20_000, now=timezone.now()))
    for entry in made:
        entry.environment = "sandbox"
    entries.add_finished(made)


def machines(box: Sandbox) -> list[Address]:
    """Addresses of three machines that have another one, none of them a VIP."""
    world = box.world()["ip_addresses"]
    names = [a["allocation_id"] for a in world if a["version"] == 4]
    plain = [
        a
        for a in world
        if a["version"] == 4 and not a["vip"] and names.count(a["allocation_id"]) > 1
    ]
    machines = [a for a in plain if a["allocation_type"] == "VirtualMachine"]
    return list({a["allocation_id"]: a for a in reversed(machines)}.values())[::-1][:3]


def open_browser(browser: Browser, server: LiveServer, user: User, width: int, height: int) -> Page:
    context = browser.new_context(
        base_url=server.url,
        viewport={"width": width, "height": height},
        color_scheme="light",
        reduced_motion="reduce",
    )
    context.add_cookies([session(user, server.url)])  # type: ignore[list-item]
    return context.new_page()
