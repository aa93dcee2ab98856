"""What a form carries: signed, bound, for a while, and nothing secret."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import httpx
import pytest
import time_machine
from django.conf import settings
from django.core import signing
from django.utils import timezone

from ipadmin.katapult.types import Allocation, IPAddress, Organization, Secret
from ipadmin.models import ApiToken, User
from ipadmin.services import confirmation, snapshots
from ipadmin.services.confirmation import (
    Bound,
    Confirmation,
    ConfirmationExpired,
    MachineFacts,
    NotConfirmed,
    attempt_id_of,
    load,
    read,
)
from ipadmin.services.snapshots import Inventory
from tests.services.conftest import PLANTED, keep_token
from tests.services.katapult import IP, OTHER_VM, VM, Katapult, html, refusal

pytestmark = pytest.mark.django_db


@pytest.fixture
def bound(token: ApiToken) -> Bound:
    return Bound(token.owner, token, IP)


@pytest.fixture
def signed(confirmed: Confirmation, bound: Bound) -> str:
    return confirmed.signed(bound)


def test_a_confirmation_is_loaded_as_it_was_signed(
    signed: str, bound: Bound, confirmed: Confirmation
) -> None:
    assert load(signed, bound) == confirmed
    assert attempt_id_of(signed, bound) == confirmed.attempt_id


def test_a_confirmation_of_an_unallocated_address_is_loaded(
    bound: Bound, confirmed: Confirmation
) -> None:
    free = replace(confirmed, ip=replace(confirmed.ip, allocation=None), in_organization=None)
    assert load(free.signed(bound), bound) == free


@pytest.mark.parametrize("hostile", ["", "x", "a:b:c", ".e30:x:y", "\x00", "é", "9" * 10_000])
def test_an_unsigned_confirmation_is_refused(hostile: str, bound: Bound) -> None:
    with pytest.raises(NotConfirmed):
        load(hostile, bound)


def test_a_confirmation_with_a_changed_character_is_refused(signed: str, bound: Bound) -> None:
    for at in range(0, len(signed), 7):
        changed = signed[:at] + ("A" if signed[at] != "A" else "B") + signed[at + 1 :]
        with pytest.raises(NotConfirmed):
            load(changed, bound)


def test_a_confirmation_is_bound_to_user_token_secret_address_and_api(
    signed: str, bound: Bound, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = keep_token(bound.user, PLANTED, Organization("org_1", "Acme", "acme"), "Other")
    replaced = ApiToken.objects.get(pk=bound.token.pk)
    replaced.encrypt_secret(Secret("another-secret-0123"))
    for else_bound in (
        replace(bound, user=bob),
        replace(bound, token=other),
        replace(bound, token=replaced),
        replace(bound, address_id="ip_other"),
    ):
        with pytest.raises(NotConfirmed):
            load(signed, else_bound)
        with pytest.raises(NotConfirmed):
            attempt_id_of(signed, else_bound)
    monkeypatch.setattr(settings, "KATAPULT_API_URL", "https://api.katapult.io")
    with pytest.raises(NotConfirmed):
        load(signed, bound)


def test_a_confirmation_expires(bound: Bound, confirmed: Confirmation) -> None:
    with time_machine.travel("2026-11-23T12:00:00Z", tick=False) as clock:
        signed = confirmed.signed(bound)
        clock.shift(settings.CONFIRMATION_MAX_AGE)
        assert load(signed, bound) == confirmed
        clock.shift(2)
        with pytest.raises(ConfirmationExpired):
            load(signed, bound)
        # Which attempt it was for can still be told, to show what came of it.
        assert attempt_id_of(signed, bound) == confirmed.attempt_id


def test_a_confirmation_contains_no_secret(signed: str, bound: Bound) -> None:
    inside = repr(confirmation.verified(signed, bound, confirmation.SALT, max_age=None)) + signed
    assert PLANTED not in inside
    assert bound.token.last_four not in inside


def row(id: str, address: str, holder: str | None) -> dict[str, Any]:
    kind = holder and "VirtualMachine"
    return {"id": id, "address": address, "allocation_id": holder, "allocation_type": kind}


OURS = row(IP, "192.0.2.7", VM)


def answering(katapult: Katapult, *answers: Any) -> None:
    """The address as usual, then these answers."""
    katapult.reads.extend([katapult.usual, *answers])


def listed(*rows: dict[str, Any]) -> httpx.Response:
    return httpx.Response(200, json={"pagination": {"total_pages": 1}, "ip_addresses": rows})


def unanswered(_: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("slow")


def machine(*rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": VM,
        "name": "web-01",
        "state": "started",
        "zone": {"name": "North West"},
        "tag_names": ["web", "production"],
        "organization": {"id": "org_1"},
        "ip_addresses": rows,
    } | more


# With the list of addresses, for a token that may not read machines


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([OURS], (True, True)),
        ([OURS, row("ip_2", "192.0.2.8", VM)], (False, True)),
        ([OURS, row("ip_2", "2001:db8::1", VM)], (True, True)),
        ([OURS, row("ip_2", "192.0.2.8", OTHER_VM)], (True, True)),
        ([OURS, row("ip_2", "192.0.2.8", None)], (True, True)),
        ([row("ip_2", "192.0.2.8", VM)], (False, False)),
        ([], (True, False)),
    ],
)
def test_the_list_says_whether_the_address_is_the_last_of_its_family(
    token: ApiToken, katapult: Katapult, rows: Any, expected: Any
) -> None:
    answering(katapult, listed(*rows))
    made = read(token, IP)
    assert (made.is_last_of_family, made.in_organization) == expected
    assert made.must_type is expected[0]
    assert katapult.requests[-1].url.params["allocated"] == "true"


@pytest.mark.parametrize(
    "answer",
    [
        refusal(403, "scope_not_granted"),
        refusal(429, "rate_limit_reached"),
        refusal(503, "service_unavailable"),
        html(),
        unanswered,
        httpx.ConnectError("gone"),
    ],
)
def test_after_an_unreadable_list_it_is_unknown_whether_an_address_is_the_last(
    token: ApiToken, katapult: Katapult, answer: Any
) -> None:
    # A page without a proper answer is read twice.
    answering(katapult, answer, answer)
    made = read(token, IP)
    assert (made.is_last_of_family, made.in_organization, made.must_type) == (None, None, False)


def test_a_list_that_changed_while_it_was_read_does_not_exclude_the_address(
    token: ApiToken, katapult: Katapult
) -> None:
    body = {"pagination": {"total_pages": 1, "total": 2}, "ip_addresses": [row("ip_2", "::1", VM)]}
    answering(katapult, httpx.Response(200, json=body))
    assert read(token, IP).in_organization is None


@pytest.mark.parametrize(
    ("vip", "is_last", "must_type"),
    [(False, False, False), (True, False, True), (True, None, True), (False, True, True)],
)
def test_a_vip_or_the_last_of_a_family_must_be_typed(
    confirmed: Confirmation, vip: bool, is_last: bool | None, must_type: bool
) -> None:
    made = replace(confirmed, ip=replace(confirmed.ip, vip=vip), is_last_of_family=is_last)
    assert made.must_type is must_type


def test_an_unallocated_address_is_read_alone(token: ApiToken, katapult: Katapult) -> None:
    katapult.holder = None
    assert read(token, IP).is_last_of_family is False
    assert len(katapult.requests) == 1


def test_a_confirmation_of_an_earlier_version_has_expired(
    confirmed: Confirmation, bound: Bound
) -> None:
    """It does not say since when the address may have changed."""
    data = signing.loads(confirmed.signed(bound), salt=confirmation.SALT)
    del data["read_since"]
    with pytest.raises(ConfirmationExpired):
        load(signing.dumps(data, salt=confirmation.SALT), bound)


def test_each_confirmation_is_an_attempt_of_its_own(token: ApiToken, katapult: Katapult) -> None:
    katapult.machines = [machine(OURS)]
    assert read(token, IP).attempt_id != read(token, IP).attempt_id


def test_a_machine_without_an_id_has_no_known_siblings(token: ApiToken, katapult: Katapult) -> None:
    """Two nameless holders need not be the same."""
    katapult.holder = ""
    katapult.more = {"allocation_type": "New"}
    other = row("ip_2", "192.0.2.8", None) | {"allocation_type": "New"}
    answering(katapult, listed(OURS, other))
    assert read(token, IP).is_last_of_family is True


# With the machine


@pytest.mark.parametrize(
    ("others", "is_last"),
    [
        ([], True),
        ([row("ip_2", "192.0.2.8", VM)], False),
        ([row("ip_2", "2001:db8::1", VM)], True),
    ],
)
def test_the_machine_says_whether_the_address_is_the_last_of_its_family(
    token: ApiToken, katapult: Katapult, others: list[Any], is_last: bool
) -> None:
    katapult.machines = [machine(OURS, *others)]
    made = read(token, IP)
    assert (made.is_last_of_family, made.in_organization) == (is_last, True)
    facts = MachineFacts(
        "web-01",
        "started",
        "North West",
        ("web", "production"),
        tuple(each["address"] for each in others),
    )
    assert made.machine == facts
    assert len(katapult.requests) == 2


@pytest.mark.parametrize(
    ("organization", "expected"), [({"id": "org_2"}, False), (None, None), ({}, None)]
)
def test_the_machine_says_which_organization_it_is_of(
    token: ApiToken, katapult: Katapult, organization: Any, expected: bool | None
) -> None:
    katapult.machines = [machine(OURS, organization=organization)]
    assert read(token, IP).in_organization is expected


def test_a_confirmation_with_a_machine_is_loaded_as_it_was_signed(
    token: ApiToken, katapult: Katapult, bound: Bound
) -> None:
    katapult.machines = [machine(OURS, row("ip_2", "192.0.2.8", VM))]
    made = read(token, IP)
    assert load(made.signed(bound), bound) == made


def test_address_and_listed_machine_are_read_at_the_same_time(
    token: ApiToken, katapult: Katapult
) -> None:
    katapult.machines = [machine(OURS)]
    together = threading.Barrier(2, timeout=5)
    at = timezone.now()
    held = Allocation(VM, "VirtualMachine")
    snapshots.store(token, Inventory((IPAddress(IP, "192.0.2.7", None, False, held),), at))
    katapult.reads.append(lambda request: (together.wait(), katapult.usual(request))[1])
    usual = katapult.of_machines
    katapult.of_machines = lambda request: (together.wait(), usual(request))[1]  # type: ignore[method-assign]
    assert read(token, IP).machine


def test_after_a_move_the_machine_of_now_is_read(token: ApiToken, katapult: Katapult) -> None:
    katapult.machines = [machine(OURS), machine(id=OTHER_VM, name="old")]
    held = Allocation(OTHER_VM, "VirtualMachine")
    listed_ip = IPAddress(IP, "192.0.2.7", None, vip=False, allocation=held)
    snapshots.store(token, Inventory((listed_ip,), timezone.now()))
    made = read(token, IP)
    assert made.machine
    assert made.machine.name == "web-01"


def test_a_token_known_to_lack_the_scope_asks_for_no_machine(
    token: ApiToken, katapult: Katapult
) -> None:
    token.can_list_machines = False
    answering(katapult, listed(OURS))
    assert read(token, IP).machine is None
    assert [each.url.path for each in katapult.requests if "virtual" in each.url.path] == []
