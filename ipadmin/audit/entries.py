"""The only module that writes audit entries. An entry is sealed when it is opened; when it is
finished it is sealed and counted, in the same transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from ipadmin.audit import counters, document, rows
from ipadmin.audit.document import RawEntry
from ipadmin.audit.integrity import chain
from ipadmin.models import AuditEntry, AuditReasonWord, LinkKind
from ipadmin.models.audit_entry import keys_of
from ipadmin.models.search_keys import reason_words

JSON_FIELDS = ("error_detail", "evidence", "competing_attempts")


def open(entry: AuditEntry) -> None:
    """Insert a new entry, durably. Raises django.db.Error when that fails, IntegrityError when the
    attempt already has an entry."""
    _make_storable(entry)
    with transaction.atomic(durable=True):
        entry.save(force_insert=True)
        _add_words([entry])
        values = document.values_of(entry)
        _refuse_other(values, {name: getattr(entry, name) for name in document.OPENING})
        chain.seal_opened(values)


def lock(entry: AuditEntry) -> AuditEntry | None:
    """The current entry, locked until the transaction ends; None when it is finished."""
    open_entries = AuditEntry.objects.select_for_update().filter(finished_at=None)
    return open_entries.filter(pk=entry.pk).first()


def update(
    entry: AuditEntry, fields: Mapping[str, Any], *, only_if: Q | None = None, durable: bool = False
) -> bool:
    """Write fields of an open entry and their search keys; with `finished_at`, finish it.

    The same statement checks the condition `only_if`. Returns False, and writes nothing, when it is
    not met, or when the entry has been finished. Raises NotSealed when the entry is not the one
    that was opened. JSON is converted by `document.storable`.
    """
    json = {name: document.storable(fields[name]) for name in JSON_FIELDS if name in fields}
    written = {**fields, **json}
    still_open = AuditEntry.objects.filter(only_if or Q(), pk=entry.pk, finished_at=None)
    with transaction.atomic(durable=durable):
        if still_open.update(**written, **keys_of(written)) != 1:
            return False
        if written.get("finished_at"):
            _finish(entry, written)
    return True


def add_finished(new: Sequence[AuditEntry]) -> None:
    """Write many finished entries, each with both its seals, in one transaction. For a made-up
    history: a million entries take minutes instead of hours."""
    for entry in new:
        _make_storable(entry)
        for name, value in keys_of(entry.__dict__).items():
            setattr(entry, name, value)
    counts = counters.Counters()
    with transaction.atomic():
        AuditEntry.objects.bulk_create(new)
        _add_words(new)
        written = AuditEntry.objects.filter(attempt_id__in=[entry.attempt_id for entry in new])
        chain.add_entry_links(chain.locked_chain(), _counted(written, counts))
        counts.write()


def _make_storable(entry: AuditEntry) -> None:
    for name in JSON_FIELDS:
        setattr(entry, name, document.storable(getattr(entry, name)))


def _add_words(new: Sequence[AuditEntry]) -> None:
    AuditReasonWord.objects.bulk_create(
        AuditReasonWord(entry_id=entry.pk, word=word, created_at=entry.created_at)
        for entry in new
        for word in reason_words(entry.reason)
    )


def _counted(
    written: QuerySet[AuditEntry], counts: counters.Counters
) -> Iterator[tuple[LinkKind, RawEntry]]:
    """What is sealed of each finished entry; each is counted on the way."""
    for batch in document.batches(written.order_by("created_at", "id")):
        for entry in batch:
            counts.add(entry)
            yield LinkKind.OPENED, entry
            yield LinkKind.FINISHED, entry


def _finish(entry: AuditEntry, written: Mapping[str, Any]) -> None:
    values = document.values_of(entry)
    _refuse_other(values, written)
    chain.seal_finished(values)
    counters.count(values)


def _refuse_other(values: RawEntry, written: Mapping[str, Any]) -> None:
    """Raises NotSealed when the database does not hold what was written, for example because of a
    trigger that is not ours: no such change must be sealed."""
    raw_values: Mapping[str, Any] = values
    for name, value in written.items():
        if not _is_same(raw_values[name], value):
            raise chain.NotSealed(f"{name} of attempt {values['attempt_id']} is not as written")


def _is_same(raw_value: Any, written: Any) -> bool:
    if isinstance(written, datetime):
        written = rows.moment(written.astimezone(UTC))
    elif isinstance(written, UUID):
        written = str(written)
    if raw_value == written:
        return True
    try:
        # Databases write an IPv6 address in another form.
        return ip_address(str(raw_value)) == ip_address(str(written))
    except ValueError:
        return False
