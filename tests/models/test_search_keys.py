"""Texts as the history is searched and sorted by them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipadmin.models.search_keys import (
    MAX_KEY_LENGTH,
    MAX_WORDS,
    address_key,
    address_of,
    folded,
    key_ranges,
    reason_words,
)

ipv4 = st.ip_addresses(v=4)
ipv6 = st.ip_addresses(v=6)


def holds(typed: str, address: str) -> bool:
    return any(first <= address_key(address) <= last for first, last in key_ranges(typed))


@given(st.lists(ipv4 | ipv6, min_size=2))
def test_keys_sort_as_addresses_do(addresses: list[IPv4Address | IPv6Address]) -> None:
    by_number = sorted(addresses, key=lambda each: (each.version, int(each)))
    assert sorted(address_key(str(each)) for each in addresses) == [
        address_key(str(each)) for each in by_number
    ]


@given(ipv4 | ipv6)
def test_a_key_leads_back_to_its_address(address: IPv4Address | IPv6Address) -> None:
    assert address_of(address_key(str(address))) == str(address)
    assert address_key(str(address).upper()) == address_key(address.exploded)


@pytest.mark.parametrize("text", ["", "x", "1.2.3", "1.2.3.4.5", "01.2.3.4", "::g", "1.2.3.4/32"])
def test_an_invalid_address_has_no_key(text: str) -> None:
    assert address_key(text) == ""
    assert address_of("") == ""


@given(address=ipv4, other=ipv4, length=st.integers(2, 14))
def test_a_partial_ipv4_address_finds_what_begins_with_it(
    address: IPv4Address, other: IPv4Address, length: int
) -> None:
    typed = str(address)[:length]
    if "." not in typed or address_key(typed):
        return
    assert holds(typed, str(address))
    assert holds(typed, str(other)) == str(other).startswith(typed)


@given(address=ipv6, other=ipv6, length=st.integers(2, 38))
def test_a_partial_ipv6_address_finds_what_begins_with_it(
    address: IPv6Address, other: IPv6Address, length: int
) -> None:
    written = ":".join(f"{int(part, 16):x}" for part in address.exploded.split(":"))
    others = ":".join(f"{int(part, 16):x}" for part in other.exploded.split(":"))
    typed = written[:length]
    if ":" not in typed or address_key(typed):
        return
    assert holds(typed, str(address))
    assert holds(typed, str(other)) == others.startswith(typed)


@given(address=ipv4 | ipv6, other=ipv4 | ipv6, share=st.floats(0, 1))
def test_a_network_has_its_addresses(
    address: IPv4Address | IPv6Address, other: IPv4Address | IPv6Address, share: float
) -> None:
    network = ip_network(f"{address}/{int(share * address.max_prefixlen)}", strict=False)
    typed = f"{address}/{network.prefixlen}"
    assert holds(typed, str(address))
    assert holds(typed, str(other)) == (other in network)


@pytest.mark.parametrize(
    ("typed", "inside", "outside"),
    [
        ("185.4", ["185.4.0.0", "185.49.255.255"], ["185.5.0.0", "185.39.0.0", "185.50.0.0"]),
        ("185.0", ["185.0.0.0", "185.0.255.255"], ["185.1.0.0", "185.100.0.0"]),
        ("2001:DB8::", ["2001:db8::", "2001:db8::ffff:1"], ["2001:db8:1::", "2001:db9::"]),
        ("2001:0db8:", ["2001:db8::", "2001:db8:ffff::"], ["2001:db80::"]),
        ("1:2:3:4:5:6:7::", ["1:2:3:4:5:6:7:0"], ["1:2:3:4:5:6:7:1"]),
        ("::", ["::"], ["::1"]),
        ("::ffff:1.2.3.4", ["::ffff:102:304"], ["1.2.3.4"]),
    ],
)
def test_the_range_of_a_partial_address(typed: str, inside: list[str], outside: list[str]) -> None:
    assert all(holds(typed, each) for each in inside)
    assert not any(holds(typed, each) for each in outside)


NO_RANGE = """
. 185 185.256 185.44.255.215. a::b:: ::g 1.2.3.4/33 /8 x/8 12345: 1:2:3:4:5:6:7:8:9 \0
"""


@pytest.mark.parametrize("text", ["", *NO_RANGE.split()])
def test_an_invalid_address_has_no_range(text: str) -> None:
    assert key_ranges(text) == []


@given(st.text(max_size=60))
def test_ranges_of_anything_are_keys_in_order(text: str) -> None:
    for first, last in key_ranges(text):
        assert len(first) == len(last)
        assert first <= last
        assert address_key(address_of(first)) == first


@given(st.text())
def test_names_that_differ_in_their_case_are_the_same(name: str) -> None:
    assert folded(name) == name.casefold()[:MAX_KEY_LENGTH]
    assert len(folded(name * 300)) <= MAX_KEY_LENGTH


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("Server retired, OPS-4685.", ["server", "retired", "ops-4685"]),
        ("https://jira.example/browse/OPS-1", ["https", "jira", "example", "browse", "ops-1"]),
        ("A re-use of #77, of X_Y-2, OPS-2a", ["re", "use", "of", "77", "y-2", "ops", "2a"]),
        ("Straße STRASSE", ["strasse"]),
        ("x" * 99, ["x" * 40]),
        ("", []),
    ],
)
def test_the_words_of_a_reason(reason: str, words: list[str]) -> None:
    assert reason_words(reason) == words


def test_a_reason_has_a_limited_number_of_words() -> None:
    assert len(reason_words(" ".join(f"w{n}" for n in range(99)))) == MAX_WORDS
