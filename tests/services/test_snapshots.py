"""Inventories in the database and in memory."""

from __future__ import annotations

import zlib
from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest
from django.db import DatabaseError

from ipadmin.katapult.types import Allocation, IPAddress, Organization
from ipadmin.models import ApiToken, InventorySnapshot, User
from ipadmin.services import snapshots
from ipadmin.services.snapshots import Inventory, Machine
from tests.services.conftest import keep_token

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
WEB = Allocation("vm_1", "VirtualMachine")
ADDRESSES = (
    IPAddress("ip_1", "192.0.2.1", "web.example.net", vip=True, allocation=WEB),
    IPAddress("ip_2", "192.0.2.2", None, vip=False, allocation=None),
    IPAddress("ip_3", "2001:db8::3", "é", vip=False, allocation=Allocation("", "New", "a")),
)
MACHINES = {"vm_1": Machine("vm_1", "web-01", "North West"), "vm_2": Machine("vm_2", "x", None, AT)}
FULL = Inventory(ADDRESSES, AT, is_complete=False, total=9, machines=MACHINES, has_names=True)


@pytest.fixture(autouse=True)
def another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is in memory yet."""
    monkeypatch.setattr(snapshots, "_parsed", {})


def in_another_process(token: ApiToken) -> Inventory | None:
    snapshots._parsed.clear()
    return snapshots.load(token)


def test_an_inventory_is_the_same_in_every_process(token: ApiToken) -> None:
    snapshots.store(token, FULL)
    assert snapshots.load(token) is FULL
    assert in_another_process(token) == FULL


def test_a_newer_inventory_of_another_process_replaces_the_one_in_memory(token: ApiToken) -> None:
    snapshots.store(token, FULL)
    known = dict(snapshots._parsed)
    newer = replace(FULL, read_at=AT.replace(hour=13), addresses=ADDRESSES[:1])
    snapshots.store(token, newer)
    snapshots._parsed.clear()
    snapshots._parsed.update(known)
    assert snapshots.load(token) == newer


def test_an_inventory_is_not_shared_between_tokens(token: ApiToken, alice: User) -> None:
    other = keep_token(alice, "x" * 20, Organization("org_1", "Acme", "acme"), "Other")
    snapshots.store(token, FULL)
    assert snapshots.load(other) is None
    assert in_another_process(other) is None


def test_a_deleted_token_leaves_no_inventory(token: ApiToken) -> None:
    snapshots.store(token, FULL)
    token.delete()
    assert not InventorySnapshot.objects.exists()


def test_a_forgotten_inventory_is_not_loaded(token: ApiToken) -> None:
    snapshots.store(token, FULL)
    snapshots.forget(token)
    assert snapshots.load(token) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no zlib",
        zlib.compress(b"no JSON"),
        zlib.compress(orjson.dumps({"format": 0})),
        zlib.compress(orjson.dumps({"format": snapshots.FORMAT, "addresses": [[1]]})),
    ],
)
def test_content_that_cannot_be_read_is_no_inventory(token: ApiToken, content: bytes) -> None:
    InventorySnapshot.objects.create(token=token, read_at=AT, is_complete=True, content=content)
    assert snapshots.load(token) is None


def test_a_database_error_while_it_is_stored_is_not_raised(
    token: ApiToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise DatabaseError("disk full")

    monkeypatch.setattr(InventorySnapshot.objects, "update_or_create", full)
    snapshots.store(token, FULL)
    assert not InventorySnapshot.objects.exists()


def test_a_limited_number_of_addresses_is_kept_in_memory(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "ADDRESSES_IN_MEMORY", 7)
    for number in range(5):
        organization = Organization("org_1", "Acme", "acme")
        each = keep_token(alice, f"{number:020}", organization, f"Token {number}")
        snapshots.store(each, FULL)
    assert len(snapshots._parsed) == 2
    assert each.pk in snapshots._parsed


def test_an_inventory_in_use_stays_in_memory(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "ADDRESSES_IN_MEMORY", 7)
    organization = Organization("org_1", "Acme", "acme")
    first, second, third = (
        keep_token(alice, f"{number:020}", organization, f"Token {number}") for number in range(3)
    )
    snapshots.store(first, FULL)
    snapshots.store(second, FULL)
    snapshots.load(first)
    snapshots.store(third, FULL)
    assert first.pk in snapshots._parsed
    assert second.pk not in snapshots._parsed
