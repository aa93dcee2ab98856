"""The page that puts an address back, against the sandbox."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from ipadmin.katapult.types import Organization
from ipadmin.models import AuditEntry, Run, RunState, User
from ipadmin.sandbox import Sandbox
from tests.history import keep
from tests.page import Page
from tests.sandbox_client import some
from tests.services.conftest import PLANTED, keep_token
from tests.views.conftest import MakeEntry

pytestmark = pytest.mark.django_db


@pytest.fixture
def freed(alice: User, box: Sandbox, settings: Settings) -> AuditEntry:
    """The entry of an address that was taken from a virtual machine."""
    settings.KATAPULT_API_URL = box.url
    first = box.world()["organizations"][0]
    keep_token(alice, PLANTED, Organization(first["id"], first["name"], first["sub_domain"]))
    address = some(box, allocation_type="VirtualMachine", vip=False)
    box.unallocate(address["id"])
    return keep(
        user_id=alice.pk,
        api_url=box.url,
        organization_id=first["id"],
        address_id=address["id"],
        address=address["address"],
        allocation_id=address["allocation_id"],
        reverse_dns="shop.example.net",
    )


def confirm(client: Client, entry: AuditEntry, **more: str) -> Page:
    """Open the confirmation and send it."""
    url = reverse("undo", args=[entry.attempt_id])
    asked = Page(client.get(url))
    form = asked.form("confirmation")
    sent = {name: form[name] for name in form if name != "set_reverse_dns"}
    return Page(client.post(url, sent | more, follow=True))


def test_the_confirmation_says_what_is_restored_and_what_is_not(
    alices: Client, freed: AuditEntry
) -> None:
    shown = alices.get(reverse("undo", args=[freed.attempt_id])).content.decode()
    for text in (
        "Katapult chooses one",
        "Set its reverse DNS to shop.example.net again",
        "Started",
    ):
        assert text in shown


@pytest.mark.parametrize("box_is_checked", [True, False])
def test_the_address_is_put_back(
    alices: Client, box: Sandbox, freed: AuditEntry, box_is_checked: bool
) -> None:
    confirm(
        alices, freed, reason="wrong one", **({"set_reverse_dns": "on"} if box_is_checked else {})
    )
    made = list(AuditEntry.objects.filter(undoes=freed.attempt_id).order_by("pk"))
    expected = ["allocate", "set_reverse_dns"] if box_is_checked else ["allocate"]
    assert [each.action for each in made] == expected
    assert {(each.outcome, each.reason) for each in made} == {("succeeded", "wrong one")}


def test_both_entries_are_linked(alices: Client, freed: AuditEntry) -> None:
    confirm(alices, freed)
    made = AuditEntry.objects.get(undoes=freed.attempt_id)
    for one, other in ((freed, made), (made, freed)):
        assert other.get_absolute_url() in alices.get(one.get_absolute_url()).content.decode()


def test_it_is_offered_on_the_entry_and_the_timeline(alices: Client, freed: AuditEntry) -> None:
    url = reverse("undo", args=[freed.attempt_id])
    timeline = reverse("address_timeline", args=[freed.address])
    for page in (freed.get_absolute_url(), timeline):
        assert url in alices.get(page).content.decode()
    confirm(alices, freed)
    for page in (freed.get_absolute_url(), timeline):
        assert url not in alices.get(page).content.decode()


def test_a_machine_in_the_trash_is_explained(
    alices: Client, box: Sandbox, freed: AuditEntry
) -> None:
    box.trash(freed.allocation_id)
    shown = Page(alices.get(reverse("undo", args=[freed.attempt_id])))
    assert "is in the trash until 2" in shown.text
    assert shown.links["Check again"] == "?"
    assert shown.all("form.confirm-form") == []


def test_a_confirmation_for_another_entry_is_not_accepted(
    alices: Client, box: Sandbox, freed: AuditEntry
) -> None:
    url = reverse("undo", args=[freed.attempt_id])
    response = alices.post(url, {"confirmation": "forged", "reason": ""})
    assert response.status_code == 422
    assert box.ledger("allocate") == []


def test_a_load_balancer_says_why_not(alices: Client, entry: MakeEntry) -> None:
    made = entry(allocation_type="LoadBalancer")
    shown = alices.get(reverse("undo", args=[made.attempt_id])).content.decode()
    assert "load balancer" in shown


def test_the_history_is_filtered_by_action(alices: Client, freed: AuditEntry) -> None:
    confirm(alices, freed)
    for action, count in (("allocate", 1), ("unallocate", 1), ("set_reverse_dns", 0)):
        shown = Page(alices.get(f"{reverse('audit')}?when=all&action={action}"))
        assert len(shown.all("table.entries tbody tr")) == count


def test_an_undo_that_needs_an_approval_becomes_a_run(
    alices: Client, freed: AuditEntry, box: Sandbox, settings: Settings
) -> None:
    settings.APPROVALS = "*=every"
    shown = alices.get(reverse("undo", args=[freed.attempt_id]))
    assert "This needs the approval of a second person" in shown.text
    page = confirm(alices, freed, set_reverse_dns="on")
    assert page.texts("h1") == [f"Put back {freed.address}?"]
    run = Run.objects.get()
    assert (run.state, run.restores_reverse_dns) == (RunState.WAITING, True)
    assert run.items.get().undoes == freed.attempt_id
    assert AuditEntry.objects.count() == 1
