"""The only place that opens and finishes audit entries: each with its seal, and counted, in one
transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from ipadmin.models import AuditEntry, SealKind
from ipadmin.models.audit_entry import keys_of
from ipadmin.services import plain, record, tally
from ipadmin.services.proving import seals


def open_entry(entry: AuditEntry) -> None:
    """Write a new entry, durably. Raises django.db.Error when it was not, IntegrityError too when
    the attempt was made before."""
    with transaction.atomic(durable=True):
        entry.save(force_insert=True)
        values = record.values_of(entry)
        _refuse_other(values, {name: getattr(entry, name) for name in record.OPENING})
        seals.seal_opened(values)


def write(entry: AuditEntry, fields: dict[str, Any]) -> bool:
    """Write fields of an entry that is still open; with `finished_at` it is finished by it.

    False, and nothing is written, when it was finished meanwhile.
    """
    still_open = AuditEntry.objects.filter(pk=entry.pk, finished_at=None)
    with transaction.atomic():
        if still_open.update(**fields, **keys_of(fields)) != 1:
            return False
        if fields.get("finished_at"):
            finished(entry, fields)
    return True


def write_finished(new: Sequence[AuditEntry]) -> None:
    """Write entries that are finished already, each with both its seals, in one transaction: so a
    made-up history of a million entries takes minutes, and not hours."""
    for entry in new:
        for name, value in keys_of(entry.__dict__).items():
            setattr(entry, name, value)
    counts = tally.Tally()
    with transaction.atomic():
        AuditEntry.objects.bulk_create(new)
        written = AuditEntry.objects.filter(attempt_id__in=[entry.attempt_id for entry in new])
        seals.append_all(seals.locked_head(), _counted(written, counts))
        counts.write()


def _counted(
    written: QuerySet[AuditEntry], counts: tally.Tally
) -> Iterator[tuple[SealKind, dict[str, Any]]]:
    """What is to be sealed of finished entries, each counted as it passes."""
    for values in plain.dicts(written.order_by("created_at", "id"), record.fields()):
        counts.add(values)
        yield SealKind.OPENED, values
        yield SealKind.FINISHED, values


def finished(entry: AuditEntry, fields: Mapping[str, Any]) -> None:
    """Seal and count an entry that the present transaction has finished by writing these fields.
    Raises NotSealed when it has others, or is not the one that was opened."""
    values = record.values_of(entry)
    _refuse_other(values, fields)
    seals.seal_finished(values)
    tally.count(values)


def _refuse_other(values: Mapping[str, Any], written: Mapping[str, Any]) -> None:
    """What is sealed is what the database has; so that has to be what was written. Somebody else's
    trigger could see to another."""
    for name, value in written.items():
        if not _is_same(values[name], value):
            raise seals.NotSealed(f"{name} of attempt {values['attempt_id']} is not as written")


def _is_same(plain_value: Any, written: Any) -> bool:
    if isinstance(written, datetime):
        written = plain.moment(written.astimezone(UTC))
    elif isinstance(written, UUID):
        written = str(written)
    if plain_value == written:
        return True
    try:
        # An IPv6 address may have come back in another form.
        return ip_address(str(plain_value)) == ip_address(str(written))
    except ValueError:
        return False
