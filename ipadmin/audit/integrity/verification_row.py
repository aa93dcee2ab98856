"""The row of a verification is believed for its mac alone: whoever writes to the database could
otherwise say what was found, or that all but the end was looked at."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime

from ipadmin import crypto
from ipadmin.audit import document, rows
from ipadmin.audit.integrity.unreadable import UNREADABLE
from ipadmin.models import AuditVerification

# Names the form of the text that is sealed.
PREFIX = "ip-admin verification 1"
NOT_OURS = (
    "Changed: the record of this verification is not as this product wrote it. What it said cannot"
    " be believed: verify again."
)


def seal(verification: AuditVerification) -> None:
    """Make the mac of a verification that has its id. StopIteration without a key."""
    verification.mac = _mac(next(iter(crypto.audit_keys().values())), verification)


def is_ours(verification: AuditVerification) -> bool:
    try:
        mac = bytes(memoryview(verification.mac))
        keys = crypto.audit_keys().values()
        return any(hmac.compare_digest(_mac(key, verification), mac) for key in keys)
    except UNREADABLE:
        return False


def as_believed(verification: AuditVerification) -> AuditVerification:
    """As it may be shown, never saved: one that ended and is not ours has found just that."""
    if verification.finished_at and not is_ours(verification):
        verification.finding = NOT_OURS
    return verification


def _mac(key: bytes, verification: AuditVerification) -> bytes:
    said = [
        PREFIX,
        verification.pk,
        verification.user_name,
        _moment(verification.requested_at),
        verification.head,
        verification.total,
        verification.sequence,
        verification.state,
        _moment(verification.finished_at),
        verification.finding,
    ]
    return hmac.digest(key, document.canonical(said), "sha256")


def _moment(at: datetime | None) -> str:
    return rows.moment(at.astimezone(UTC)) if at else ""
