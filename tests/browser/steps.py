"""Steps of the browser tests: pages, clicks and checks."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import Locator, Page, expect

from ipadmin.models import ApiToken, AuditEntry
from ipadmin.sandbox import Sandbox
from tests.conftest import PASSWORD

# Long, because the machine may be busy.
TIMEOUT_MILLISECONDS = 10_000

Address = dict[str, Any]


# The world


def address_of(box: Sandbox, machine: str, family: int = 4, **like: Any) -> Address:
    """The first address of this machine of the first organization, as it is now."""
    world = box.world()
    wanted = {
        "allocation_name": machine,
        "version": family,
        "organization": world["organizations"][0]["id"],
        **like,
    }
    found: Address = next(a for a in world["ip_addresses"] if wanted.items() <= a.items())
    return found


def ordinary(box: Sandbox) -> Address:
    """Not a VIP, and not its machine's last IPv4 address."""
    return address_of(box, "cache-01")


def vip(box: Sandbox) -> Address:
    return address_of(box, "vpn-01", vip=True)


def last_of_its_family(box: Sandbox) -> Address:
    return address_of(box, "db-01", family=6)


def is_allocated(box: Sandbox, address: Address) -> bool:
    world = box.world()["ip_addresses"]
    return next(bool(a["allocation_id"]) for a in world if a["id"] == address["id"])


def calls(box: Sandbox) -> int:
    """The number of calls to unallocate an address that the sandbox received."""
    return sum(bool(each["ip_address"]) for each in box.ledger("unallocate"))


def the_entry() -> AuditEntry:
    """The only entry."""
    return AuditEntry.objects.get()


# Pages


def open_list(page: Page, token: ApiToken, query: str = "") -> None:
    page.goto(reverse("addresses", args=[token.id]) + query)


def wait_until_read(page: Page) -> None:
    """Until the list is complete: each part of it replaces the one before."""
    expect(page.locator(".read-at")).to_contain_text("Updated")


def row(page: Page, address: Address) -> Locator:
    """The row of an address, or the result that replaced it."""
    return page.locator(f"#row-{address['id']}")


def unallocate_button(page: Page, address: Address) -> Locator:
    return page.get_by_role("link", name=f"Unallocate {address['address']}")


def dialog_of(page: Page) -> Locator:
    return page.get_by_role("dialog")


def danger_button(page: Page) -> Locator:
    return page.locator(".confirm button[type=submit]")


def ask(page: Page, address: Address) -> Locator:
    """Open the confirmation dialog."""
    unallocate_button(page, address).click()
    dialog = dialog_of(page)
    expect(dialog.get_by_role("heading")).to_have_text(f"Unallocate {address['address']}?")
    return dialog


def confirm(page: Page) -> None:
    danger_button(page).click()


def unallocate(page: Page, token: ApiToken, address: Address) -> Locator:
    """Unallocate from the list; the result replaces the row."""
    open_list(page, token)
    ask(page, address)
    confirm(page)
    result = row(page, address).locator(".outcome")
    expect(result).to_be_visible()
    return result


def sign_in(page: Page, name: str, password: str = PASSWORD) -> None:
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


# Checks


def expect_in_view(locator: Locator) -> None:
    """Visible, without scrolling."""
    expect(locator).to_be_visible()
    expect(locator).to_be_in_viewport()


def expect_no_sideways_scrolling(page: Page) -> None:
    width, room = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width <= room, f"{page.url} is {width} px wide on {room}"


def expect_accessible(page: Page) -> None:
    """No violation that axe finds."""
    # A document that has axe already keeps it.
    axe = Axe("") if page.evaluate("'axe' in window") else Axe()
    found = axe.run(page)
    assert found.violations_count == 0, f"{page.url}\n{found.generate_report()}"
