"""One attempt to change an address, from its audit entry to its outcome.

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
from ipadmin.audit import effects
from ipadmin.audit.entry_fields import EntryFields
from ipadmin.audit.readings import ReadingResult, allocation_fields, is_same
from ipadmin.katapult.errors import KatapultError, NotSent
from ipadmin.katapult.types import Exchange, IPAddress, Reply, Secret
from ipadmin.models import Action, AuditEntry, Outcome
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
from ipadmin.services.change import Change
from ipadmin.services.later_reads import Source

__all__ = ["AuditUnavailable", "Circumstances", "OutcomeNotWritten", "carry_out", "find_attempt"]

log = structlog.get_logger(__name__)

# The address is read again when the last reading is older than this at the time of the call.
MAX_READING_AGE_SECONDS = 1.0
# Error codes of a change that something else has made before the call.
DONE = {Action.UNALLOCATE: "already_unallocated", Action.ALLOCATE: "already_allocated"}
# Katapult's errors that mean: something else changed the allocation after the check.
CHANGED_MEANWHILE = ("no_allocation", "ip_already_allocated")


def carry_out(change: Change, circumstances: Circumstances) -> AuditEntry:
    """Make the attempt, or return the entry of the one that was already made with this id.

    Raises AuditUnavailable (nothing was sent) and OutcomeNotWritten. Errors of Katapult and of the
    network are not raised: they are in the entry.
    """
    token = circumstances.token
    oauth.refresh_early(token)
    entry, is_new = open_entry(change, circumstances)
    if not is_new:
        return entry
    try:
        with api.using(token) as secret:
            _attempt(entry, change, secret)
    except crypto.CannotDecrypt:
        finish(entry, Outcome.REFUSED, {"error_code": "token_unreadable"})
    except KatapultError as error:
        # It is in the entry already; raised so that `using` writes it to the token, too. Unless an
        # access token could not be refreshed before.
        if entry.outcome == Outcome.PENDING and entry.sent_at is None:
            finish(entry, Outcome.REFUSED, error_fields(error))
    return entry


def _attempt(entry: AuditEntry, change: Change, secret: Secret) -> None:
    """Read the address, call, finish the entry. A KatapultError raised here is in the entry."""
    found = _read_unchanged(entry, change, secret)
    read_at = time.monotonic()
    if found is None or not mark_sent(entry, found):
        return
    # When the database was slow, the reading is outdated.
    is_outdated = time.monotonic() - read_at > MAX_READING_AGE_SECONDS
    if is_outdated and _read_unchanged(entry, change, secret) is None:
        return
    if _is_overdue(entry):
        finish(entry, Outcome.REFUSED, {"error_code": "interrupted"})
        return
    try:
        exchange = _call(entry, secret)
    except KatapultError as error:
        _write_error(entry, error, secret)
        raise
    finish(entry, Outcome.SUCCEEDED, exchange_fields(exchange))


def _call(entry: AuditEntry, secret: Secret) -> Exchange:
    """The one call that changes the address."""
    client, id, text = api.client(), entry.address_id, entry.address
    reply: Reply[IPAddress] | Reply[None]
    if entry.action == Action.ALLOCATE:
        reply = client.allocate(secret, entry.allocation_id, id=id, known_address=text)
    elif entry.action == Action.SET_REVERSE_DNS:
        host = entry.requested_reverse_dns
        reply = client.set_reverse_dns(secret, id=id, reverse_dns=host, known_address=text)
    else:
        reply = client.unallocate(secret, id=id)
    return reply.exchange


def _is_overdue(entry: AuditEntry) -> bool:
    """Whether this process was suspended for so long that the reconciler may take the attempt as
    interrupted: it expects the call to begin within two deadlines after `sent_at`."""
    limit = timedelta(seconds=2 * settings.KATAPULT_TIMEOUTS["total"])
    return entry.sent_at is not None and timezone.now() - entry.sent_at > limit


def _read_unchanged(entry: AuditEntry, change: Change, secret: Secret) -> IPAddress | None:
    """The address as it is now. None when its allocation is no longer the confirmed one; then the
    entry is finished as `refused`."""
    read_at, seen = timezone.now(), change.ip
    try:
        reply = api.client().ip_address(secret, id=entry.address_id, known_address=seen.address)
    except KatapultError as error:
        finish(entry, Outcome.REFUSED, error_fields(error))
        raise
    found = reply.value
    if is_same(seen.allocation, found.allocation):
        if effects.shown_by(found, entry) != ReadingResult.SET:
            return found
        finish(entry, Outcome.REFUSED, {"error_code": "reverse_dns_already_set"})
        return None
    is_done = change.action in DONE and is_same(found.allocation, change.target)
    confirmed, now = (
        each and allocation_fields(each) for each in (seen.allocation, found.allocation)
    )
    fields: EntryFields = {
        "error_code": DONE[change.action] if is_done else "allocation_changed",
        "error_detail": {"confirmed": confirmed, "found": now},
    }
    since = change.read_since if is_done else None
    finish(entry, Outcome.REFUSED, fields, competing_since=since)
    later_reads.note([found], read_at, Source.CHECK)
    return None


def _write_error(entry: AuditEntry, error: KatapultError, secret: Secret) -> None:
    """Write the error of the call to the entry, and finish it if nothing can have changed."""
    if isinstance(error, NotSent):
        finish(entry, Outcome.REFUSED, error_fields(error))
    elif error.is_definite:
        since = entry.created_at if error.code in CHANGED_MEANWHILE else None
        finish(entry, Outcome.FAILED, error_fields(error), competing_since=since)
    else:
        write(entry, {"outcome": Outcome.UNKNOWN, **error_fields(error)})
        try:
            evidence.gather(entry, secret)
        except Error:
            # The entry is open and `unknown`: the reconciler reads the address again.
            log.exception("reading_not_written", attempt_id=str(entry.attempt_id))
