"""One attempt to unallocate an address, from its audit entry to its outcome.

The order is the point of this module: the entry is committed before anything is sent, the moment
of sending is committed before the call, the call is made once, and what is not known is not said.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import structlog
from django.conf import settings
from django.db import (
    Error,
    IntegrityError,
    InterfaceError,
    OperationalError,
    connection,
)
from django.db.models import Q
from django.utils import timezone

from ipadmin import crypto
from ipadmin.audit import entries
from ipadmin.audit.competing import competing, ids_of
from ipadmin.audit.readings import allocation_fields, is_same
from ipadmin.katapult.errors import KatapultError, NotSent
from ipadmin.katapult.types import IPAddress, Secret
from ipadmin.models import ApiToken, AuditEntry, Basis, Outcome, User
from ipadmin.services import api, evidence, inventory, later_reads
from ipadmin.services.call_fields import error_fields, exchange_fields
from ipadmin.services.confirmation import Confirmation
from ipadmin.services.later_reads import Source

T = TypeVar("T")

log = structlog.get_logger(__name__)

# Seconds between looking at the address and calling, above which we look again.
OLDEST_LOOK = 1.0


class AuditUnavailable(Exception):
    """The audit entry could not be written, so nothing was sent."""

    code = "audit_unavailable"


class OutcomeNotWritten(Exception):
    """The attempt ended, but its outcome could not be written; the entry is still pending."""

    code = "outcome_not_written"

    def __init__(self, entry: AuditEntry) -> None:
        super().__init__(str(entry))
        self.entry = entry


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Who acts, from where, and why: what the entry keeps besides the address."""

    user: User
    token: ApiToken
    reason: str = ""
    source_ip: str | None = None
    request_id: str = ""


def find_attempt(attempt_id: UUID) -> AuditEntry | None:
    """The entry of an attempt that was already made."""
    return AuditEntry.objects.filter(attempt_id=attempt_id).first()


def unallocate(confirmation: Confirmation, circumstances: Circumstances) -> AuditEntry:
    """Make the attempt, or return the entry of the one already made under its id.

    Raises AuditUnavailable (nothing was sent) and OutcomeNotWritten (something was). Everything
    that Katapult or the network can do is in the entry.
    """
    entry, is_new = _open_entry(confirmation, circumstances)
    if not is_new:
        return entry
    token = circumstances.token
    try:
        with api.using(token) as secret:
            _attempt(entry, confirmation, secret)
    except crypto.CannotDecrypt:
        _refuse(entry, "token_unreadable")
    except KatapultError:
        # Already in the entry; `using` has noted it on the token too.
        pass
    finally:
        inventory.forget(token)
    return entry


def _open_entry(
    confirmation: Confirmation, circumstances: Circumstances
) -> tuple[AuditEntry, bool]:
    user, token, ip = circumstances.user, circumstances.token, confirmation.ip
    entry = AuditEntry(
        attempt_id=confirmation.attempt_id,
        user_id=user.pk,
        user_name=user.get_username(),
        source_ip=circumstances.source_ip,
        request_id=circumstances.request_id,
        reason=circumstances.reason,
        token_id=token.pk,
        token_label=token.label,
        token_fingerprint=token.fingerprint,
        organization_id=token.organization_id,
        organization_name=token.organization_name,
        organization_sub_domain=token.organization_sub_domain,
        environment="sandbox" if settings.SANDBOX else "live",
        api_url=settings.KATAPULT_API_URL,
        address_id=ip.id,
        address=ip.address,
        address_label=ip.label or "",
        vip=ip.vip,
        reverse_dns=ip.reverse_dns or "",
        **allocation_fields(ip.allocation),
    )
    try:
        entries.open(entry)
    except IntegrityError as error:
        # The same attempt came first: a double click, a replay, the back button.
        if made := find_attempt(confirmation.attempt_id):
            return made, False
        raise AuditUnavailable from error
    except Error as error:
        log.exception("audit_entry_not_written", attempt_id=str(entry.attempt_id))
        raise AuditUnavailable from error
    return entry, True


def _attempt(entry: AuditEntry, confirmation: Confirmation, secret: Secret) -> None:
    """Look, call, conclude. A KatapultError raised here is in the entry already."""
    found = _look(entry, confirmation, secret)
    looked = time.monotonic()
    if found is None or not _mark_sent(entry, found):
        return
    # Where the database made us wait, what was seen may be gone.
    if time.monotonic() - looked > OLDEST_LOOK and _look(entry, confirmation, secret) is None:
        return
    if _is_overdue(entry):
        _refuse(entry, "interrupted")
        return
    try:
        exchange = api.client().unallocate(secret, id=entry.address_id).exchange
    except KatapultError as error:
        _conclude_error(entry, error, secret)
        raise
    _finish(entry, Outcome.SUCCEEDED, Basis.ANSWER, **exchange_fields(exchange))


