"""The hash chain over all audit entries and activity.

The seal of each link is an HMAC-SHA-256 over what the link seals and the seal before it. Without
the key, nothing can be changed, inserted, removed or moved without breaking every later seal. Links
are added in the transaction that writes what they seal, while the chain is locked: there is no
fork, no gap, and no entry without a seal. THREAT_MODEL.md says what this proves; `verification`
checks it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, cast

from django.db import Error, connection, transaction
from django.utils import timezone

from ipadmin import crypto
from ipadmin.audit import document, rows
from ipadmin.models import AuditChain, AuditLink, LinkKind

# Version of the sealed text.
PREFIX = "ip-admin seal 1"
Values = Mapping[str, Any]


class Link(NamedTuple):
    """The raw values of a link."""

    sequence: int
    kind: str
    attempt_id: str | None
    at: str
    digest: bytes
    key_id: str
    seal: bytes
    details: Any

    def is_sealed_by(self, key: bytes, previous: bytes, sequence: int | None = None) -> bool:
        """Whether it has the right seal after the seal `previous`, as number `sequence` if that is
        given."""
        expected = compute_seal(
            key,
            sequence=self.sequence if sequence is None else sequence,
            kind=self.kind,
            attempt_id=self.attempt_id,
            at=self.at,
            digest=self.digest,
            key_id=self.key_id,
            previous=previous,
        )
        return hmac.compare_digest(expected, self.seal)

    def seals_details(self) -> bool:
        """Whether its details, those of an activity, are what it sealed."""
        return document.digest(self.details) == self.digest


LINK_FIELDS = Link._fields


class NotSealed(Error):
    """The database does not contain what was written or sealed. The transaction is rolled back."""


def compute_seal(
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
    """The HMAC of a link. `at` is a raw value (see `rows.py`), `previous` the seal before it."""
    text = (
        f"{PREFIX}\n{sequence}\n{kind}\n{attempt_id or ''}\n{at}\n{digest.hex()}\n{key_id}\n"
        f"{previous.hex()}"
    )
    return hmac.digest(key, text.encode(), "sha256")


def locked_chain() -> AuditChain:
    """The end of the chain, locked until the transaction ends. Raises RuntimeError outside of a
    transaction, where SQLite would silently lock nothing."""
    if not connection.in_atomic_block:
        raise RuntimeError("links are added inside a transaction")
    chain, is_new = AuditChain.objects.select_for_update().get_or_create(pk=1)
    if is_new and (last := AuditLink.objects.last()):
        # The row was removed. Continuing after the last link hides nothing.
        chain.sequence, chain.seal = last.sequence, last.seal
    return chain


def seal_opened(entry: Values) -> None:
    """Seal an entry that was just opened, given by its raw values as read back from the database.
    Inside the transaction that wrote it."""
    add_entry_links(locked_chain(), [(LinkKind.OPENED, entry)])


def seal_finished(entry: Values) -> None:
    """Seal a finished entry, in the same way. Raises NotSealed."""
    chain = locked_chain()
    refuse_unopened(entry)
    add_entry_links(chain, [(LinkKind.FINISHED, entry)])


def refuse_unopened(entry: Values) -> None:
    """Raises NotSealed for an entry that was changed since it was opened, or that was written by
    another program. `entry` are its raw values."""
    opened = AuditLink.objects.filter(attempt_id=entry["attempt_id"], kind=LinkKind.OPENED)
    if not opened.filter(digest=digest_of(LinkKind.OPENED, entry)).exists():
        raise NotSealed(f"attempt {entry['attempt_id']} is not as it was opened")


def digest_of(kind: str, entry: Values) -> bytes:
    """The digest of what a link of this kind seals of an entry, given by its raw values."""
    raw = cast(document.RawEntry, entry)
    if kind == LinkKind.OPENED:
        return document.digest(document.opening(raw))
    return document.digest(document.document_of(raw))


def add_activity(kind: LinkKind, details: dict[str, Any]) -> AuditLink:
    """Seal activity. `details` are JSON values without floats."""
    with transaction.atomic():
        return add_link(locked_chain(), kind, at=timezone.now(), details=details)


def add_link(
    chain: AuditChain, kind: LinkKind, *, at: datetime, details: dict[str, Any]
) -> AuditLink:
    """Add an activity to the locked chain."""
    key, digest = _newest_key(), document.digest(details)
    link = _next_link(key, chain, kind=kind, attempt_id=None, at=at, digest=digest)
    link.details = details
    link.save(force_insert=True)
    chain.save()
    return link


def add_entry_links(chain: AuditChain, entries: Iterable[tuple[LinkKind, Values]]) -> None:
    """Add the links of entries, given by their raw values, to the locked chain."""
    key = _newest_key()
    AuditLink.objects.bulk_create(
        _next_link(
            key,
            chain,
            kind=kind,
            attempt_id=entry["attempt_id"],
            at=entry["created_at"],
            digest=digest_of(kind, entry),
        )
        for kind, entry in entries
    )
    chain.save()


def seals_before(sequences: Iterable[int]) -> dict[int, bytes]:
    """The seal of the previous link by the number of a link, where there is one."""
    before = AuditLink.objects.filter(sequence__in=[number - 1 for number in sequences])
    found = rows.rows(before.order_by(), ("sequence", "seal"))
    return {sequence + 1: seal for sequence, seal in found}


def pruned_digest(removed: Iterable[tuple[int, str]], so_far: bytes = b"") -> bytes:
    """One digest of all entries that a pruning removes; its link seals it in hexadecimal.

    `removed` are the number of the link that finished an entry and the entry's attempt id as text,
    in ascending order. Each is hashed onto the digest before, which is empty at first:
    SHA-256(digest || "sequence:attempt_id\\n"). `so_far` continues a digest.
    """
    for sequence, attempt_id in removed:
        so_far = hashlib.sha256(so_far + f"{sequence}:{attempt_id}\n".encode()).digest()
    return so_far


def _newest_key() -> tuple[str, bytes]:
    return next(iter(crypto.audit_keys().items()))


def _next_link(
    key: tuple[str, bytes], chain: AuditChain, *, at: datetime | str, **sealed: Any
) -> AuditLink:
    """The next link, not saved; the chain is moved on to it. `at` is a datetime or its raw
    value."""
    key_id, secret = key
    # Not `bytes(number)`, which is so many zeros: SQLite stores any type.
    previous = bytes(memoryview(chain.seal))
    chain.sequence += 1
    sealed |= {"sequence": chain.sequence, "key_id": key_id}
    chain.seal = compute_seal(secret, at=rows.moment(at), previous=previous, **sealed)
    return AuditLink(at=at, seal=chain.seal, **sealed)
