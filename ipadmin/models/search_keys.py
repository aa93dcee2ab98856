"""Texts in the form in which the history is searched and sorted by them."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import (
    AddressValueError,
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_network,
)

# First and last key, both included.
Range = tuple[str, str]
# At least one whole part of an address, and the beginning of the next.
IPV4_BEGINNING = re.compile(r"((?:\d{1,3}\.){1,3})(\d{0,3})")
IPV6_BEGINNING = re.compile(r"((?:[0-9a-f]{1,4}:){1,7})([0-9a-f]{0,4})")

# The longest text that is worth an index entry. A host name has at most 253 characters; what is
# longer is found by its beginning.
LONGEST = 200


@lru_cache(maxsize=10_000)
def address_key(text: str) -> str:
    """An address so that texts sort as addresses do: its version, then its bits in hexadecimal,
    `4b92cffd7` for 185.44.255.215. Empty for what is no address."""
    try:
        return f"4{int(IPv4Address(text)):08x}"
    except AddressValueError:
        pass
    try:
        return f"6{int(IPv6Address(text.partition('%')[0])):032x}"
    except AddressValueError:
        return ""


def address_of(key: str) -> str:
    """The address of a key, as it is usually written; empty for an empty key."""
    if not key:
        return ""
    number = int(key[1:], 16)
    return str(IPv4Address(number) if key[0] == "4" else IPv6Address(number))


def network_keys(network: IPv4Network | IPv6Network) -> Range:
    """The keys of the first and the last address of a network."""
    first, last = network.network_address, network.broadcast_address
    return address_key(str(first)), address_key(str(last))


def ranges_in(text: str) -> list[Range]:
    """What somebody means who types an address, a network (`185.44.252.0/22`), or the beginning of
    an address (`185.44.`; of `185.4` the next digits may follow). Nothing for anything else."""
    beginning = IPV6_BEGINNING.fullmatch(text.removesuffix(":").lower())
    if text.endswith("::") and beginning and not beginning[2]:
        # That is an address as well. What begins so has zeros in the next two parts.
        whole = [*_parts(beginning[1]), 0, 0][:8]
        return [_spread(whole, whole, IPV6)]
    if key := address_key(text):
        return [(key, key)]
    if "/" in text:
        return _network(text)
    if found := IPV4_BEGINNING.fullmatch(text):
        return _beginning([int(part) for part in found[1].split(".")[:-1]], found[2], IPV4)
    if found := IPV6_BEGINNING.fullmatch(text.lower()):
        return _beginning(_parts(found[1]), found[2], IPV6)
    return []


# Version, parts of an address, bits of a part, base of its digits.
IPV4 = ("4", 4, 8, 10)
IPV6 = ("6", 8, 16, 16)


def _network(text: str) -> list[Range]:
    try:
        return [network_keys(ip_network(text, strict=False))]
    except ValueError:
        return []


def _parts(beginning: str) -> list[int]:
    return [int(part, 16) for part in beginning.split(":")[:-1]]


def _beginning(whole: list[int], digits: str, form: tuple[str, int, int, int]) -> list[Range]:
    """The ranges of the addresses whose text begins with these parts and then these digits."""
    _version, _parts, bits, base = form
    most = (1 << bits) - 1
    if any(part > most for part in whole):
        return []
    if not digits:
        return [_spread(whole, whole, form)]
    found = []
    first = last = int(digits, base)
    # A leading zero is never written: nothing follows one.
    while first <= most and first:
        found.append(_spread([*whole, first], [*whole, min(last, most)], form))
        first, last = first * base, last * base + base - 1
    return found or [_spread([*whole, first], [*whole, first], form)] * (first == 0)


def _spread(first: list[int], last: list[int], form: tuple[str, int, int, int]) -> Range:
    """From the first address that begins with `first` to the last that begins with `last`."""
    version, parts, bits, _base = form
    low = high = 0
    for index in range(parts):
        low = low << bits | (first[index] if index < len(first) else 0)
        high = high << bits | (last[index] if index < len(last) else (1 << bits) - 1)
    width = parts * bits // 4
    return f"{version}{low:0{width}x}", f"{version}{high:0{width}x}"


def folded(text: str) -> str:
    """A name so that those that differ only in their case are the same."""
    return text.casefold()[:LONGEST]
