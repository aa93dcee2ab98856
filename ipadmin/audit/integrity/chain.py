"""The chain of seals over the audit history.

Each link is an HMAC-SHA-256 over what it seals and the link before it, so that nothing behind a
link can change, go, come or move without every later link saying so. Links are added inside the
transaction that writes what they seal, while its head is locked: no fork, no gap, no entry without
its seal. What that proves against whom stands in THREAT_MODEL.md; `verification` walks along the
chain.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Any, cast
from uuid import UUID

from django.db import Error, connection
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from ipadmin import crypto
from ipadmin.audit import document, rows
from ipadmin.models import AuditChain, AuditEntry, AuditLink, LinkKind

# Names the form of the text that is sealed.
PREFIX = "ip-admin seal 1"
Values = Mapping[str, Any]
FIELDS = ("sequence", "kind", "attempt_id", "at", "digest", "key_id", "mac")


class NotSealed(Error):
    """The database does not have what this product wrote to it. No seal makes that good: the
    transaction is undone."""


def mac_of(
    key: bytes,
    *,
    sequence: int,
    kind: str,
    attempt_id: str | None,
    at: str,
    digest: bytes,
    key_id: str,
    previous: bytes,
) -> bytes:
    """The HMAC of a link. `at` as in `services/plain.py`, `previous` the mac before it."""
    text = "\n".join(
        (
            PREFIX,
            str(sequence),
            kind,
            attempt_id or "",
            at,
            digest.hex(),
            key_id,
            previous.hex(),
        )
    )
    return hmac.digest(key, text.encode(), "sha256")


def locked_head() -> AuditChain:
    """The end of the chain, ours alone until the transaction ends. Raises RuntimeError outside of
    one, where SQLite would lock nothing and say nothing."""
    if not connection.in_atomic_block:
        raise RuntimeError("the chain is added to inside a transaction")
    head, is_new = AuditChain.objects.select_for_update().get_or_create(pk=1)
    if is_new and (last := AuditLink.objects.last()):
        # Somebody removed the row. Going on behind the last link can hide nothing.
        head.sequence, head.mac = last.sequence, last.mac
    return head


def seal_opened(entry: Values) -> AuditLink:
    """Seal the entry of an attempt that was just written, given by its plain values as the database
    has them: a number in JSON may come back in another form. Inside its transaction."""
    return _append_entry(locked_head(), LinkKind.OPENED, entry)


def seal_finished(entry: Values) -> AuditLink:
    """Seal a finished entry, likewise. Inside the transaction that finished it. Raises
    NotSealed."""
    head = locked_head()
    refuse_unopened(entry)
    return _append_entry(head, LinkKind.FINISHED, entry)


def digest_of(kind: str, entry: Values) -> bytes:
    """Of what a link of this kind seals of an entry, given by its plain values."""
    raw = cast(document.RawEntry, entry)
    is_opening = kind == LinkKind.OPENED
    return document.digest(document.opening(raw) if is_opening else document.document_of(raw))


def refuse_unopened(entry: Values) -> None:
    """Raises NotSealed for an entry, given by its plain values, that no link seals as it was
    opened: somebody wrote it past this product, or has changed it since."""
    links = AuditLink.objects.filter(attempt_id=entry["attempt_id"], kind=LinkKind.OPENED)
    if not links.filter(digest=digest_of(LinkKind.OPENED, entry)).exists():
        raise NotSealed(f"attempt {entry['attempt_id']} is not as it was opened")


def seal_act(kind: LinkKind, details: dict[str, Any]) -> AuditLink:
    """Seal that something was done to the history. `details` are of JSON's types, without floats.
    Inside a transaction."""
    at = timezone.now()
    return append(locked_head(), kind, at=at, details=details)


def append(
    head: AuditChain,
    kind: LinkKind,
    *,
    at: Any,
    attempt_id: UUID | None = None,
    digest: bytes | None = None,
    details: dict[str, Any] | None = None,
) -> AuditLink:
    """Add a link behind the locked head. `at` is a moment, or its plain text."""
    seal = _link(
        _newest_key(),
        head,
        kind,
        at=at,
        attempt_id=attempt_id,
        digest=digest or document.digest(details),
        details=details,
    )
    seal.save(force_insert=True)
    head.save()
    return seal


def append_all(head: AuditChain, entries: Iterable[tuple[LinkKind, Values]]) -> None:
    """Add the links of many entries at once, given by their plain values."""
    key = _newest_key()
    AuditLink.objects.bulk_create(
        _link(key, head, kind, **_of_entry(kind, entry)) for kind, entry in entries
    )
    head.save()


def macs_before(sequences: Iterable[int]) -> dict[int, bytes]:
    """By the number of a link the mac of the one before it, of those that have one."""
    before = AuditLink.objects.filter(sequence__in=[number - 1 for number in sequences])
    found = rows.rows(before.order_by(), ("sequence", "mac"))
    return {sequence + 1: mac for sequence, mac in found}


def unsealed(entries: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
    """Those of the entries that no link of the chain knows."""
    return entries.filter(~Exists(AuditLink.objects.filter(attempt_id=OuterRef("attempt_id"))))


def pruned_digest(removed: Iterable[tuple[int, str]], so_far: bytes = b"") -> bytes:
    """One digest of all entries that a pruning removes, which its act seals as hexadecimal.

    `removed` are, in ascending order, the sequence of the link that finished an entry, and the
    entry's attempt id as text. Beginning with nothing, each is hashed onto the digest before:
    SHA-256(digest || "sequence:attempt_id\\n"). So it can be continued: `so_far`.
    """
    for sequence, attempt_id in removed:
        so_far = hashlib.sha256(so_far + f"{sequence}:{attempt_id}\n".encode()).digest()
    return so_far


def _newest_key() -> tuple[str, bytes]:
    return next(iter(crypto.audit_keys().items()))


def _link(
    key: tuple[str, bytes],
    head: AuditChain,
    kind: LinkKind,
    *,
    at: Any,
    attempt_id: UUID | None,
    digest: bytes,
    details: dict[str, Any] | None = None,
) -> AuditLink:
    """The next link, unsaved, and the head moved on to it."""
    key_id, secret = key
    seal = AuditLink(
        sequence=head.sequence + 1,
        kind=kind,
        attempt_id=attempt_id,
        at=at,
        digest=digest,
        details=details,
        key_id=key_id,
    )
    seal.mac = mac_of(
        secret,
        sequence=seal.sequence,
        kind=kind,
        attempt_id=str(attempt_id) if attempt_id else None,
        at=at if isinstance(at, str) else rows.moment(at),
        digest=digest,
        key_id=key_id,
        # Not `bytes(number)`: SQLite keeps whatever somebody writes.
        previous=bytes(memoryview(head.mac)),
    )
    head.sequence, head.mac = seal.sequence, seal.mac
    return seal


def _append_entry(head: AuditChain, kind: LinkKind, entry: Values) -> AuditLink:
    return append(head, kind, **_of_entry(kind, entry))


def _of_entry(kind: LinkKind, entry: Values) -> dict[str, Any]:
    return {
        "at": entry["created_at"],
        "attempt_id": UUID(entry["attempt_id"]),
        "digest": digest_of(kind, entry),
    }
