"""One attempt to unallocate an address, from its audit entry to its outcome.

The order is essential: the entry is committed first, `sent_at` is committed before the call, the
call is made once, and an outcome that is not certain is `unknown`.
"""

from __future__ import annotations

import time
from datetime import timedelta

import structlog
from django.conf import settings
from django.db import Error
from django.utils import timezone

from ipadmin import crypto
from ipadmin.audit.entry_fields import EntryFields
from ipadmin.audit.readings import allocation_fields, is_same
from ipadmin.katapult.errors import KatapultError, NotSent
from ipadmin.katapult.types import IPAddress, Secret
from ipadmin.models import AuditEntry, Outcome
from ipadmin.services import api, evidence, later_reads, oauth
from ipadmin.services.attempt_entry import (
    AuditUnavailable,
    Circumstances,
    OutcomeNotWritten,
    error_fields,
    exchange_fields,
    find_attempt,
    finish,
    mark_sent,
    open_entry,
    write,
)
from ipadmin.services.confirmation import Confirmation
from ipadmin.services.later_reads import Source

__all__ = ["AuditUnavailable", "Circumstances", "OutcomeNotWritten", "find_attempt", "unallocate"]

log = structlog.get_logger(__name__)

# The address is read again when the last reading is older than this at the time of the call.
MAX_READING_AGE_SECONDS = 1.0


def unallocate(confirmation: Confirmation, circumstances: Circumstances) -> AuditEntry:
    """Make the attempt, or return the entry of the one that was already made with this id.

    Raises AuditUnavailable (nothing was sent) and OutcomeNotWritten. Errors of Katapult and of the
    network are not raised: they are in the entry.
    """
    token = circumstances.token
    oauth.refresh_early(token)
    entry, is_new = open_entry(confirmation, circumstances)
    if not is_new:
        return entry
    try:
        with api.using(token) as secret:
            _attempt(entry, confirmation, secret)
    except crypto.CannotDecrypt:
        finish(entry, Outcome.REFUSED, {"error_code": "token_unreadable"})
    except KatapultError as error:
        # It is in the entry already; raised so that `using` writes it to the token, too. Unless an
        # access token could not be refreshed before.
        if entry.outcome == Outcome.PENDING and entry.sent_at is None:
            finish(entry, Outcome.REFUSED, error_fields(error))
    return entry


def _attempt(entry: AuditEntry, confirmation: Confirmation, secret: Secret) -> None:
    """Read the address, call, finish the entry. A KatapultError raised here is in the entry."""
    found = _read_unchanged(entry, confirmation, secret)
    read_at = time.monotonic()
    if found is None or not mark_sent(entry, found):
        return
    # When the database was slow, the reading is outdated.
    is_outdated = time.monotonic() - read_at > MAX_READING_AGE_SECONDS
    if is_outdated and _read_unchanged(entry, confirmation, secret) is None:
        return
    if _is_overdue(entry):
        finish(entry, Outcome.REFUSED, {"error_code": "interrupted"})
        return
    try:
        exchange = api.client().unallocate(secret, id=entry.address_id).exchange
    except KatapultError as error:
        _write_error(entry, error, secret)
        raise
    finish(entry, Outcome.SUCCEEDED, exchange_fields(exchange))


def _is_overdue(entry: AuditEntry) -> bool:
    """Whether this process was suspended for so long that the reconciler may take the attempt as
    interrupted: it expects the call to begin within two deadlines after `sent_at`."""
    limit = timedelta(seconds=2 * settings.KATAPULT_TIMEOUTS["total"])
    return entry.sent_at is not None and timezone.now() - entry.sent_at > limit


def _read_unchanged(
    entry: AuditEntry, confirmation: Confirmation, secret: Secret
) -> IPAddress | None:
    """The address as it is now. None when its allocation is no longer the confirmed one; then the
    entry is finished as `refused`."""
    read_at, seen = timezone.now(), confirmation.ip
    try:
        reply = api.client().ip_address(secret, id=entry.address_id, known_address=seen.address)
    except KatapultError as error:
        finish(entry, Outcome.REFUSED, error_fields(error))
        raise
    found = reply.value
    if is_same(seen.allocation, found.allocation):
        return found
    now = allocation_fields(found.allocation) if found.allocation else None
    fields: EntryFields = {
        "error_code": "allocation_changed" if found.allocation else "already_unallocated",
        "error_detail": {"confirmed": allocation_fields(seen.allocation), "found": now},
    }
    since = None if found.allocation else confirmation.read_since
    finish(entry, Outcome.REFUSED, fields, competing_since=since)
    if found.allocation is None:
        later_reads.note([found], read_at, Source.CHECK)
    return None


def _write_error(entry: AuditEntry, error: KatapultError, secret: Secret) -> None:
    """Write the error of the call to the entry, and finish it if nothing can have changed."""
    if isinstance(error, NotSent):
        finish(entry, Outcome.REFUSED, error_fields(error))
    elif error.is_definite:
        # `no_allocation`: something unallocated the address after the reading above.
        since = entry.created_at if error.code == "no_allocation" else None
        finish(entry, Outcome.FAILED, error_fields(error), competing_since=since)
    else:
        write(entry, {"outcome": Outcome.UNKNOWN, **error_fields(error)})
        try:
            evidence.gather(entry, secret)
        except Error:
            # The entry is open and `unknown`: the reconciler reads the address again.
            log.exception("reading_not_written", attempt_id=str(entry.attempt_id))
