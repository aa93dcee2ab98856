"""What a verification compares after the last link: the row that stores the end of the chain,
and entries without a link."""

from __future__ import annotations

from django.db.models import Exists, Max, OuterRef, Q, Subquery

from ipadmin.audit.integrity.checkpoint import Checkpoint
from ipadmin.audit.integrity.findings import Finding, about_stored
from ipadmin.models import AuditChain, AuditEntry, AuditLink
from ipadmin.models.audit_link import HIGHEST


def last_sequence() -> int:
    """Number of the last link; 0 without any. SQLite accepts text as a number, which sorts last."""
    numbers = AuditLink.objects.filter(sequence__gte=0, sequence__lte=HIGHEST)
    return int(numbers.aggregate(last=Max("sequence"))["last"] or 0)


def compare_end(total: int, checkpoint: Checkpoint | None) -> None:
    """That no links were removed from the end. `total` is the last link that was verified."""
    if checkpoint and checkpoint.sequence > total:
        raise _cut_off(total, checkpoint.sequence, "the checkpoint")
    links = AuditLink.objects.order_by("-sequence")
    # One statement, which sees one state of the database while others add links.
    found = (
        AuditChain.objects.filter(pk=1)
        .annotate(
            first=Subquery(links.reverse().values("sequence")[:1]),
            last=Subquery(links.values("sequence")[:1]),
            last_seal=Subquery(links.values("seal")[:1]),
            # On SQLite its value may be anything.
            is_pruning=Q(pruning_before__isnull=False),
        )
        .values_list("sequence", "seal", "is_pruning", "first", "last", "last_seal")
        .first()
    )
    if found is None:
        if total:
            raise Finding("Removed: the row that stores the end of the chain is missing.")
        return
    sequence, seal, is_pruning, first, last, last_seal = found
    last = last or 0
    if sequence > last:
        raise _cut_off(last, sequence, "the row that stores the end of the chain")
    if sequence != last or bytes(memoryview(seal)) != bytes(memoryview(last_seal or b"")):
        raise Finding(
            f"Changed: the row that stores the end of the chain contains link {sequence}, not the"
            f" last link, {last}, as it is."
        )
    if last and first < 1:
        raise Finding(f"Inserted: link {first} is before the first.")
    if is_pruning:
        raise Finding(
            "Changed: the row that stores the end of the chain allows entries to be deleted, and no"
            " pruning is running."
        )


def _cut_off(last: int, named: int, by: str) -> Finding:
    return Finding(
        f"Removed: the links after {last} are missing, up to link {named} of {by}. Recent records"
        " were deleted, unless that number was copied incorrectly: check it first."
    )


def compare_unlinked() -> None:
    """That each entry has a link."""
    links = AuditLink.objects.filter(attempt_id=OuterRef("attempt_id"))
    unlinked = AuditEntry.objects.filter(~Exists(links)).order_by("pk")
    if pk := unlinked.values_list("pk", flat=True).first():
        raise Finding(
            f"Inserted: entry {pk} ({about_stored(pk)}) has no link in the chain. It was not"
            " written by IP admin, or its links were removed from the end."
        )