def _is_overdue(entry: AuditEntry) -> bool:
    """Whether this process stood still for so long that the entry may have been closed: the
    reconciler expects the call to begin within two deadlines of `sent_at`."""
    limit = 2 * settings.KATAPULT_TIMEOUTS["total"]
    return entry.sent_at is not None and (timezone.now() - entry.sent_at).total_seconds() > limit


def _look(entry: AuditEntry, confirmation: Confirmation, secret: Secret) -> IPAddress | None:
    """The address as it is now; None, and the entry refused, if it is not what was confirmed."""
    read_at, seen = timezone.now(), confirmation.ip
    try:
        found = (
            api.client().ip_address(secret, id=entry.address_id, known_address=seen.address).value
        )
    except KatapultError as error:
        _refuse(entry, error.code, error=error)
        raise
    if is_same(seen.allocation, found.allocation):
        return found
    now = allocation_fields(found.allocation) if found.allocation else None
    detail = {"confirmed": allocation_fields(seen.allocation), "found": now}
    if found.allocation:
        _refuse(entry, "allocation_changed", detail)
    else:
        _refuse(entry, "already_unallocated", detail, competing_since=confirmation.read_since)
        later_reads.note([found], read_at, Source.CHECK)
    return None


def _mark_sent(entry: AuditEntry, found: IPAddress) -> bool:
    """Commit that the call is about to be made: an entry without this was certainly never sent.

    False when the entry was closed meanwhile; then nothing may be sent.
    """
    fields = {
        "sent_at": timezone.now(),
        # What will be lost, as it was at the last moment.
        "reverse_dns": found.reverse_dns or "",
        "vip": found.vip,
        "allocation_name": (found.allocation and found.allocation.name) or entry.allocation_name,
    }
    is_unsent = Q(outcome=Outcome.PENDING, sent_at=None)
    try:
        if not entries.update(entry, fields, only_if=is_unsent, durable=True):
            # So slow that the reconciler has closed the entry as never sent.
            entry.refresh_from_db()
            return False
    except Error as error:
        log.exception("audit_entry_not_written", attempt_id=str(entry.attempt_id))
        raise AuditUnavailable from error
    for name, value in fields.items():
        setattr(entry, name, value)
    return True


def _conclude_error(entry: AuditEntry, error: KatapultError, secret: Secret) -> None:
    if isinstance(error, NotSent):
        _refuse(entry, error.code, error=error)
    elif error.is_definite:
        # With `no_allocation` something unallocated it after our own read.
        since = entry.created_at if error.code == "no_allocation" else None
        fields = error_fields(error)
        _finish(entry, Outcome.FAILED, Basis.ANSWER, competing_since=since, **fields)
    else:
        _keep(entry, outcome=Outcome.UNKNOWN, **error_fields(error))
        try:
            evidence.gather(entry, secret)
        except Error:
            # The entry says that it is unknown, and is open: the reconciler reads again.
            log.exception("reading_not_written", attempt_id=str(entry.attempt_id))


def _refuse(
    entry: AuditEntry,
    code: str,
    detail: dict[str, Any] | None = None,
    *,
    error: KatapultError | None = None,
    competing_since: datetime | None = None,
) -> None:
    # Marked or not, nothing was sent.
    entry.sent_at = None
    fields = error_fields(error) if error else {"error_code": code, "error_detail": detail or {}}
    _finish(entry, Outcome.REFUSED, Basis.CHECK, competing_since=competing_since, **fields)


def _finish(entry: AuditEntry, outcome: Outcome, basis: Basis, **fields: Any) -> None:
    _keep(entry, outcome=outcome, basis=basis, finished_at=timezone.now(), **fields)


def _keep(entry: AuditEntry, *, competing_since: datetime | None = None, **fields: Any) -> None:
    """Write to an open entry; a finished one never changes. With `competing_since` the attempts
    that can have unallocated the address since then are named.

    Where it can't be written, the log holds the answer.
    """
    fields |= {"sent_at": entry.sent_at}
    answer = {name: str(value) for name, value in fields.items()}
    try:
        if competing_since:
            others = partial(competing, entry, competing_since, timezone.now())
            fields["competing_attempts"] = ids_of(_on_a_connection(others))
        if not _on_a_connection(partial(entries.update, entry, fields)):
            log.warning("answer_after_the_end", attempt_id=str(entry.attempt_id), **answer)
            entry.refresh_from_db()
            return
    except Error as error:
        # Until the reconciler has found out by itself.
        log.exception("outcome_not_written", attempt_id=str(entry.attempt_id), **answer)
        raise OutcomeNotWritten(entry) from error
    for name, value in fields.items():
        setattr(entry, name, value)


def _on_a_connection(work: Callable[[], T]) -> T:
    """The database may have been restarted while we waited for Katapult: once more, on a new
    connection."""
    try:
        return work()
    except (OperationalError, InterfaceError):
        if connection.in_atomic_block:
            raise
        connection.close()
        return work()
