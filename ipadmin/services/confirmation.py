"""The signed confirmation: the form carries what its page showed, so that only that is
unallocated."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, TypedDict

from django.conf import settings
from django.core import signing
from django.utils import timezone

from ipadmin.katapult.errors import KatapultError
from ipadmin.katapult.types import Allocation, IPAddress
from ipadmin.models import ApiToken, User
from ipadmin.services import budget, inventory

SALT = "ipadmin.confirmation"


class NotConfirmed(Exception):
    """The form has no valid confirmation for this user, token and address."""


class ConfirmationExpired(NotConfirmed):
    """The confirmation is older than CONFIRMATION_MAX_AGE, or of another version of this site."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The scope of a confirmation: one user, one token and its secret, one address, one API."""

    user: User
    token: ApiToken
    address_id: str

    def names(self) -> list[str]:
        # With the fingerprint: after a replacement of the secret a new confirmation is needed.
        token = [str(self.token.pk), self.token.fingerprint]
        return [str(self.user.pk), *token, self.address_id, settings.KATAPULT_API_URL]


class _Signed(TypedDict):
    """A confirmation as JSON. `ip` has the fields of IPAddress of the version that signed it."""

    attempt_id: str
    bound_to: list[str]
    ip: dict[str, Any]
    is_last_of_family: bool | None
    in_organization: bool | None
    read_since: str


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The id of one attempt, and the address as the operator saw it.

    `is_last_of_family` (the only IPv4 or IPv6 address of its machine) and `in_organization` are
    None where they are not known. `read_since` is the time just before the address was read.
    """

    attempt_id: uuid.UUID
    ip: IPAddress
    is_last_of_family: bool | None
    in_organization: bool | None
    read_since: datetime = field(default_factory=timezone.now)

    @property
    def family(self) -> str:
        return self.ip.family

    @property
    def must_type(self) -> bool:
        """Whether the operator has to type the address, because unallocating it is dangerous."""
        return self.ip.vip or self.is_last_of_family is True

    def signed(self, bound: Bound) -> str:
        """The confirmation as text for a form field."""
        content: _Signed = {
            "attempt_id": str(self.attempt_id),
            "bound_to": bound.names(),
            "ip": asdict(self.ip),
            "is_last_of_family": self.is_last_of_family,
            "in_organization": self.in_organization,
            "read_since": self.read_since.isoformat(),
        }
        return signing.dumps(content, salt=SALT, compress=True)


def prepare(token: ApiToken, ip: IPAddress, read_since: datetime) -> Confirmation:
    """A new confirmation for an address that was read just after `read_since`.

    Reads the addresses of the organization as well, to find out whether this one is the machine's
    last of its family, and whether it belongs to the organization; None where that fails.
    """
    try:
        listed = inventory.read_before_confirming(token)
    except (KatapultError, budget.ReadsWait):
        return Confirmation(uuid.uuid4(), ip, None, None, read_since)
    siblings = [
        each
        for each in listed.addresses
        if each.allocation
        and ip.allocation
        and each.allocation.id == ip.allocation.id != ""
        and each.family == ip.family
        and each.id != ip.id
    ]
    is_last = ip.allocation is not None and not siblings
    is_listed = any(each.id == ip.id for each in listed.addresses)
    # When the list changed while it was read, this address can be missing between two pages.
    is_ours = is_listed if is_listed or listed.is_complete else None
    return Confirmation(uuid.uuid4(), ip, is_last, is_ours, read_since)


def attempt_id_of(signed: str, bound: Bound) -> uuid.UUID:
    """The attempt id of a form of any age. Raises NotConfirmed."""
    return uuid.UUID(_load(signed, bound, max_age=None)["attempt_id"])


def load(signed: str, bound: Bound) -> Confirmation:
    """The confirmation in a form. Raises ConfirmationExpired or NotConfirmed."""
    data = _load(signed, bound, max_age=settings.CONFIRMATION_MAX_AGE)
    ip = dict(data["ip"])
    allocation = ip.pop("allocation")
    try:
        seen = IPAddress(**ip, allocation=Allocation(**allocation) if allocation else None)
        read_since = datetime.fromisoformat(data["read_since"])
    except (TypeError, KeyError) as error:
        # Signed by another version of this site.
        raise ConfirmationExpired from error
    return Confirmation(
        uuid.UUID(data["attempt_id"]),
        seen,
        data["is_last_of_family"],
        data["in_organization"],
        read_since,
    )


def _load(signed: str, bound: Bound, *, max_age: int | None) -> _Signed:
    try:
        data: _Signed = signing.loads(signed, salt=SALT, max_age=max_age)
    except signing.SignatureExpired as error:
        raise ConfirmationExpired from error
    except signing.BadSignature as error:
        raise NotConfirmed from error
    if data["bound_to"] != bound.names():
        raise NotConfirmed
    return data
