"""The only module that writes audit entries. Each is sealed when it is opened, and sealed and
counted when it is finished, in the same transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from ipadmin.audit import counters, document, rows
from ipadmin.audit.integrity import chain
from ipadmin.models import AuditEntry, LinkKind
from ipadmin.models.audit_entry import keys_of


def open(entry: AuditEntry) -> None:
    """Insert a new entry, durably. Raises django.db.Error when that fails, IntegrityError when the
    attempt already has an entry."""
    with transaction.atomic(durable=True):
        entry.save(force_insert=True)
        values = document.values_of(entry)
        _refuse_other(values, {name: getattr(entry, name) for name in document.OPENING})
        chain.seal_opened(values)


def lock(entry: AuditEntry) -> AuditEntry | None:
    """The entry as it is now, locked until the transaction ends; None when it is finished."""
    open_entries = AuditEntry.objects.select_for_update().filter(finished_at=None)
    return open_entries.filter(pk=entry.pk).first()


def update(
    entry: AuditEntry, fields: Mapping[str, Any], *, only_if: Q | None = None, durable: bool = False
) -> bool:
    """Write fields of an open entry and their search keys; with `finished_at`, seal and count it.

    The condition `only_if` is checked by the same statement. False, and nothing is written, when it
    is not met, or when the entry was finished meanwhile. Raises NotSealed when the entry is not the
    one that was opened.
    """
    still_open = AuditEntry.objects.filter(only_if or Q(), pk=entry.pk, finished_at=None)
    with transaction.atomic(durable=durable):
        if still_open.update(**fields, **keys_of(fields)) != 1:
            return False
        if fields.get("finished_at"):
            _finish(entry, fields)
    return True


def add_finished(new: Sequence[AuditEntry]) -> None:
    """Write entries that are finished already, each with both its seals, in one transaction: so a
    made-up history of a million entries takes minutes, and not hours."""
    for entry in new:
        for name, value in keys_of(entry.__dict__).items():
            setattr(entry, name, value)
    counts = counters.Counters()
    with transaction.atomic():
        AuditEntry.objects.bulk_create(new)
        written = AuditEntry.objects.filter(attempt_id__in=[entry.attempt_id for entry in new])
        chain.add_entry_links(chain.locked_chain(), _counted(written, counts))
        counts.write()


def _counted(
    written: QuerySet[AuditEntry], counts: counters.Counters
) -> Iterator[tuple[LinkKind, dict[str, Any]]]:
    """What is to be sealed of finished entries, each counted as it passes."""
    for values in rows.dicts(written.order_by("created_at", "id"), document.fields()):
        counts.add(values)
        yield LinkKind.OPENED, values
        yield LinkKind.FINISHED, values


def _finish(entry: AuditEntry, fields: Mapping[str, Any]) -> None:
    values = document.values_of(entry)
    _refuse_other(values, fields)
    chain.seal_finished(values)
    counters.count(values)


def _refuse_other(values: Mapping[str, Any], written: Mapping[str, Any]) -> None:
    """What is sealed is what the database has; so that has to be what was written. Somebody else's
    trigger could see to another."""
    for name, value in written.items():
        if not _is_same(values[name], value):
            raise chain.NotSealed(f"{name} of attempt {values['attempt_id']} is not as written")


def _is_same(plain_value: Any, written: Any) -> bool:
    if isinstance(written, datetime):
        written = rows.moment(written.astimezone(UTC))
    elif isinstance(written, UUID):
        written = str(written)
    if plain_value == written:
        return True
    try:
        # An IPv6 address may have come back in another form.
        return ip_address(str(plain_value)) == ip_address(str(written))
    except ValueError:
        return False
