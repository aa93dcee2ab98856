"""The search over all inventories of a user, and over pasted texts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.utils import timezone

from ipadmin.katapult.types import Allocation, IPAddress, Organization
from ipadmin.models import ApiToken, User
from ipadmin.services import find, snapshots
from ipadmin.services.snapshots import Inventory, Machine, number
from tests.history import keep
from tests.services.conftest import keep_token

VM = "vm_0000000000000001"
BALANCER = Allocation("lb_0000000000000001", "LoadBalancer")
pytestmark = pytest.mark.django_db


def ip(last: int, of: Allocation | None = None, address: str = "") -> IPAddress:
    id, text = f"ip_{last:016}", address or f"192.0.2.{last}"
    return IPAddress(id, text, f"host-{last}.example.net", vip=False, allocation=of)


def hold(token: ApiToken, *addresses: IPAddress, machines: tuple[Machine, ...] = ()) -> None:
    """Store an inventory."""
    ordered = tuple(sorted(addresses, key=number))
    names = {each.id: each for each in machines}
    snapshots.store(token, Inventory(ordered, timezone.now(), machines=names, has_names=True))


@pytest.fixture
def acme(alice: User) -> ApiToken:
    token = keep_token(alice, "a" * 20, Organization("org_1", "Acme", "acme"), "Live")
    web = Allocation(VM, "VirtualMachine")
    hold(
        token,
        *(ip(n, web) for n in (1, 3, 30)),
        ip(4),
        ip(5, BALANCER),
        ip(9, address="2001:db8::9"),
        machines=(Machine(VM, "web-01"),),
    )
    return token


@pytest.fixture
def brook(alice: User) -> ApiToken:
    token = keep_token(alice, "b" * 20, Organization("org_2", "Brook", "brook"), "Other")
    hold(token, ip(77, Allocation("vm_00000000000000BB", "VirtualMachine"), "198.51.100.7"))
    return token


def found(user: User, text: str) -> list[str]:
    return [each.ip.address for each in find.find(user, text).addresses]


def pasted(user: User, text: str) -> list[str]:
    return [each.ip.address for each in find.pasted(user, text).addresses]


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("192.0.2.3", ["192.0.2.3"]),
        ("192.0.2.30", ["192.0.2.30"]),
        ("198.51", ["198.51.100.7"]),
        ("198.51.100.0/24", ["198.51.100.7"]),
        ("host-4.example", ["192.0.2.4"]),
        ("WEB-01", ["192.0.2.1", "192.0.2.3", "192.0.2.30"]),
        ("ip_0000000000000004", ["192.0.2.4"]),
        ("nowhere", []),
    ],
)
def test_addresses_are_found_in_all_organizations(
    alice: User, acme: ApiToken, brook: ApiToken, text: str, addresses: list[str]
) -> None:
    assert found(alice, text) == addresses


def test_more_addresses_are_only_counted(alice: User, acme: ApiToken) -> None:
    hold(acme, *(ip(n) for n in range(40)))
    result = find.find(alice, "host")
    assert (len(result.addresses), result.total_addresses) == (find.PER_KIND, 40)
    assert find.find(alice, "192.0.2.3").total_addresses == 11


@pytest.mark.parametrize(
    ("text", "name"),
    [("eb-0", "web-01"), (VM, "web-01"), ("vm_00000000000000BB", "vm_00000000000000BB")],
)
def test_a_machine_is_found_by_name_or_id(
    alice: User, acme: ApiToken, brook: ApiToken, text: str, name: str
) -> None:
    assert [each.machine.name for each in find.find(alice, text).machines] == [name]


def test_an_organization_is_found_by_name_or_label(
    alice: User, acme: ApiToken, brook: ApiToken
) -> None:
    assert find.find(alice, "acm").organizations == [acme]
    assert find.find(alice, "OTHER").organizations == [brook]


def test_nothing_of_another_user_is_found(bob: User, acme: ApiToken) -> None:
    for text in ("192.0.2.3", "web-01", "acme"):
        assert find.find(bob, text) == find.Found()
    assert find.pasted(bob, "192.0.2.3 192.0.2.4").addresses == []


def test_two_tokens_of_an_organization_find_an_address_once(alice: User, acme: ApiToken) -> None:
    """With the token that was used last of those with an inventory."""
    organization = Organization("org_1", "Acme", "acme")
    second = keep_token(alice, "c" * 20, organization, "Second")
    hold(second, ip(3))
    keep_token(alice, "d" * 20, organization, "Unread")
    ApiToken.objects.filter(pk=second.pk).update(used_at=datetime(2026, 1, 1, tzinfo=UTC))
    result = find.find(alice, "192.0.2.3")
    assert [each.token for each in result.addresses] == [second]
    assert result.not_read == []


def test_an_organization_without_an_inventory_is_named(
    alice: User, acme: ApiToken, brook: ApiToken
) -> None:
    snapshots.forget(brook)
    assert find.find(alice, "x").not_read == [brook]
    assert find.pasted(alice, "192.0.2.3, 192.0.2.4").not_read == [brook]


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("203.0.113.9", True),
        # 192.0.2.30 contains it, and is another address.
        ("92.0.2.30", True),
        ("ip_000000000000zzzz", True),
        ("vm_000000000000zzzz", True),
        ("192.0.2.3", False),
        (VM, False),
        ("203.0.113.0/24", False),
        ("nowhere", False),
    ],
)
def test_an_address_or_id_that_no_list_has_can_be_looked_up(
    alice: User, acme: ApiToken, text: str, offered: bool
) -> None:
    assert bool(find.find(alice, text).can_look_up) is offered


@pytest.mark.parametrize(
    ("text", "item"),
    [
        (" 192.0.2.3\n", "192.0.2.3"),
        ("192.0.2.3/22", "192.0.2.3"),
        ("192.0.0.0/22", "192.0.0.0/22"),
        ("2001:DB8:0::0009", "2001:db8::9"),
        ("IP_abcdefghijklmnOP", "ip_abcdefghijklmnOP"),
        ("999.1.1.1", ""),
        ("12:30:55", ""),
        ("192.0.2", ""),
        ("192.0.2.3 x", ""),
        ("1.3.6.1.4.1", ""),
    ],
)
def test_an_item_is_written_as_katapult_writes_it(text: str, item: str) -> None:
    assert find.as_item(text) == item


@pytest.mark.parametrize(
    ("text", "is_pasted"),
    [
        ("192.0.2.3", False),
        ("192.0.2.3/22", False),
        ("web-01", False),
        ("at 12:30:55", False),
        ("192.0.2.3, 192.0.2.4", True),
        ("free 192.0.2.3 please", True),
        ("(2001:db8::9)", True),
    ],
)
def test_a_text_with_addresses_in_it_counts_as_pasted(text: str, is_pasted: bool) -> None:
    assert find.is_pasted(text) is is_pasted


def test_a_pasted_text_shows_exactly_what_it_names(
    alice: User, acme: ApiToken, brook: ApiToken
) -> None:
    text = (
        "From: x@example.net, 12:30:55\n[192.0.2.3], 192.0.2.3 and http://192.0.2.4:80/ (192.0.2.5)"
        " 2001:db8::9: ok. Network 198.51.100.0/24, not 203.0.113.9 or 10.0.0.0/8 or v1.2.3."
    )
    result = find.pasted(alice, text)
    shown = ["192.0.2.3", "192.0.2.4", "192.0.2.5", "2001:db8::9", "198.51.100.7"]
    assert sorted(each.ip.address for each in result.addresses) == sorted(shown)
    assert result.unknown == ["203.0.113.9", "10.0.0.0/8"]
    assert [each.ip.address for each in result.cannot_be_unallocated] == ["192.0.2.5"]
    assert {each.ip.address for each in result.not_allocated} == {"192.0.2.4", "2001:db8::9"}
    assert (len(result.can_be_unallocated), result.cut) == (2, "")


def test_a_pasted_id_names_an_address_or_the_addresses_of_a_machine(
    alice: User, acme: ApiToken
) -> None:
    assert pasted(alice, f"{VM} ip_0000000000000004") == [
        *("192.0.2.1", "192.0.2.3", "192.0.2.4", "192.0.2.30")
    ]


def test_an_address_unallocated_here_is_found_as_not_allocated(alice: User, acme: ApiToken) -> None:
    keep(address_id=ip(3).id, address="192.0.2.3", organization_id="org_1")
    [address] = find.find(alice, "192.0.2.3").addresses
    assert address.why_not == "Not allocated"
    [address] = find.pasted(alice, "see 192.0.2.3").not_allocated
    assert address.ip.address == "192.0.2.3"


@pytest.mark.parametrize("count", [0, 1, find.MAX_PASTED_ITEMS])
def test_a_pasted_text_with_any_number_of_items(alice: User, acme: ApiToken, count: int) -> None:
    names = [f"10.0.{n // 250}.{n % 250}" for n in range(count)]
    result = find.pasted(alice, "text " + "\n".join(names))
    assert (result.unknown, result.cut) == (names, "")


def test_limits_of_a_pasted_text(
    alice: User, acme: ApiToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = " ".join(f"10.0.{n // 250}.{n % 250}" for n in range(find.MAX_PASTED_ITEMS + 1))
    result = find.pasted(alice, many)
    assert len(result.unknown) == find.MAX_PASTED_ITEMS
    assert "first 500 items" in result.cut
    assert "first 500 items" in find.pasted(alice, "x" * (find.MAX_PASTED_LENGTH + 1)).cut
    monkeypatch.setattr(find, "MAX_PASTED_ADDRESSES", 2)
    result = find.pasted(alice, "all of 192.0.2.0/24")
    assert [each.ip.address for each in result.addresses] == ["192.0.2.1", "192.0.2.3"]
    assert "first 2 addresses" in result.cut


@pytest.mark.parametrize("text", ["a" * 100_000, ":" * 100_000, "1." * 50_000, "a:-" * 30_000])
def test_no_text_takes_long(alice: User, text: str) -> None:
    assert find.items_of(text) == []
