"""A walk along the chain of seals: link by link with the entries they seal, then its end, then
entries without a link. It stops at the first thing that is wrong.

It goes in short steps, each of which leaves off in a `State`, so that it can go on in another
process. Only links that were there when it began are walked along; entries and prunings that are
made meanwhile do not confuse it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ipadmin import crypto
from ipadmin.models import AuditEntry, AuditSeal, SealKind
from ipadmin.models.audit_entry import keys_of
from ipadmin.services import record
from ipadmin.services.proving import seals
from ipadmin.services.proving.chain_end import (
    Head,
    compare_heads,
    compare_open,
    ended,
    next_inserted,
)
from ipadmin.services.proving.findings import (
    FIELDS,
    Link,
    Wrong,
    about_entry,
    about_link,
    bad_link,
    entries,
    fits,
    is_sealed,
    missing_link,
    vanished,
)
from ipadmin.services.proving.removals import Removals, pruning_of, prunings
from ipadmin.services.proving.unreadable import UNREADABLE, read
from ipadmin.services.sending import lines

CHUNK = 1000
OPENED, FINISHED = SealKind.OPENED.value, SealKind.FINISHED.value

Row = dict[str, Any]


@dataclass
class State:
    """Where a walk stands, of JSON's types."""

    # The last link that was walked along, and its mac in hexadecimal.
    sequence: int = 0
    mac: str = ""
    # Attempts that were opened and not finished so far, and by which link.
    opened: dict[str, int] = field(default_factory=dict)
    # By the link of a pruning to come, as text: how many entries it took so far, their digest.
    taken: dict[str, Sequence[Any]] = field(default_factory=dict)
    # Entries that are there as they were sealed, and those that were pruned.
    entries: int = 0
    pruned: int = 0
    # Whether the end of the chain was looked at, and up to which id for entries without a link.
    ended: bool = False
    entry_id: int | None = None


