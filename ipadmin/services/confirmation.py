"""The signed confirmation: the form carries what its page showed, so that only that is
unallocated."""

from __future__ import annotations

import contextvars
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, TypedDict

from django.conf import settings
from django.core import signing
from django.utils import timezone

from ipadmin.katapult.errors import KatapultError
from ipadmin.katapult.types import VIRTUAL_MACHINE, Allocation, IPAddress, Secret, VirtualMachine
from ipadmin.models import Action, ApiToken, User
from ipadmin.services import api, budget, inventory, snapshots
from ipadmin.services.change import Change
from ipadmin.services.later_reads import Source

SALT = "ipadmin.confirmation"
# Tags, and other addresses of a machine.
MAX_SHOWN = 50


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
        # With the fingerprint: after a replacement of the secret a new confirmation is needed. Not
        # after a refresh of an access token.
        secret = "" if self.token.is_connection else self.token.fingerprint
        token = [str(self.token.pk), secret]
        return [str(self.user.pk), *token, self.address_id, settings.KATAPULT_API_URL]


class _Signed(TypedDict):
    """A confirmation as JSON. `ip` has the fields of IPAddress of the version that signed it."""

    attempt_id: str
    bound_to: list[str]
    ip: dict[str, Any]
    is_last_of_family: bool | None
    in_organization: bool | None
    read_since: str
    machine: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """What the confirmation shows of the machine. `others` are its other addresses."""

    name: str
    state: str
    zone: str
    tags: tuple[str, ...]
    others: tuple[str, ...]


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
    machine: MachineFacts | None = None

    @property
    def family(self) -> str:
        return self.ip.family

    @property
    def must_type(self) -> bool:
        """Whether the operator has to type the address, because unallocating it is dangerous."""
        return self.ip.vip or self.is_last_of_family is True

    @property
    def change(self) -> Change:
        return Change(
            self.attempt_id,
            Action.UNALLOCATE,
            self.ip,
            self.read_since,
            is_last_of_family=self.is_last_of_family,
        )

    def signed(self, bound: Bound) -> str:
        """The confirmation as text for a form field."""
        content: _Signed = {
            "attempt_id": str(self.attempt_id),
            "bound_to": bound.names(),
            "ip": asdict(self.ip),
            "is_last_of_family": self.is_last_of_family,
            "in_organization": self.in_organization,
            "read_since": self.read_since.isoformat(),
            "machine": asdict(self.machine) if self.machine else None,
        }
        return sign(content, SALT)


def read(token: ApiToken, address_id: str) -> Confirmation:
    """A new confirmation of the address as it is now.

    The address and its machine are read at the same time: the machine where the last list of
    addresses says that it is. Without the scope for machines, the list of allocated addresses is
    read instead, to find out whether this one is the machine's last of its family.

    Raises KatapultError and crypto.CannotDecrypt.
    """
    known = snapshots.load(token)
    listed = known.by_id.get(address_id) if known else None
    expected = listed.allocation if listed else None
    read_since = timezone.now()
    with ThreadPoolExecutor(max_workers=1) as pool, api.using(token) as secret:
        call = partial(_machine_of, token, secret, expected)
        reading = pool.submit(contextvars.copy_context().run, call)
        ip = inventory.find(token, id=address_id, can_wait=False, source=Source.CONFIRMATION)
        machine = reading.result()
        if (ip.allocation and ip.allocation.id) != (expected and expected.id):
            machine = _machine_of(token, secret, ip.allocation)
    if machine is None:
        return _with_list(token, ip, read_since)
    others = [each for each in machine.addresses if each.id != ip.id]
    return Confirmation(
        uuid.uuid4(),
        ip,
        is_last_of_family=all(each.family != ip.family for each in others),
        in_organization=_is_of(machine, token),
        read_since=read_since,
        machine=MachineFacts(
            machine.name,
            machine.state or "",
            machine.zone or "",
            machine.tags[:MAX_SHOWN],
            tuple(each.address for each in others[:MAX_SHOWN]),
        ),
    )


