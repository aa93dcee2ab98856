"""Texts in the form in which the history is searched and sorted by them."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network

# The longest text that is worth an index entry. A host name has at most 253 characters; what is
# longer is found by its beginning.
LONGEST = 200


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


def network_keys(network: IPv4Network | IPv6Network) -> tuple[str, str]:
    """The keys of the first and the last address of a network."""
    first, last = network.network_address, network.broadcast_address
    return address_key(str(first)), address_key(str(last))


def folded(text: str) -> str:
    """A name so that those that differ only in their case are the same."""
    return text.casefold()[:LONGEST]
