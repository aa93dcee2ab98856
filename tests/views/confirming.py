"""A confirmed attempt, as pages make it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from ipadmin.models import ApiToken, AuditEntry
from tests.page import Page
from tests.services.katapult import IP
from tests.views.conftest import HTMX

# The codes of the API page that unallocating can be answered with: (status, code, detail, words).
NO: list[tuple[int, str, dict[str, Any], list[str]]] = [
    (400, "missing_api_token", {}, ["Katapult received no API token", "Check the proxy"]),
    (
        403,
        "unauthorized_network_for_api_token",
        {"ip_address": "203.0.113.9"},
        ["be used from this network", "Address seen by Katapult", 'data-copy="203.0.113.9"'],
    ),
    (403, "invalid_api_token", {"details": "expired"}, ["does not accept this token", "expired"]),
    (403, "invalid_capabilities_token", {}, ["was never valid"]),
    (
        403,
        "scope_not_granted",
        {"scopes": ["ip_addresses", "organizations:read"]},
        ["lacks a scope", "Scope needed", "ip_addresses, organizations:read"],
    ),
    (403, "permission_denied", {"details": "not yours"}, ["denied permission", "not yours"]),
    (403, "organization_suspended", {}, ["The organization is suspended"]),
    (403, "organization_not_activated", {}, ["The organization is not activated"]),
    (404, "ip_address_not_found", {}, ["Address not found"]),
    (404, "organization_not_found", {}, ["Organization not found"]),
    (404, "virtual_machine_not_found", {}, ["Virtual machine not found"]),
    (404, "route_not_found", {}, ["does not know this request", "KATAPULT_API_URL"]),
    (409, "resource_does_not_support_unallocation", {}, ["does not support unallocation"]),
    (422, "no_allocation", {}, ["The address was already unallocated", "nothing left to do"]),
    (
        422,
        "validation_error",
        {"errors": ["is locked"]},
        ["Katapult rejected the change", "is locked"],
    ),
    (422, "validation_error", {"errors": "is held"}, ["Katapult rejected the change", "is held"]),
    (400, "invalid_argument", {}, ["did not understand the request"]),
    (400, "missing_required_argument", {}, ["rejected an argument"]),
    (400, "invalid_json_body", {}, ["rejected an argument"]),
    (
        429,
        "rate_limit_reached",
        {"total_permitted": 1000},
        ["Too many requests this minute", "Requests allowed per minute", "1000", "Try again at"],
    ),
]


CODES = [pytest.param(*each, id=f"{each[1]}-{number}") for number, each in enumerate(NO)]


# One of each kind of detail.
FEW_CODES = [each for each in CODES if each.values[1] in {"scope_not_granted", "no_allocation"}]


with_and_without_htmx = pytest.mark.parametrize("htmx", [True, False], ids=["htmx", "plain"])


@pytest.fixture
def url(token: ApiToken) -> str:
    return reverse("unallocate", args=[token.id, IP])


def confirmation_of(page: Any) -> str:
    """What the form of a page would send along."""
    return Page(page).confirmation()


def ask(client: Client, url: str) -> str:
    return confirmation_of(client.get(url))


def act(client: Client, url: str, *, htmx: bool = False, **form: str) -> Any:
    """Ask first, then confirm."""
    form = {"confirmation": ask(client, url)} | form
    return client.post(url, form, headers=HTMX if htmx else {})


def only_entry() -> AuditEntry:
    return AuditEntry.objects.get()
