"""Which entries may be missing, because a sealed act says that they were removed on purpose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ipadmin.audit import rows
from ipadmin.audit.integrity import chain
from ipadmin.audit.integrity.findings import FIELDS, Link, fits, is_sealed
from ipadmin.audit.integrity.unreadable import read
from ipadmin.models import AuditLink, LinkKind


@dataclass(frozen=True)
class Pruning:
    """A removal: of finished entries created before a moment, whose seals stand before its own."""

    sequence: int
    # A plain moment.
    before: str
    entries: int
    # Hexadecimal; see `seals.pruned_digest`.
    digest: str


def prunings(keys: Mapping[str, bytes]) -> list[Pruning]:
    """Those that were sealed with one of the keys, in their order. A forged one removes nothing."""
    acts = AuditLink.objects.filter(attempt_id__isnull=True, kind=LinkKind.PRUNED)
    found, _unreadable = read(acts.order_by("sequence"), FIELDS, "sequence")
    links = [Link(*row) for row in found]
    macs = chain.macs_before([link.sequence for link in links])
    return [
        pruning
        for link in links
        if (key := keys.get(link.key_id))
        and fits(link, key, sequence=link.sequence, previous=macs.get(link.sequence, b""))
        and (pruning := pruning_of(link))
    ]


def pruning_of(link: Link) -> Pruning | None:
    """What a seal says was removed; None when its details are not what it sealed."""
    details = link.details
    if not is_sealed(details, link):
        return None
    return Pruning(
        link.sequence,
        rows.moment(datetime.fromisoformat(details["before"]).astimezone(UTC)),
        details["entries"],
        details["digest"],
    )


class Removals:
    """Looks up by which pruning an entry went."""

    def __init__(self, some: list[Pruning]) -> None:
        self.prunings = some
        self.latest = max((pruning.before for pruning in some), default="")

    def of(self, sequence: int, at: str) -> Pruning | None:
        """The first pruning after an entry was finished by link `sequence`, if the entry, created
        at `at`, was old enough for it."""
        if at >= self.latest:
            return None
        for pruning in self.prunings:
            if pruning.sequence > sequence and pruning.before > at:
                return pruning
        return None
