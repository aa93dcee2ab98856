"""Undo an unallocation: allocate the address to the machine that had it, and set its reverse DNS as
it was. Allocation exists for this only."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, TypedDict

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from ipadmin.katapult.errors import ErrorAnswer, KatapultError, kept_until
from ipadmin.katapult.types import VIRTUAL_MACHINE, IPAddress, VirtualMachine, is_same_host
from ipadmin.models import Action, ApiToken, AuditEntry, Outcome
from ipadmin.models.search_keys import address_key
from ipadmin.services import api, confirmation, inventory
from ipadmin.services.attempt import Circumstances, carry_out
from ipadmin.services.change import Change
from ipadmin.services.confirmation import Bound, NotConfirmed
from ipadmin.services.later_reads import Source

SALT = "ipadmin.undo"
# What Katapult names an address that is not allocated. [seen]
DEFAULT_DOMAIN = ".rdns.katapult.io"
# Answers about the machine that say why the address can't be allocated to it.
MACHINE_IS_GONE = ("virtual_machine_not_found", "object_in_trash")


class _Signed(TypedDict):
    """A restoration as JSON, without what only its page shows."""

    attempt_id: str
    reverse_dns_attempt_id: str
    undoes: str
    bound_to: list[str]
    ip: dict[str, Any]
    read_since: str


@dataclass(frozen=True, slots=True)
class Restoration:
    """What undoing an unallocation would do, read live, and the ids of its two attempts.

    `obstacle` is a code that says why it can't be done, empty if it can; `kept_until`, how long the
    machine is in the trash. `machine` is None where the token may not read it.
    """

    attempt_id: uuid.UUID
    reverse_dns_attempt_id: uuid.UUID
    entry: AuditEntry
    ip: IPAddress
    read_since: datetime
    machine: VirtualMachine | None = None
    obstacle: str = ""
    kept_until: datetime | None = None

    @property
    def reverse_dns(self) -> str:
        """The host name that can be set again; empty if there was none of its own, or if it is the
        machine's, which Katapult gives its addresses by itself. [seen]"""
        host = old_reverse_dns(self.entry)
        is_default = self.machine and is_same_host(host, self.machine.fqdn)
        return "" if is_default else host

    def signed(self, bound: Bound) -> str:
        """The restoration as text for a form field."""
        content: _Signed = {
            "attempt_id": str(self.attempt_id),
            "reverse_dns_attempt_id": str(self.reverse_dns_attempt_id),
            "undoes": str(self.entry.attempt_id),
            "bound_to": bound.names(),
            "ip": asdict(self.ip),
            "read_since": self.read_since.isoformat(),
        }
        return confirmation.sign(content, SALT)


def why_not(entry: AuditEntry) -> str:
    """A code that says why an attempt can't be undone, from its entry alone; empty if it can."""
    is_done = entry.action == Action.UNALLOCATE and entry.outcome == Outcome.SUCCEEDED
    # Without a key, the address was changed in the database.
    if not is_done or not address_key(entry.address):
        return "nothing_to_undo"
    if entry.api_url != settings.KATAPULT_API_URL:
        return "another_api"
    if entry.allocation_type == "LoadBalancer":
        return "load_balancer"
    if entry.allocation_type != VIRTUAL_MACHINE or not entry.allocation_id:
        return "unknown_type"
    return ""


def undoable(entries: Iterable[AuditEntry]) -> set[uuid.UUID]:
    """The attempt ids of those that can be undone: nothing was changed by a later attempt, and none
    is open. One query."""
    found = {each.attempt_id: each for each in entries if not why_not(each)}
    if not found:
        return set()
    later = AuditEntry.objects.filter(
        Q(outcome=Outcome.SUCCEEDED) | Q(finished_at=None),
        api_url=settings.KATAPULT_API_URL,
        address_id__in={each.address_id for each in found.values()},
        created_at__gt=min(each.created_at for each in found.values()),
    )
    newest = dict(later.order_by("created_at").values_list("address_id", "created_at"))
    return {
        attempt_id
        for attempt_id, each in found.items()
        if newest.get(each.address_id, each.created_at) <= each.created_at
    }


