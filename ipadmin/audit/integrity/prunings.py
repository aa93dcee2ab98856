"""Which entries may be missing, because a sealed pruning says that retention removed them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ipadmin.audit import rows
from ipadmin.audit.integrity import unreadable
from ipadmin.audit.integrity.chain import LINK_FIELDS, Link, seals_before
from ipadmin.models import AuditLink, LinkKind


@dataclass(frozen=True)
class Pruning:
    """Removes finished entries that were created before a time and sealed before its own link."""

    sequence: int
    before: str  # a raw datetime
    entries: int
    digest: str  # hexadecimal, see `chain.pruned_digest`


class Prunings:
    """All prunings that were sealed with one of the keys, in the order of the chain. A forged one
    removes nothing."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        activity = AuditLink.objects.filter(attempt_id__isnull=True, kind=LinkKind.PRUNED)
        # A pruning that cannot be read is reported when verification comes to its link.
        found, _broken = unreadable.read(activity.order_by("sequence"), LINK_FIELDS, "sequence")
        links = [Link(*row) for row in found]
        seals = seals_before([link.sequence for link in links])
        self.prunings = [
            pruning
            for link in links
            if (key := keys.get(link.key_id))
            and link.is_sealed_by(key, seals.get(link.sequence, b""))
            and (pruning := pruning_of(link))
        ]
        self.latest = max((pruning.before for pruning in self.prunings), default="")

    def of(self, sequence: int, created_at: str) -> Pruning | None:
        """The first pruning that may have removed an entry that was finished by link `sequence`."""
        if created_at >= self.latest:
            return None
        for pruning in self.prunings:
            if pruning.sequence > sequence and pruning.before > created_at:
                return pruning
        return None


def pruning_of(link: Link) -> Pruning | None:
    """What a link says was removed; None when its details are not what it sealed."""
    details = link.details
    if not link.seals_details():
        return None
    return Pruning(
        link.sequence,
        rows.moment(datetime.fromisoformat(details["before"]).astimezone(UTC)),
        details["entries"],
        details["digest"],
    )
