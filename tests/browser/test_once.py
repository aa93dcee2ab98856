"""One confirmation, one call: whatever is pressed twice, opened twice, or comes too late."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from ipadmin.models import ApiToken, AuditEntry, Session
from ipadmin.sandbox import Sandbox
from tests.browser.steps import (
    ask,
    calls,
    confirm,
    danger_button,
    dialog_of,
    is_allocated,
    open_list,
    ordinary,
    row,
    sign_in,
    the_entry,
    unallocate_button,
    wait_until_read,
)

pytestmark = pytest.mark.django_db(transaction=True)

SLOW = [{"call": "unallocate", "kind": "delay", "seconds": 1.2}]


def test_a_double_click_acts_once(page: Page, token: ApiToken, box: Sandbox) -> None:
    address = ordinary(box)
    open_list(page, token)
    ask(page, address)
    danger_button(page).dblclick()
    expect(row(page, address)).to_contain_text("was unallocated")
    assert (calls(box), AuditEntry.objects.count()) == (1, 1)


def test_a_double_click_on_the_page_of_its_own_acts_once(
    page: Page, token: ApiToken, box: Sandbox
) -> None:
    page.goto(reverse("unallocate", args=[token.id, ordinary(box)["id"]]))
    box.set_faults(SLOW)
    danger_button(page).dblclick()
    expect(page.locator("main")).to_contain_text("was unallocated")
    assert (calls(box), AuditEntry.objects.count()) == (1, 1)


def test_while_the_call_runs_the_button_shows_it(page: Page, token: ApiToken, box: Sandbox) -> None:
    address = ordinary(box)
    open_list(page, token)
    dialog = ask(page, address)
    box.set_faults(SLOW)
    confirm(page)
    expect(danger_button(page)).to_have_text(re.compile("Unallocating…"), use_inner_text=True)
    expect(danger_button(page)).to_be_disabled()
    page.keyboard.press("Escape")
    expect(dialog.get_by_role("button", name="Keep it")).to_be_disabled()
    expect(dialog).to_be_visible()
    expect(row(page, address)).to_contain_text("was unallocated")
    assert calls(box) == 1


def test_the_second_of_two_tabs_sees_the_outcome(page: Page, token: ApiToken, box: Sandbox) -> None:
    address = ordinary(box)
    other = page.context.new_page()
    for tab in (page, other):
        open_list(tab, token)
        ask(tab, address)
    confirm(page)
    expect(row(page, address)).to_contain_text("was unallocated")
    confirm(other)
    expect(row(other, address)).to_contain_text("The address was unallocated in the meantime")
    expect(row(other, address)).to_contain_text("Nothing was changed")
    assert calls(box) == 1
    outcomes = AuditEntry.objects.values_list("outcome", flat=True)
    assert sorted(outcomes) == ["refused", "succeeded"]


def test_an_address_reassigned_after_the_confirmation_is_left_alone(
    page: Page, token: ApiToken, box: Sandbox
) -> None:
    address = ordinary(box)
    open_list(page, token)
    ask(page, address)
    box.unallocate(address["id"])
    box.allocate(address["id"], "spare-01")
    confirm(page)
    expect(row(page, address)).to_contain_text("The address was reassigned in the meantime")
    expect(row(page, address)).to_contain_text("spare-01")
    assert calls(box) == 0
    assert is_allocated(box, address)


def test_back_does_not_offer_a_finished_attempt(page: Page, token: ApiToken, box: Sandbox) -> None:
    page.goto(reverse("unallocate", args=[token.id, ordinary(box)["id"]]))
    confirm(page)
    expect(page.locator("main")).to_contain_text("was unallocated")
    page.go_back()
    expect(page.get_by_text("be unallocated here")).to_be_visible()
    expect(danger_button(page)).to_have_count(0)
    assert calls(box) == 1


def test_the_same_form_sent_again_leads_to_the_same_entry(
    page: Page, token: ApiToken, box: Sandbox
) -> None:
    page.goto(reverse("unallocate", args=[token.id, ordinary(box)["id"]]))
    read = "form => Object.fromEntries(new FormData(form))"
    form = page.locator("form.confirm-form").evaluate(read)
    here = page.url
    confirm(page)
    expect(page.locator("main")).to_contain_text("was unallocated")
    again = page.context.request.post(here, form=form, headers={"Referer": here})
    assert again.url == page.url
    assert "was unallocated" in again.text()
    assert calls(box) == 1


def test_back_to_the_list_shows_the_list(page: Page, token: ApiToken, box: Sandbox) -> None:
    address = ordinary(box)
    open_list(page, token)
    ask(page, address)
    confirm(page)
    row(page, address).get_by_role("link", name="Audit entry").click()
    expect(page).to_have_url(re.compile("/audit/"))
    page.go_back()
    expect(page.get_by_role("heading", name="Addresses")).to_be_visible()
    expect(row(page, address)).to_contain_text("Nothing")
    expect(dialog_of(page)).to_be_hidden()


def test_a_session_that_ended_before_asking(page: Page, token: ApiToken, box: Sandbox) -> None:
    open_list(page, token, "?q=cache-01")
    # Else the page itself may notice first.
    wait_until_read(page)
    Session.objects.all().delete()
    unallocate_button(page, ordinary(box)).click()
    expect(page).to_have_url(re.compile("/accounts/login/"))
    sign_in(page, "alice")
    expect(page).to_have_url(re.compile(r"/addresses/\?q=cache-01"))
    assert calls(box) == 0


def test_a_session_that_ended_before_confirming(page: Page, token: ApiToken, box: Sandbox) -> None:
    address = ordinary(box)
    open_list(page, token)
    ask(page, address)
    Session.objects.all().delete()
    confirm(page)
    expect(page).to_have_url(re.compile("/accounts/login/"))
    assert (calls(box), AuditEntry.objects.count()) == (0, 0)
    sign_in(page, "alice")
    ask(page, address)
    confirm(page)
    expect(row(page, address)).to_contain_text("was unallocated")
    assert the_entry().outcome == "succeeded"


def test_a_session_that_ended_on_the_page_of_its_own(
    page: Page, token: ApiToken, box: Sandbox
) -> None:
    page.goto(reverse("unallocate", args=[token.id, ordinary(box)["id"]]))
    Session.objects.all().delete()
    confirm(page)
    sign_in(page, "alice")
    expect(danger_button(page)).to_be_visible()
    assert (calls(box), AuditEntry.objects.count()) == (0, 0)