def related(entry: AuditEntry, entries: QuerySet[AuditEntry]) -> list[AuditEntry]:
    """Those of `entries` that undo this attempt or that it undoes, and the others that undo the
    same one, oldest first."""
    undone = entry.undoes or entry.attempt_id
    found = entries.filter(Q(attempt_id=undone) | Q(undoes=undone)).exclude(pk=entry.pk)
    return list(found.order_by("created_at", "id"))


def old_reverse_dns(entry: AuditEntry) -> str:
    host = entry.reverse_dns
    return "" if host.rstrip(".").endswith(DEFAULT_DOMAIN) else host


def read(token: ApiToken, entry: AuditEntry) -> Restoration:
    """What undoing the entry would do now. Raises KatapultError and crypto.CannotDecrypt for an
    address that can't be read."""
    read_since = timezone.now()
    ip = inventory.find(token, id=entry.address_id, can_wait=False, source=Source.CONFIRMATION)
    found = Restoration(uuid.uuid4(), uuid.uuid4(), entry, ip, read_since)
    if ip.address != entry.address:
        return replace(found, obstacle="other_address")
    if ip.allocation:
        is_back = ip.allocation.id == entry.allocation_id
        return replace(found, obstacle="is_back" if is_back else "ip_already_allocated")
    return _with_machine(found, token) if token.may_list_machines else found


def _with_machine(found: Restoration, token: ApiToken) -> Restoration:
    """With the machine as it is now, or why it can't get the address. Katapult decides where the
    machine can't be read."""
    try:
        with api.using(token) as secret:
            machine = api.client().virtual_machine(secret, found.entry.allocation_id).value
    except ErrorAnswer as error:
        if error.code in MACHINE_IS_GONE:
            return replace(found, obstacle=error.code, kept_until=kept_until(error.detail))
        return found
    except KatapultError:
        return found
    return replace(found, machine=machine)


def attempt_id_of(signed: str, bound: Bound) -> uuid.UUID:
    """The id of the first attempt of a form of any age. Raises NotConfirmed."""
    data: _Signed = confirmation.verified(signed, bound, SALT, max_age=None)
    return uuid.UUID(data["attempt_id"])


def load(signed: str, bound: Bound, entry: AuditEntry) -> Restoration:
    """The restoration in a form. Raises ConfirmationExpired or NotConfirmed."""
    max_age = settings.CONFIRMATION_MAX_AGE
    data: _Signed = confirmation.verified(signed, bound, SALT, max_age=max_age)
    if data["undoes"] != str(entry.attempt_id):
        raise NotConfirmed
    ids = (uuid.UUID(data["attempt_id"]), uuid.UUID(data["reverse_dns_attempt_id"]))
    read_since = datetime.fromisoformat(data["read_since"])
    return Restoration(*ids, entry, confirmation.ip_address(data["ip"]), read_since)


def undo(
    restoration: Restoration, circumstances: Circumstances, *, with_reverse_dns: bool
) -> AuditEntry:
    """Allocate the address, and if that succeeded and it is wanted, set its reverse DNS: the second
    attempt. Returns the entry of the first. Raises as `attempt.carry_out`."""
    allocating, naming = changes(restoration)
    entry = carry_out(allocating, circumstances)
    if with_reverse_dns and restoration.reverse_dns and entry.outcome == Outcome.SUCCEEDED:
        carry_out(naming, circumstances)
    return entry


def changes(restoration: Restoration) -> tuple[Change, Change]:
    """The change that allocates the address, and the one that sets its reverse DNS after it."""
    entry, ip = restoration.entry, restoration.ip
    allocating = Change(
        restoration.attempt_id,
        Action.ALLOCATE,
        ip,
        restoration.read_since,
        target=entry.allocation,
        undoes=entry.attempt_id,
    )
    naming = replace(
        allocating,
        attempt_id=restoration.reverse_dns_attempt_id,
        action=Action.SET_REVERSE_DNS,
        ip=replace(ip, allocation=entry.allocation),
        target=None,
        reverse_dns=restoration.reverse_dns,
    )
    return allocating, naming
