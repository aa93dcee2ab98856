"""One attempt to unallocate an address, from its audit entry to its outcome.

The order is the point of this module: the entry is committed before anything is sent, the moment
of sending is committed before the call, the call is made once, and what is not known is not said.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import (
    Error,
    IntegrityError,
    InterfaceError,
    OperationalError,
    connection,
    transaction,
)
from django.utils import timezone

from ipadmin import crypto
from ipadmin.katapult.errors import ErrorAnswer, KatapultError, NotSent
from ipadmin.katapult.types import Exchange, IPAddress, Secret
from ipadmin.models import ApiToken, AuditEntry, Basis, Outcome, User
from ipadmin.models.audit_entry import keys_of
from ipadmin.services import api, entries, evidence, inventory
from ipadmin.services.confirmation import Confirmation

log = structlog.get_logger(__name__)

# Seconds between looking at the address and calling, above which we look again.
OLDEST_LOOK = 1.0


class AuditUnavailable(Exception):
    """The audit entry could not be written, so nothing was sent."""

    code = "audit_unavailable"


class OutcomeNotWritten(Exception):
    """The call was made, but its outcome could not be written; the entry is still pending."""

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
    except crypto.CannotOpen:
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
        **evidence.allocation_fields(ip.allocation),
    )
    try:
        entries.open_entry(entry)
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
    try:
        exchange = api.client().unallocate(secret, id=entry.address_id).exchange
    except KatapultError as error:
        _conclude_error(entry, error, secret)
        raise
    _finish(entry, Outcome.SUCCEEDED, basis=Basis.ANSWER, exchange=exchange)


def _look(entry: AuditEntry, confirmation: Confirmation, secret: Secret) -> IPAddress | None:
    """The address as it is now; None, and the entry refused, if it is not what was confirmed."""
    try:
        found = api.client().ip_address(secret, id=entry.address_id).value
    except KatapultError as error:
        _refuse(entry, error.code, error=error)
        raise
    if difference := _difference(confirmation.ip, found):
        _refuse(entry, *difference)
        return None
    return found


def _difference(seen: IPAddress, found: IPAddress) -> tuple[str, dict[str, Any]] | None:
    """How the address differs from what was confirmed, as an error code and its detail."""
    if evidence.is_same(seen.allocation, found.allocation) and seen.address == found.address:
        return None
    is_free = found.allocation is None and seen.address == found.address
    code = "already_unallocated" if is_free else "allocation_changed"
    detail = {
        "confirmed": evidence.allocation_fields(seen.allocation),
        "found": evidence.allocation_fields(found.allocation) if found.allocation else None,
    }
    return code, detail


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
    still_open = AuditEntry.objects.filter(pk=entry.pk, outcome=Outcome.PENDING, sent_at=None)
    try:
        with transaction.atomic(durable=True):
            is_ours = still_open.update(**fields, **keys_of(fields)) == 1
        if not is_ours:
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
        _finish(entry, Outcome.FAILED, basis=Basis.ANSWER, exchange=error.exchange, **_of(error))
    else:
        _keep(entry, outcome=Outcome.UNKNOWN, **_exchange_fields(error.exchange), **_of(error))
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
) -> None:
    # Marked or not, nothing was sent.
    entry.sent_at = None
    fields = _of(error) if error else {"error_code": code, "error_detail": detail or {}}
    exchange = error.exchange if error else None
    _finish(entry, Outcome.REFUSED, basis=Basis.CHECK, exchange=exchange, **fields)


def _finish(
    entry: AuditEntry,
    outcome: Outcome,
    *,
    basis: Basis,
    exchange: Exchange | None = None,
    **fields: Any,
) -> None:
    if exchange:
        fields |= _exchange_fields(exchange)
    _keep(entry, outcome=outcome, basis=basis, finished_at=timezone.now(), **fields)


def _keep(entry: AuditEntry, **fields: Any) -> None:
    """Write to an open entry; a finished one never changes.

    Where it can't be written, the log holds the answer.
    """
    fields |= {"sent_at": entry.sent_at}
    answer = {name: str(value) for name, value in fields.items()}
    try:
        if not _update(entry, fields):
            log.warning("answer_after_the_end", attempt_id=str(entry.attempt_id), **answer)
            entry.refresh_from_db()
            return
    except Error as error:
        # Until the reconciler has found out by itself.
        log.exception("outcome_not_written", attempt_id=str(entry.attempt_id), **answer)
        raise OutcomeNotWritten(entry) from error
    for name, value in fields.items():
        setattr(entry, name, value)


def _update(entry: AuditEntry, fields: dict[str, Any]) -> bool:
    try:
        return entries.write(entry, fields)
    except (OperationalError, InterfaceError):
        # The database may have been restarted while we waited for Katapult: once more, on a new
        # connection.
        if connection.in_atomic_block:
            raise
        connection.close()
        return entries.write(entry, fields)


def _of(error: KatapultError) -> dict[str, Any]:
    if isinstance(error, ErrorAnswer):
        waits = error.exchange.retry_after
        return {
            "error_code": error.code,
            "error_description": error.description,
            "error_detail": error.detail | ({"retry_after": waits} if waits is not None else {}),
        }
    return {"error_code": error.code, "error_description": error.reason[:1000]}


def _exchange_fields(exchange: Exchange) -> dict[str, Any]:
    limit = exchange.rate_limit
    return {
        "http_status": exchange.status,
        "katapult_request_id": exchange.request_id or "",
        "rate_limit_permitted": limit.permitted if limit else None,
        "rate_limit_remaining": limit.remaining if limit else None,
        "duration": exchange.duration,
    }
