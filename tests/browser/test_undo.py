"""An address is put back: with JavaScript and without, and with its reverse DNS."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from ipadmin.models import ApiToken, AuditEntry, User
from ipadmin.sandbox import Sandbox
from tests.browser.conftest import Browse
from tests.browser.steps import ask, confirm, is_allocated, open_list, ordinary, row

pytestmark = pytest.mark.django_db(transaction=True)


def put_back(page: Page) -> None:
    page.get_by_role("link", name="Put it back…").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("back?")
    page.get_by_label("Reason").fill("The wrong one")
    page.get_by_role("button", name="Allocate").click()
    expect(page.locator("main")).to_contain_text(
        "It is allocated to virtual machine cache-01 again"
    )


def actions() -> list[tuple[str, str]]:
    entries = AuditEntry.objects.order_by("pk")
    return [(each.action, each.outcome) for each in entries]


def test_from_the_result_of_an_attempt(page: Page, token: ApiToken, box: Sandbox) -> None:
    address = ordinary(box)
    open_list(page, token)
    ask(page, address)
    confirm(page)
    expect(row(page, address)).to_contain_text("was unallocated")
    put_back(page)
    assert is_allocated(box, address)
    assert actions() == [("unallocate", "succeeded"), ("allocate", "succeeded")]
    page.get_by_role("link", name=f"Unallocate {address['address']}").click()
    expect(page.locator("main")).to_contain_text("Undone by")


def test_with_its_reverse_dns_and_without_javascript(
    browse: Browse, alice: User, token: ApiToken, box: Sandbox
) -> None:
    address = ordinary(box)
    box.allocate(address["id"], address["allocation_id"], "shop.example.net")
    page = browse(alice, java_script_enabled=False)
    page.goto(reverse("unallocate", args=[token.id, address["id"]]))
    page.get_by_role("button", name="Unallocate").click()
    expect(page.get_by_role("checkbox")).to_have_count(0)
    page.get_by_role("link", name="Put it back…").click()
    expect(page.get_by_label("Set its reverse DNS to shop.example.net again")).to_be_checked()
    page.get_by_role("button", name="Allocate").click()
    expect(page.locator("main")).to_contain_text("Together with")
    assert actions()[1:] == [("allocate", "succeeded"), ("set_reverse_dns", "succeeded")]
    found = next(a for a in box.world()["ip_addresses"] if a["id"] == address["id"])
    assert found["reverse_dns"] == "shop.example.net"
