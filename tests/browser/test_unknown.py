"""A call without a readable answer: said honestly, and followed until it is known."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from ipadmin.models import ApiToken
from ipadmin.sandbox import Sandbox
from ipadmin.services import evidence
from ipadmin.services.reconcile import reconcile
from tests.browser.steps import (
    ask,
    calls,
    confirm,
    expect_in_view,
    open_list,
    ordinary,
    row,
    the_entry,
)

pytestmark = pytest.mark.django_db(transaction=True)

LOST = [{"call": "unallocate", "kind": "reset_before"}]
OPEN = "not known yet"


@pytest.fixture(autouse=True)
def _soon(settings: Any) -> None:
    """Readings a moment apart prove as much here as a minute does in life."""
    settings.EVIDENCE_INTERVAL = settings.EVIDENCE_RETRY = 0.1


def act_without_an_answer(page: Page, token: ApiToken, box: Sandbox) -> dict[str, Any]:
    address = ordinary(box)
    open_list(page, token)
    ask(page, address)
    box.set_faults(LOST)
    confirm(page)
    expect_in_view(row(page, address).get_by_text(OPEN))
    expect(row(page, address)).to_contain_text("may or may not have been unallocated")
    return address


def rounds_of_the_worker(page: Page) -> None:
    """Until the attempt is closed: a reading that came too soon is not taken."""
    for _ in range(200):
        if reconcile():
            return
        page.wait_for_timeout(50)
    pytest.fail("nothing was closed")


def test_an_unknown_attempt_that_was_not_carried_out(
    page: Page, token: ApiToken, box: Sandbox
) -> None:
    address = act_without_an_answer(page, token, box)
    rounds_of_the_worker(page)
    expect(row(page, address)).to_contain_text("It was still allocated to")
    expect(row(page, address)).not_to_contain_text(OPEN)
    expect(page.locator("#announcer")).to_contain_text("No change was seen.")
    assert (the_entry().outcome, calls(box)) == ("failed", 1)


def test_an_unknown_attempt_that_was_carried_out_late(
    page: Page, token: ApiToken, box: Sandbox
) -> None:
    address = act_without_an_answer(page, token, box)
    box.unallocate(address["id"])
    rounds_of_the_worker(page)
    expect(row(page, address)).to_contain_text("was unallocated")
    expect(row(page, address)).to_contain_text("The address was read as unallocated")
    expect(page.locator("#announcer")).to_contain_text("was unallocated")
    assert (the_entry().outcome, the_entry().basis) == ("succeeded", "evidence")


def test_an_attempt_of_which_only_the_answer_was_lost(
    page: Page, token: ApiToken, box: Sandbox
) -> None:
    address = ordinary(box)
    open_list(page, token)
    ask(page, address)
    box.set_faults([{"call": "unallocate", "kind": "reset_after"}])
    confirm(page)
    expect(row(page, address)).to_contain_text("was unallocated")
    expect(row(page, address)).to_contain_text("The address was read as unallocated")


def test_the_page_of_an_open_entry_updates_itself(
    page: Page, token: ApiToken, box: Sandbox
) -> None:
    act_without_an_answer(page, token, box)
    page.goto(the_entry().get_absolute_url())
    expect(page.get_by_text(OPEN)).to_be_visible()
    rounds_of_the_worker(page)
    expect(page.locator("main")).to_contain_text("It was still allocated to")
    expect(page.locator(".lead .badge")).to_contain_text("failed", ignore_case=True)


def test_an_update_keeps_the_keyboard_focus(page: Page, token: ApiToken, box: Sandbox) -> None:
    address = act_without_an_answer(page, token, box)
    link = row(page, address).get_by_role("link", name="Audit entry")
    link.focus()
    with page.expect_response("**/result/**"):
        pass
    page.wait_for_timeout(300)
    expect(link).to_be_focused()


def test_polling_continues_after_a_failed_request(
    page: Page, token: ApiToken, box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = act_without_an_answer(page, token, box)
    page.context.set_offline(True)
    expect_in_view(row(page, address).get_by_text("can't update at the moment"))
    page.context.set_offline(False)
    rounds_of_the_worker(page)
    expect(row(page, address)).to_contain_text("It was still allocated to")
    expect(row(page, address)).not_to_contain_text("can't update at the moment")


def test_an_open_attempt_is_a_banner_on_every_page(
    page: Page, token: ApiToken, box: Sandbox
) -> None:
    act_without_an_answer(page, token, box)
    page.goto("/tokens/")
    expect(page.get_by_text("1 of your attempts is still being checked")).to_be_visible()
    rounds_of_the_worker(page)
    page.reload()
    expect(page.get_by_text("still being checked")).to_have_count(0)


def test_the_evidence_for_an_outcome_is_shown(page: Page, token: ApiToken, box: Sandbox) -> None:
    act_without_an_answer(page, token, box)
    entry = the_entry()
    evidence.gather_with_its_token(entry)
    reconcile()
    page.goto(entry.get_absolute_url())
    readings = page.locator("section", has_text="Evidence").last.locator("tbody tr")
    assert readings.count() == len(the_entry().evidence) >= 2
    expect(readings.first).to_contain_text("cache-01")
