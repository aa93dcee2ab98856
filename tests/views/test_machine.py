"""The page of a machine, and the password in Katapult's answer, which is kept nowhere."""

from __future__ import annotations

import logging

import pytest
from django.apps import apps
from django.core import serializers
from django.test import Client
from django.urls import reverse

from ipadmin.models import ApiToken
from ipadmin.sandbox import Sandbox
from ipadmin.sandbox.bodies import ROOT_PASSWORD
from tests.history import keep
from tests.page import Page
from tests.sandbox_client import some
from tests.services.katapult import IP, VM, refusal
from tests.views.confirming import act
from tests.views.conftest import HTMX
from tests.views.katapult import HOSTILE, Organizations


@pytest.fixture
def url(token: ApiToken) -> str:
    return reverse("machine", args=[token.id, VM])


def address() -> dict[str, object]:
    held = {"allocation_id": VM, "allocation_type": "VirtualMachine"}
    return {"id": IP, "address": "192.0.2.7", **held}


def test_the_page_shows_state_addresses_and_attempts(
    alices: Client, url: str, token: ApiToken, katapult: Organizations
) -> None:
    made = keep(allocation_id=VM, organization_id="org_1", user_name="bob")
    katapult.machines = [
        {
            "id": VM,
            "name": "web-01",
            "state": "started",
            "fqdn": "web-01.example.net",
            "zone": {"name": "North West"},
            "tag_names": ["production", HOSTILE],
            "ip_addresses": [address()],
        }
    ]
    page = Page(alices.get(url))
    assert page.texts("h1") == ["web-01"]
    for shown in ("Started", "production", "web-01.example.net", "North West", VM, "bob"):
        assert shown in page.text.replace("\u200b", "")
    assert page.links["192.0.2.7"] == reverse("address", args=[token.id, IP])
    assert made.get_absolute_url() in page.links.values()
    assert HOSTILE not in page.html


def test_without_the_scope_the_page_shows_what_the_list_has(
    alices: Client, url: str, katapult: Organizations
) -> None:
    page = Page(alices.get(url))
    assert "State and zone are not shown" in page.text
    assert len(page.all("tr[id^=row-]")) == 2


def test_a_machine_that_cannot_be_read_is_explained(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.machines = [{"id": "vm_other", "name": "x"}]
    page = Page(alices.get(url))
    assert page.texts("h1") == [VM]
    assert "Virtual machine not found" in page.text
    katapult.of_machines = lambda _: refusal(503, "service_unavailable")  # type: ignore[method-assign, assignment]
    assert "Katapult is unavailable" in alices.get(url).text


def test_a_machine_of_another_users_token_is_not_found(
    alices: Client, bobs_token: ApiToken
) -> None:
    assert alices.get(reverse("machine", args=[bobs_token.id, VM])).status_code == 404


def test_the_initial_root_password_is_never_stored_logged_or_shown(
    alices: Client, token: ApiToken, box: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Through every page that reads machines, and an attempt."""
    caplog.set_level(logging.DEBUG)
    held = some(box)
    token.organization_id = held["organization"]
    token.save()
    names = {"addresses": [], "address": [held["id"]], "machine": [held["allocation_id"]]}
    shown = [
        alices.get(reverse(name, args=[token.id, *ids]) + "?wait=1").text
        for name, ids in names.items()
    ]
    url = reverse("unallocate", args=[token.id, held["id"]])
    shown.append(alices.get(url, headers=HTMX).text)
    shown.append(act(alices, url, htmx=True, typed_address=held["address"]).text)
    shown.append(alices.get(reverse("search") + "?q=web").text)
    assert box.ledger("machines")
    assert len(box.ledger("machine")) >= 3
    rows = [row for model in apps.get_models() for row in model._base_manager.all()]
    stored = serializers.serialize("json", rows)
    assert "was unallocated" in shown[4]
    assert ROOT_PASSWORD not in "".join(shown) + stored + caplog.text
