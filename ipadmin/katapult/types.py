"""What the client returns: frozen values, never raw dictionaries.

Shapes follow the vendor's reference and recorded answers. Keys that are missing or null become
None, keys that are new are ignored: an older or newer API must not break a page.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


class Secret:
    """An API token in the clear, for as short as possible.

    Its text is only ever given by `reveal()`: neither repr, str, format nor a traceback that
    shows local variables gives it away. It cannot be pickled.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The token itself, to be put into the Authorization header and nowhere else."""
        return self._text

    @property
    def last_four(self) -> str:
        """The last four characters, or nothing when the token is too short to keep the rest."""
        return self._text[-4:] if len(self._text) >= 12 else ""

    @property
    def fingerprint(self) -> str:
        """16 hex digits of SHA-256: tells two tokens apart and does not lead back to either."""
        return hashlib.sha256(self._text.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def __repr__(self) -> str:
        return "Secret(••••)"

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not to be pickled")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The window of the present clock minute. [seen]"""

    permitted: int | None
    remaining: int | None


@dataclass(frozen=True, slots=True)
class Exchange:
    """What is known of one call, whether it was answered or not.

    `status`, `request_id` and `rate_limit` are None where no answer (or none with that header)
    came; `duration` is in seconds, from before the connection was asked for to the last byte.
    """

    method: str
    path: str
    duration: float
    status: int | None = None
    request_id: str | None = None
    rate_limit: RateLimit | None = None
    # Seconds, when the API sent a Retry-After (it never did so far).
    retry_after: float | None = None
    # Whose rate limit it counts against.
    token_fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """A typed value together with the exchange that brought it."""

    value: T
    exchange: Exchange


@dataclass(frozen=True, slots=True)
class Organization:
    id: str
    name: str
    sub_domain: str


@dataclass(frozen=True, slots=True)
class CurrentUser:
    """The person behind a token, and the organizations it reaches."""

    name: str
    email_address: str
    organizations: tuple[Organization, ...]


@dataclass(frozen=True, slots=True)
class Allocation:
    """What holds an address. `type` as Katapult names it (`VirtualMachine`), shown as it is;
    `name` only where the answer carries it (reading one address, not a list)."""

    id: str
    type: str | None
    name: str | None = None


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


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list. With `large_set` the totals are None: go on while a page is full."""

    items: tuple[T, ...]
    current_page: int
    per_page: int
    total_pages: int | None
    total: int | None
    large_set: bool
