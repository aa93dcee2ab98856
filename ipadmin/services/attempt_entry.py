"""The audit entry of an attempt while the attempt runs: opened, marked as sent, finished; and the
fields that a call to Katapult sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from math import ceil
from typing import TypeVar
from uuid import UUID

import structlog
from django.conf import settings
from django.db import Error, IntegrityError, InterfaceError, OperationalError, connection
from django.db.models import Q
from django.utils import timezone

from ipadmin.audit import entries
from ipadmin.audit.competing import competing, ids_of
from ipadmin.audit.entry_fields import EntryFields
from ipadmin.audit.readings import allocation_fields
from ipadmin.katapult.errors import ErrorAnswer, KatapultError
from ipadmin.katapult.types import Exchange, IPAddress
from ipadmin.models import Action, ApiToken, AuditEntry, Basis, Outcome, User
from ipadmin.services.change import Change

T = TypeVar("T")

log = structlog.get_logger(__name__)


class AuditUnavailable(Exception):
    """The audit entry could not be written, so nothing was sent."""

    code = "audit_unavailable"


class OutcomeNotWritten(Exception):
    """The attempt ended, but its outcome could not be written; the entry is still open."""

    code = "outcome_not_written"

    def __init__(self, entry: AuditEntry) -> None:
        super().__init__(str(entry))
        self.entry = entry


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Who makes the attempt, from where, and why."""

    user: User
    token: ApiToken
    reason: str = ""
    source_ip: str | None = None
    request_id: str = ""


def find_attempt(attempt_id: UUID) -> AuditEntry | None:
    """The entry of an attempt that was already made."""
    return AuditEntry.objects.filter(attempt_id=attempt_id).first()


def open_entry(change: Change, circumstances: Circumstances) -> tuple[AuditEntry, bool]:
    """The entry of the attempt, and whether it is new. Raises AuditUnavailable."""
    user, token, ip = circumstances.user, circumstances.token, change.ip
    entry = AuditEntry(
        attempt_id=change.attempt_id,
        action=change.action,
        undoes=change.undoes,
        run_id=change.run_id,
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
        last_of_family=change.is_last_of_family,
        reverse_dns=ip.reverse_dns or "",
        requested_reverse_dns=change.reverse_dns,
        **allocation_fields(change.allocation),
    )
    try:
        entries.open(entry)
    except IntegrityError as error:
        # The attempt was already made: a double click, a replay, the back button.
        if made := find_attempt(change.attempt_id):
            return made, False
        raise AuditUnavailable from error
    except Error as error:
        log.exception("audit_entry_not_written", attempt_id=str(entry.attempt_id))
        raise AuditUnavailable from error
    return entry, True


def mark_sent(entry: AuditEntry, found: IPAddress) -> bool:
    """Commit `sent_at`: an entry without it was certainly never sent.

    False when the entry was finished in the meantime; then nothing may be sent. Raises
    AuditUnavailable.
    """
    name = found.allocation.name if found.allocation and entry.action != Action.ALLOCATE else None
    fields: EntryFields = {
        "sent_at": timezone.now(),
        # The newest values of what the call will change.
        "reverse_dns": found.reverse_dns or "",
        "vip": found.vip,
        "allocation_name": name or entry.allocation_name,
    }
    is_unsent = Q(outcome=Outcome.PENDING, sent_at=None)
    try:
        if not entries.update(entry, fields, only_if=is_unsent, durable=True):
            # This process was so slow that the reconciler has finished the entry as never sent.
            entry.refresh_from_db()
            return False
    except Error as error:
        log.exception("audit_entry_not_written", attempt_id=str(entry.attempt_id))
        raise AuditUnavailable from error
    _copy(fields, entry)
    return True


def finish(
    entry: AuditEntry,
    outcome: Outcome,
    fields: Mapping[str, object],
    *,
    competing_since: datetime | None = None,
) -> None:
    """Finish the entry: after an answer of Katapult, or as `refused`, which means that Katapult was
    not called, even if `sent_at` is set.

    With `competing_since`, the entry names the attempts that can have changed the address since
    then. Raises OutcomeNotWritten.
    """
    final: EntryFields = {"outcome": outcome, "basis": Basis.ANSWER, "finished_at": timezone.now()}
    if outcome == Outcome.REFUSED:
        final |= {"basis": Basis.CHECK, "sent_at": None}
    write(entry, {**fields, **final}, competing_since=competing_since)


def write(
    entry: AuditEntry, fields: Mapping[str, object], *, competing_since: datetime | None = None
) -> None:
    """Write fields to the entry, unless it was finished in the meantime. Raises OutcomeNotWritten;
    then the log has the values."""
    fields = dict(fields)
    logged = {name: str(value) for name, value in fields.items()}
    try:
        if competing_since:
            others = partial(competing, entry, competing_since, timezone.now())
            fields["competing_attempts"] = ids_of(_with_reconnect(others))
        if not _with_reconnect(partial(entries.update, entry, fields)):
            log.warning("entry_already_finished", attempt_id=str(entry.attempt_id), **logged)
            entry.refresh_from_db()
            return
    except Error as error:
        log.exception("outcome_not_written", attempt_id=str(entry.attempt_id), **logged)
        raise OutcomeNotWritten(entry) from error
    _copy(fields, entry)


def error_fields(error: KatapultError) -> dict[str, object]:
    """The fields after a call that ended with an error. `retry_after` is in whole seconds."""
    fields = exchange_fields(error.exchange) | {"error_code": error.code}
    if not isinstance(error, ErrorAnswer):
        return fields | {"error_description": error.reason[:1000]}
    seconds = error.exchange.retry_after
    detail = error.detail | ({} if seconds is None else {"retry_after": ceil(seconds)})
    return fields | {"error_description": error.description, "error_detail": detail}


def exchange_fields(exchange: Exchange) -> dict[str, object]:
    """The fields after any call."""
    return {
        "http_status": exchange.status,
        "katapult_request_id": exchange.request_id or "",
        "rate_limit_permitted": exchange.rate_limit_permitted,
        "rate_limit_remaining": exchange.rate_limit_remaining,
        "duration_us": round(exchange.duration * 1_000_000),
    }


def _copy(fields: Mapping[str, object], entry: AuditEntry) -> None:
    for name, value in fields.items():
        setattr(entry, name, value)


def _with_reconnect(work: Callable[[], T]) -> T:
    """Try again once, on a new connection: the database may have been restarted during the call to
    Katapult."""
    try:
        return work()
    except (OperationalError, InterfaceError):
        if connection.in_atomic_block:
            raise
        connection.close()
        return work()