def _machine_of(
    token: ApiToken, secret: Secret, allocation: Allocation | None
) -> VirtualMachine | None:
    """The virtual machine of an allocation; None where it can't be read."""
    if not allocation or allocation.type != VIRTUAL_MACHINE or not token.may_list_machines:
        return None
    try:
        return api.client().virtual_machine(secret, allocation.id).value
    except KatapultError:
        return None


def _is_of(machine: VirtualMachine, token: ApiToken) -> bool | None:
    if not machine.organization_id or not token.organization_id:
        return None
    return machine.organization_id == token.organization_id


def _with_list(token: ApiToken, ip: IPAddress, read_since: datetime) -> Confirmation:
    """A confirmation with what the organization's list of allocated addresses shows; None for what
    it does not."""
    if ip.allocation is None:
        return Confirmation(uuid.uuid4(), ip, False, None, read_since)
    try:
        allocated = inventory.read_allocated(token)
    except (KatapultError, budget.ReadsWait):
        return Confirmation(uuid.uuid4(), ip, None, None, read_since)
    siblings = [
        each
        for each in allocated.addresses
        if each.allocation
        and each.allocation.id == ip.allocation.id != ""
        and each.family == ip.family
        and each.id != ip.id
    ]
    is_listed = ip.id in allocated.by_id
    # When the list changed while it was read, this address can be missing between two pages.
    is_ours = is_listed if is_listed or allocated.is_complete else None
    return Confirmation(uuid.uuid4(), ip, not siblings, is_ours, read_since)


def attempt_id_of(signed: str, bound: Bound) -> uuid.UUID:
    """The attempt id of a form of any age. Raises NotConfirmed."""
    return uuid.UUID(verified(signed, bound, SALT, max_age=None)["attempt_id"])


def load(signed: str, bound: Bound) -> Confirmation:
    """The confirmation in a form. Raises ConfirmationExpired or NotConfirmed."""
    data: _Signed = verified(signed, bound, SALT, max_age=settings.CONFIRMATION_MAX_AGE)
    seen = ip_address(data["ip"])
    try:
        read_since = datetime.fromisoformat(data["read_since"])
        shown = data["machine"]
        machine = MachineFacts(**{k: _frozen(v) for k, v in shown.items()}) if shown else None
    except (TypeError, KeyError) as error:
        # Signed by another version of this site.
        raise ConfirmationExpired from error
    return Confirmation(
        uuid.UUID(data["attempt_id"]),
        seen,
        data["is_last_of_family"],
        data["in_organization"],
        read_since,
        machine,
    )


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def sign(content: Mapping[str, Any], salt: str) -> str:
    """What a page showed, as text for a form field. `content` has `bound_to`: see `Bound.names`."""
    return signing.dumps(dict(content), salt=salt, compress=True)


def verified(signed: str, bound: Bound, salt: str, *, max_age: int | None) -> Any:
    """The content of a signed form field, at most `max_age` seconds old (None: of any age). Raises
    ConfirmationExpired or NotConfirmed."""
    try:
        data = signing.loads(signed, salt=salt, max_age=max_age)
    except signing.SignatureExpired as error:
        raise ConfirmationExpired from error
    except signing.BadSignature as error:
        raise NotConfirmed from error
    if data["bound_to"] != bound.names():
        raise NotConfirmed
    return data


def ip_address(signed: Mapping[str, Any]) -> IPAddress:
    """The address in the content of a signed form field. Raises ConfirmationExpired if another
    version of this site, with other fields, signed it."""
    fields = dict(signed)
    try:
        allocation = fields.pop("allocation")
        return IPAddress(**fields, allocation=Allocation(**allocation) if allocation else None)
    except (TypeError, KeyError) as error:
        raise ConfirmationExpired from error
