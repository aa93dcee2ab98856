"""What a confirmation page showed, signed, so that exactly that and nothing else is acted on."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core import signing
from django.utils import timezone

from ipadmin.katapult.errors import KatapultError
from ipadmin.katapult.types import Allocation, IPAddress
from ipadmin.models import ApiToken, User
from ipadmin.services import budget, inventory

SALT = "ipadmin.confirmation"


class NotConfirmed(Exception):
    """The form carries no confirmation of this user for this token and address."""


class ConfirmationExpired(NotConfirmed):
    """It does, but it was shown too long ago to still be true."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What a confirmation is good for: one user, one secret, one address, one Katapult."""

    user: User
    token: ApiToken
    address_id: str

    def names(self) -> list[str]:
        # The fingerprint as well as the row: a replaced secret has to be confirmed anew.
        token = [str(self.token.pk), self.token.fingerprint]
        return [str(self.user.pk), *token, self.address_id, settings.KATAPULT_API_URL]


@dataclass(frozen=True, slots=True)
class Confirmation:
    """One attempt about to be made: its id, and the address as the operator saw it.

    `is_last_of_family` is None where it could not be found out, and so is `in_organization`.
    `read_since` is a moment just before the address was read for it.
    """

    attempt_id: uuid.UUID
    ip: IPAddress
    is_last_of_family: bool | None
    in_organization: bool | None
    read_since: datetime = field(default_factory=timezone.now)

    @property
    def family(self) -> str:
        return inventory.family(self.ip)

    @property
    def is_vip(self) -> bool:
        return self.ip.vip

    @property
    def must_type(self) -> bool:
        """Whether this is dangerous enough to have the address typed."""
        return self.ip.vip or self.is_last_of_family is True

    def signed(self, bound: Bound) -> str:
        return signing.dumps(
            {
                "attempt": str(self.attempt_id),
                "for": bound.names(),
                "ip": asdict(self.ip),
                "last": self.is_last_of_family,
                "ours": self.in_organization,
                "since": self.read_since.isoformat(),
            },
            salt=SALT,
            compress=True,
        )


def prepare(token: ApiToken, ip: IPAddress, read_since: datetime) -> Confirmation:
    """A fresh attempt on an address that was just read, after `read_since`.

    The organization's addresses are read as well, to tell whether this is the machine's last of
    its family and whether it is the organization's at all; where they can't be, neither is known.
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
        and inventory.family(each) == inventory.family(ip)
        and each.id != ip.id
    ]
    is_last = ip.allocation is not None and not siblings
    is_listed = any(each.id == ip.id for each in listed.addresses)
    # A list that changed while it was read may have lost this one between two pages.
    is_ours = is_listed if is_listed or listed.is_complete else None
    return Confirmation(uuid.uuid4(), ip, is_last, is_ours, read_since)


def attempt_id_of(signed: str, bound: Bound) -> uuid.UUID:
    """Which attempt a form is for, however old the form. Raises NotConfirmed."""
    return uuid.UUID(_load(signed, bound, max_age=None)["attempt"])


def load(signed: str, bound: Bound) -> Confirmation:
    """The confirmation a form carries. Raises ConfirmationExpired or NotConfirmed."""
    data = _load(signed, bound, max_age=settings.CONFIRMATION_MAX_AGE)
    ip = dict(data["ip"])
    allocation = ip.pop("allocation")
    try:
        seen = IPAddress(**ip, allocation=Allocation(**allocation) if allocation else None)
        read_since = datetime.fromisoformat(data["since"])
    except (TypeError, KeyError) as error:
        # Signed by another version of this site.
        raise ConfirmationExpired from error
    return Confirmation(uuid.UUID(data["attempt"]), seen, data["last"], data["ours"], read_since)


def _load(signed: str, bound: Bound, *, max_age: int | None) -> dict[str, Any]:
    try:
        data: dict[str, Any] = signing.loads(signed, salt=SALT, max_age=max_age)
    except signing.SignatureExpired as error:
        raise ConfirmationExpired from error
    except signing.BadSignature as error:
        raise NotConfirmed from error
    if data["for"] != bound.names():
        raise NotConfirmed
    return data
