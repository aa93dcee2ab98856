"""The values that the client returns, all frozen.

They follow [doc] and [seen]. A missing or null key becomes None and an unknown key is ignored, so
that an older or newer API breaks no page.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Generic, TypeVar

T = TypeVar("T")

# The allocation type of a virtual machine. [seen]
VIRTUAL_MACHINE = "VirtualMachine"


class Secret:
    """A decrypted API token; to be kept for as short as possible.

    Only `reveal()` returns its text. repr, str and format show dots, as do tracebacks with local
    variables. It cannot be pickled.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The token itself, for the Authorization header only."""
        return self._text

    @property
    def last_four(self) -> str:
        """The last four characters; empty when the rest would be too short to stay secret."""
        return self._text[-4:] if len(self._text) >= 12 else ""

    @property
    def fingerprint(self) -> str:
        """16 hex digits of SHA-256: distinguishes tokens without revealing them."""
        return hashlib.sha256(self._text.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    @property
    def newest(self) -> Secret:
        """The secret to use now: itself, or what has replaced an access token."""
        return self

    def renew(self, refused: Secret) -> Secret | None:  # noqa: ARG002 - of AccessToken
        """The secret to use instead of one that was refused; None if there is none."""
        return None

    def __repr__(self) -> str:
        return "Secret(••••)"

    def __reduce__(self) -> str:
        raise TypeError("a Secret cannot be pickled")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


class AccessToken(Secret):
    """A secret of OAuth2, which expires. `renewed` returns the one to use instead of one that was
    refused, or raises a KatapultError; several threads may call it at once."""

    __slots__ = ("_newest", "_renewed")

    def __init__(self, secret: Secret, renewed: Callable[[Secret], Secret]) -> None:
        super().__init__(secret.reveal())
        self._newest, self._renewed = secret, renewed

    @property
    def newest(self) -> Secret:
        return self._newest

    def renew(self, refused: Secret) -> Secret | None:
        self._newest = self._renewed(refused)
        return self._newest


@dataclass(frozen=True, slots=True)
class Exchange:
    """Facts about one call, answered or not. None stands for what no answer or header said.

    `duration` is in seconds, from the wait for a connection to the last byte. `retry_after` is in
    seconds (none was seen so far). `rate_limit_permitted` and `rate_limit_remaining` are calls of
    the current clock minute [seen], with the token of `token_fingerprint`.
    """

    method: str
    path: str
    duration: float
    status: int | None = None
    request_id: str | None = None
    rate_limit_permitted: int | None = None
    rate_limit_remaining: int | None = None
    retry_after: float | None = None
    token_fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """The value of an answer, and its exchange."""

    value: T
    exchange: Exchange


@dataclass(frozen=True, slots=True)
class Organization:
    id: str
    name: str
    sub_domain: str


@dataclass(frozen=True, slots=True)
class Allocation:
    """The resource that an address is allocated to. `type` is Katapult's word (`VirtualMachine`);
    `name` is None in a list. [doc]"""

    id: str
    type: str | None
    name: str | None = None

    @classmethod
    def of(cls, id: str | None, type: str | None, name: str | None = None) -> Allocation | None:
        """With what is known of it; None if nothing is."""
        return cls(id or "", type or None, name) if id or type or name else None


def is_same_host(one: str | None, other: str | None) -> bool:
    """Whether two host names are the same: in any case, with or without the final dot."""
    return (one or "").rstrip(".").lower() == (other or "").rstrip(".").lower()


@dataclass(frozen=True, slots=True)
class IPAddress:
    """One address. `label`, `network` and `allocation.name` are None in a list. [doc]"""

    id: str
    address: str
    reverse_dns: str | None
    vip: bool
    allocation: Allocation | None
    label: str | None = None
    network: str | None = None
    address_with_mask: str | None = None

    @property
    def number(self) -> IPv4Address | IPv6Address | None:
        """The parsed address; None for a text that is not one."""
        try:
            return ip_address(self.address)
        except ValueError:
            return None

    @property
    def family(self) -> str:
        return "IPv6" if ":" in self.address else "IPv4"


@dataclass(frozen=True, slots=True)
class VirtualMachine:
    """A virtual machine, without its `initial_root_password`, which is never kept.

    A list has no `state`, `organization_id`, `tags` and whole `addresses`; `zone` is a name. [doc]
    """

    id: str
    name: str
    fqdn: str | None
    zone: str | None
    state: str | None = None
    organization_id: str | None = None
    tags: tuple[str, ...] = ()
    addresses: tuple[IPAddress, ...] = ()


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list. Large sets have no totals; a page that is not full is the last. [doc]"""

    items: tuple[T, ...]
    per_page: int
    total_pages: int | None
    total: int | None