class Walk:
    """`total` is the last link to walk along, `head` one that was recorded elsewhere."""

    def __init__(self, state: State, *, total: int, head: Head | None = None) -> None:
        self.state, self.total, self.head = state, total, head
        self.keys = crypto.audit_keys()
        self.removals = Removals(prunings(self.keys))
        self.fields = [*record.fields(), *keys_of(dict.fromkeys(record.fields(), ""))]

    def step(self) -> bool:
        """About a thousand links or entries further; False at the end. Raises Wrong."""
        if self.state.sequence < self.total:
            self._walk_links()
            return True
        if not self.state.ended:
            compare_heads(self.total, self.head)
            compare_open(self.state.opened)
            self.state.entries += len(self.state.opened)
            self.state.opened, self.state.ended = {}, True
        last = next_inserted(self.state.entry_id)
        if last is None:
            return False
        self.state.entry_id = last
        return True

    def _walk_links(self) -> None:
        after = self.state.sequence
        ahead = AuditSeal.objects.filter(sequence__gt=after, sequence__lte=self.total)
        found, unreadable = read(ahead.order_by("sequence")[:CHUNK], FIELDS, "sequence")
        stop = unreadable[0] if unreadable else self.total + 1
        links = [link for row in found if (link := Link(*row)).sequence < stop]
        proven, wrong = self._proven(links)
        self._compare(links[:proven])
        if wrong:
            raise wrong
        if unreadable:
            raise Wrong(f"Changed: link {stop} cannot be read.")
        if not links:
            raise missing_link(after + 1, None)
        self.state.sequence, self.state.mac = links[-1].sequence, links[-1].mac.hex()

    def _proven(self, links: Sequence[Link]) -> tuple[int, Wrong | None]:
        """How many of the links follow each other as they were sealed, and what is wrong then."""
        number, previous = self.state.sequence, bytes.fromhex(self.state.mac)
        for index, link in enumerate(links):
            number += 1
            if link.sequence != number:
                return index, missing_link(number, link.sequence)
            key = self.keys.get(link.key_id)
            if not key or not fits(link, key, sequence=number, previous=previous):
                return index, bad_link(link, links[index + 1 :], self.keys, previous)
            previous = link.mac
            if self.head and number == self.head[0] and previous != self.head[1]:
                return index, Wrong(
                    f"Changed: link {number} ({about_link(link)}) is not the one that was recorded"
                    " elsewhere. Somebody who has a key has written the chain anew."
                )
        return len(links), None

    def _compare(self, links: Sequence[Link]) -> None:
        """Compare what links seal with what is there."""
        rows, unreadable = self._rows(links)
        lost = _lost(links, rows.keys() | unreadable)
        for link in links:
            if link.attempt_id is None:
                self._compare_act(link)
            elif link.details is not None:
                raise Wrong(
                    f"Changed: details were added to link {link.sequence} ({about_link(link)})."
                )
            elif link.attempt_id in unreadable:
                raise Wrong(
                    f"Changed: the entry of link {link.sequence} ({about_link(link)}) cannot be"
                    " read."
                )
            elif link.attempt_id in lost:
                raise vanished(link.attempt_id, link.sequence)
            elif link.kind == OPENED:
                self._compare_opening(link, link.attempt_id, rows.get(link.attempt_id))
            else:
                self._compare_finished(link, link.attempt_id, rows.get(link.attempt_id))

    def _rows(self, links: Sequence[Link]) -> tuple[dict[str, Row], set[str]]:
        attempts = {link.attempt_id for link in links if link.attempt_id}
        some = AuditEntry.objects.filter(attempt_id__in=attempts).order_by()
        found, unreadable = read(some, self.fields, "attempt_id")
        rows = (dict(zip(self.fields, values, strict=True)) for values in found)
        return {row["attempt_id"]: row for row in rows}, {str(value) for value in unreadable}

    def _compare_opening(self, link: Link, attempt_id: str, row: Row | None) -> None:
        self.state.opened[attempt_id] = link.sequence
        # Without its entry, a later link has finished it, and that one will say why.
        if row is not None and not _is_as_sealed(link, record.opening_text, row):
            raise Wrong(
                f"Changed: the entry of {about_entry(row)} is not the one that link"
                f" {link.sequence} sealed when it was opened. Who acted, on what, with what or why"
                " was changed."
            )

    def _compare_finished(self, link: Link, attempt_id: str, row: Row | None) -> None:
        opened = self.state.opened.pop(attempt_id, None)
        if row is None:
            self._count_pruned(link)
            return
        if opened is None and link.kind == FINISHED:
            raise Wrong(
                f"Inserted: the entry of {about_entry(row)} was finished by link {link.sequence}"
                " without having been opened. Somebody wrote it past this product."
            )
        if pruning := self.removals.of(link.sequence, link.at):
            raise Wrong(
                f"Inserted: the entry of {about_entry(row)}, finished by link {link.sequence}, was"
                f" removed by the pruning of link {pruning.sequence} and is there again."
            )
        if not _is_as_sealed(link, record.record_text, row):
            what = "What came of it" if opened else "Something in it"
            raise Wrong(
                f"Changed: the entry of {about_entry(row)} is not as link {link.sequence} sealed it"
                f" when it was finished. {what} was changed."
            )
        if not keys_of(row).items() <= row.items():
            raise Wrong(
                f"Changed: the entry of {about_entry(row)}, finished by link {link.sequence}, says"
                " what it said, but what it is searched by was changed: it hides from those who"
                " look for it."
            )
        self.state.entries += 1

    def _count_pruned(self, link: Link) -> None:
        pruning = self.removals.of(link.sequence, link.at)
        if pruning is None:
            # It may have been pruned just now.
            self.removals = Removals(prunings(self.keys))
            pruning = self.removals.of(link.sequence, link.at)
        if pruning is None:
            raise Wrong(
                f"Removed: the entry of link {link.sequence} ({about_link(link)}) is gone, and no"
                " sealed pruning has removed it."
            )
        count, so_far = self.state.taken.get(str(pruning.sequence), (0, ""))
        line = (link.sequence, str(link.attempt_id))
        digest = seals.pruned_digest([line], bytes.fromhex(so_far)).hex()
        self.state.taken[str(pruning.sequence)] = (count + 1, digest)
        self.state.pruned += 1

    def _compare_act(self, link: Link) -> None:
        if not is_sealed(link.details, link):
            raise Wrong(
                f"Changed: what link {link.sequence} ({about_link(link)}) says of an act on the"
                " history is not what was sealed."
            )
        if link.kind != SealKind.PRUNED or not (pruning := pruning_of(link)):
            return
        count, digest = self.state.taken.pop(str(link.sequence), (0, ""))
        if (count, digest) != (pruning.entries, pruning.digest):
            raise Wrong(
                f"Removed: the pruning of link {link.sequence} says it removed "
                f"{entries(pruning.entries)}, and the chain before it lacks {count:,}: not the same"
                " ones."
            )


def _lost(links: Sequence[Link], present: set[str]) -> set[str]:
    """Attempts whose entry is gone although no link finished them."""
    kinds: dict[bool, set[str]] = {True: set(), False: set()}
    for link in links:
        if link.attempt_id and link.attempt_id not in present:
            kinds[link.kind in lines.OF_FINISHED].add(link.attempt_id)
    gone = kinds[False] - kinds[True]
    return gone - ended(gone)


def _is_as_sealed(link: Link, text: Callable[[Row], str], row: Row) -> bool:
    try:
        return record.text_digest(text(row)) == link.digest
    except UNREADABLE:
        return False
