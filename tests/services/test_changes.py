"""What attempts changed since a list was read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ipadmin.katapult.types import Allocation, IPAddress
from ipadmin.models import ApiToken, AuditEntry, Outcome
from ipadmin.services import changes
from ipadmin.services.listing import Counts, Filters, listing
from ipadmin.services.snapshots import Inventory
from tests.history import keep

pytestmark = pytest.mark.django_db

WEB = Allocation("vm_1", "VirtualMachine", "web-01")


def inventory(age: int = 60) -> Inventory:
    """Two addresses, read so many seconds ago."""
    addresses = [
        IPAddress(f"ip_{number}", f"192.0.2.{number}", "web.example.net", False, WEB)
        for number in (1, 2)
    ]
    return Inventory(tuple(addresses), timezone.now() - timedelta(seconds=age))


def attempt(seconds_ago: int = 30, **fields: Any) -> AuditEntry:
    at = timezone.now() - timedelta(seconds=seconds_ago)
    times = {"created_at": at}
    if fields.get("outcome") not in {Outcome.PENDING, Outcome.UNKNOWN}:
        times["finished_at"] = at
    usual = {"address_id": "ip_1", "organization_id": "org_1", **times}
    return keep(**usual | fields)


def allocated(token: ApiToken, of: Inventory) -> list[bool]:
    applied = changes.apply(of, changes.attempts_since(of, token))
    return [each.allocation is not None for each in applied]


@pytest.mark.parametrize(
    ("fields", "is_allocated"),
    [
        ({"outcome": Outcome.SUCCEEDED}, False),
        ({"outcome": Outcome.SUCCEEDED, "basis": "evidence"}, False),
        ({"outcome": Outcome.REFUSED, "error_code": "already_unallocated"}, False),
        ({"outcome": Outcome.FAILED, "error_code": "no_allocation"}, False),
        ({"outcome": Outcome.FAILED, "error_code": "no_allocation", "basis": "evidence"}, True),
        ({"outcome": Outcome.FAILED, "error_code": "permission_denied"}, True),
        ({"outcome": Outcome.PENDING}, True),
        ({"outcome": Outcome.SUCCEEDED, "organization_id": "org_2"}, True),
        ({"outcome": Outcome.SUCCEEDED, "api_url": "https://elsewhere.example"}, True),
        ({"outcome": Outcome.SUCCEEDED, "seconds_ago": 90}, True),
    ],
)
def test_an_attempt_changes_the_list_at_once(
    token: ApiToken, fields: dict[str, Any], is_allocated: bool
) -> None:
    attempt(**fields)
    assert allocated(token, inventory()) == [is_allocated, True]


def test_the_newest_attempt_of_an_address_counts(token: ApiToken) -> None:
    attempt(30)
    attempt(10, outcome=Outcome.REFUSED, error_code="permission_denied")
    assert allocated(token, inventory()) == [True, True]


def test_rows_and_counts_show_the_change(token: ApiToken) -> None:
    attempt()
    of = inventory()
    found = listing(of, Filters(), attempts=changes.attempts_since(of, token))
    assert found.counts == Counts(2, 1, 1)
    assert [row.why_not for row in found.rows] == ["Not allocated", ""]
    assert found.rows[0].ip.reverse_dns is None


def test_an_open_attempt_marks_its_row(token: ApiToken) -> None:
    opened = attempt(outcome=Outcome.PENDING)
    of = inventory()
    found = listing(of, Filters(), attempts=changes.attempts_since(of, token))
    assert [row.attempt for row in found.rows] == [opened, None]


def test_a_token_without_an_organization_id_sees_changes_by_its_sub_domain(token: ApiToken) -> None:
    token.organization_id, token.organization_sub_domain = "", "acme"
    attempt(organization_id="", organization_sub_domain="acme")
    assert allocated(token, inventory()) == [False, True]
