"""Search keys: values of an entry in the form in which the history is searched and sorted."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_network

# First and last key, both included.
KeyRange = tuple[str, str]
# Complete groups of an address, and the first digits of the next group.
IPV4_PREFIX = re.compile(r"((?:[0-9]{1,3}\.){1,3})([0-9]{0,3})")
IPV6_PREFIX = re.compile(r"((?:[0-9a-f]{1,4}:){1,7})([0-9a-f]{0,4})")
IPV4_KEY_LENGTH = 9
IPV6_KEY_LENGTH = 33
# Longest key of a name, in characters. Longer names are found by a prefix.
MAX_KEY_LENGTH = 200
# A ticket key (`ops-4685`), or a run of at least two letters and digits.
WORD = re.compile(r"[^\W_]+-[0-9]+(?![^\W_])|[^\W_]{2,}")
MAX_WORD_LENGTH = 40
MAX_WORDS = 40


@lru_cache(maxsize=10_000)
def address_key(text: str) -> str:
    """The key of an address, `4c6120007` for 198.18.0.7: its version, then its bits in hexadecimal,
    so that keys sort as addresses do. Empty if the text is not an address."""
    try:
        return f"4{int(IPv4Address(text)):08x}"
    except AddressValueError:
        pass
    try:
        return f"6{int(IPv6Address(text.partition('%')[0])):032x}"
    except AddressValueError:
        return ""


def address_of(key: str) -> str:
    """The address of a key in its usual form; empty for an empty key."""
    if not key:
        return ""
    number = int(key[1:], 16)
    return str(IPv4Address(number) if key[0] == "4" else IPv6Address(number))


def key_ranges(text: str) -> list[KeyRange]:
    """The keys of the addresses that a search text means: one address, a network
    (`198.18.0.0/22`), or an address prefix (`198.18.`, or `198.1` for 198.1, 198.10 to 198.19 and
    198.100 to 198.199). Empty if the text means no addresses."""
    text = text.lower()
    if text.endswith("::") and (groups := IPV6_PREFIX.fullmatch(text[:-1])):
        # An address, too, but meant as the prefix with (at least) two groups of zeros.
        key = _ipv6_key(groups[1]) + "0000" * 2
        return [_padded(key, key, IPV6_KEY_LENGTH)]
    if key := address_key(text):
        return [(key, key)]
    if "/" in text:
        return _network(text)
    if prefix := IPV4_PREFIX.fullmatch(text):
        return _ipv4_ranges(*prefix.groups())
    if prefix := IPV6_PREFIX.fullmatch(text):
        return _ipv6_ranges(*prefix.groups())
    return []


def _network(text: str) -> list[KeyRange]:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return []
    return [(address_key(str(network[0])), address_key(str(network[-1])))]


def _ipv4_ranges(groups: str, digits: str) -> list[KeyRange]:
    octets = [int(octet) for octet in groups.split(".")[:-1]]
    if max(octets) > 255:
        return []
    key = "4" + bytes(octets).hex()
    if not digits:
        return [_padded(key, key, IPV4_KEY_LENGTH)]
    # Octets with as many digits and the same first digits are consecutive.
    candidates = [n for n in range(256) if str(n).startswith(digits)]
    runs = ([n for n in candidates if len(str(n)) == length] for length in (1, 2, 3))
    return [
        _padded(f"{key}{run[0]:02x}", f"{key}{run[-1]:02x}", IPV4_KEY_LENGTH) for run in runs if run
    ]


def _ipv6_ranges(groups: str, digits: str) -> list[KeyRange]:
    key = _ipv6_key(groups)
    digits = digits.lstrip("0") or digits[-1:]
    if digits in ("", "0"):
        # No group follows a zero: addresses are written without leading zeros.
        key += digits and "0000"
        return [_padded(key, key, IPV6_KEY_LENGTH)]
    return [
        _padded(
            key + digits.ljust(length, "0").zfill(4),
            key + digits.ljust(length, "f").zfill(4),
            IPV6_KEY_LENGTH,
        )
        for length in range(len(digits), 5)
    ]


def _ipv6_key(groups: str) -> str:
    return "6" + "".join(group.zfill(4) for group in groups.split(":")[:-1])


def _padded(first: str, last: str, length: int) -> KeyRange:
    """The keys of this length from the first with one prefix to the last with the other."""
    return first[:length].ljust(length, "0"), last[:length].ljust(length, "f")


def folded(text: str) -> str:
    """A name without regard to case."""
    return text.casefold()[:MAX_KEY_LENGTH]


def reason_words(reason: str) -> list[str]:
    """The words by which a reason is found, without regard to case, each once: ticket keys as a
    whole, of longer words the first MAX_WORD_LENGTH characters, at most MAX_WORDS."""
    text = unicodedata.normalize("NFKC", reason.casefold())
    words = dict.fromkeys(word[:MAX_WORD_LENGTH] for word in WORD.findall(text))
    return [*words][:MAX_WORDS]
