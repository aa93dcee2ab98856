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

from django.db.models import QuerySet

from ipadmin import crypto
from ipadmin.audit import document
from ipadmin.audit.integrity import chain
from ipadmin.audit.integrity.chain_end import (
    Head,
    compare_heads,
    compare_open,
    ended,
    next_inserted,
)
from ipadmin.audit.integrity.findings import (
    FIELDS,
    Link,
    Wrong,
    about_entry,
    about_link,
    bad_link,
    entries,
    entry_twice,
    fits,
    is_entry_sealed,
    is_sealed,
    missing_link,
    unreadable_entry,
    vanished_entry,
)
from ipadmin.audit.integrity.removals import Removals, pruning_of, prunings
from ipadmin.audit.integrity.unreadable import read
from ipadmin.audit.integrity.value_counters import compare_terms
from ipadmin.models import AuditEntry, AuditLink, LinkKind
from ipadmin.models.audit_entry import keys_of
from ipadmin.models.audit_link import FINISHED_KINDS, HIGHEST

CHUNK = 1000
OPENED, FINISHED = LinkKind.OPENED.value, LinkKind.FINISHED.value

Row = dict[str, Any]
Finding = Callable[[Link], Wrong]


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
        # What is searched for, as far as it was found; see `terms`.
        self.terms: set[tuple[str, str]] = set()
        self.fields = [*document.fields(), *keys_of(dict.fromkeys(document.fields(), ""))]

    def step(self) -> bool:
        """About a thousand links or entries further; False at the end. Raises Wrong."""
        if self.state.sequence < self.total:
            self._walk_links()
            return True
        if not self.state.ended:
            self._look_ahead()
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
        ahead = AuditLink.objects.filter(sequence__gt=after, sequence__lte=self.total)
        links, unreadable = _read(ahead)
        proven, wrong = self._proven(links, after, bytes.fromhex(self.state.mac))
        self._compare(links[:proven])
        if wrong or unreadable:
            raise wrong or unreadable  # type: ignore[misc]
        if not links:
            raise missing_link(after + 1, None)
        self.state.sequence, self.state.mac = links[-1].sequence, links[-1].mac.hex()

    def _look_ahead(self) -> None:
        """That the links fit that were added since it began: what they seal, the next one compares.
        Otherwise an entry that was put in meanwhile would pass for sealed."""
        number, previous = self.state.sequence, bytes.fromhex(self.state.mac)
        while True:
            ahead = AuditLink.objects.filter(sequence__gt=number, sequence__lte=HIGHEST)
            links, unreadable = _read(ahead)
            if wrong := self._proven(links, number, previous)[1] or unreadable:
                raise wrong
            if not links:
                return
            number, previous = links[-1].sequence, links[-1].mac

    def _proven(
        self, links: Sequence[Link], number: int, previous: bytes
    ) -> tuple[int, Wrong | None]:
        """How many of the links follow that number and mac, and each other, as they were sealed;
        and what is wrong then."""
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
                    " elsewhere. Compare what was recorded first: if it was copied rightly,"
                    " somebody who has a key has written the chain anew."
                )
        return len(links), None

    def _compare(self, links: Sequence[Link]) -> None:
        """Compare what links seal with what is there."""
        rows, odd = self._rows(links)
        finished = []
        for link in links:
            if link.attempt_id is None:
                self._compare_act(link)
            elif link.details is not None:
                raise Wrong(
                    f"Changed: details were added to link {link.sequence} ({about_link(link)})."
                )
            elif link.attempt_id in odd:
                raise odd[link.attempt_id](link)
            elif link.kind == OPENED:
                self._compare_opening(link, link.attempt_id, rows.get(link.attempt_id))
            elif row := self._compare_finished(link, link.attempt_id, rows.get(link.attempt_id)):
                finished.append(row)
        compare_terms(finished, self.terms)

    def _rows(self, links: Sequence[Link]) -> tuple[dict[str, Row], dict[str, Finding]]:
        """Entries by their attempts, and what is wrong with those that there are not one of."""
        attempts = {link.attempt_id for link in links if link.attempt_id}
        some = AuditEntry.objects.filter(attempt_id__in=attempts).order_by()
        found, unreadable = read(some, self.fields, "attempt_id")
        rows: dict[str, Row] = {}
        odd: dict[str, Finding] = {str(value): unreadable_entry for value in unreadable}
        for values in found:
            row = dict(zip(self.fields, values, strict=True))
            if rows.setdefault(row["attempt_id"], row) is not row:
                odd[row["attempt_id"]] = entry_twice
        odd |= dict.fromkeys(_lost(links, rows.keys() | odd), vanished_entry)
        return rows, odd

    def _compare_opening(self, link: Link, attempt_id: str, row: Row | None) -> None:
        self.state.opened[attempt_id] = link.sequence
        # Without its entry, a later link has finished it, and that one will say why.
        if row is not None and not is_entry_sealed(row, link):
            raise Wrong(
                f"Changed: the entry of {about_entry(row)} is not the one that link"
                f" {link.sequence} sealed when it was opened. Who acted, on what, with what or why"
                " was changed."
            )
        # One that is finished is compared with the link that finished it.
        if row is not None and row["finished_at"] is None:
            _refuse_hidden(row, link)

    def _compare_finished(self, link: Link, attempt_id: str, row: Row | None) -> Row | None:
        """The entry, unless it was pruned."""
        opened = self.state.opened.pop(attempt_id, None)
        pruning = self.removals.of(link.sequence, link.at)
        # Pruned since it was read, it is not there again.
        if row is None or (pruning and not AuditEntry.objects.filter(pk=row["id"]).exists()):
            self._count_pruned(link)
            return None
        if opened is None and link.kind == FINISHED:
            raise Wrong(
                f"Inserted: the entry of {about_entry(row)} was finished by link {link.sequence}"
                " without having been opened. Somebody wrote it past this product."
            )
        if pruning:
            raise Wrong(
                f"Inserted: the entry of {about_entry(row)}, finished by link {link.sequence}, was"
                f" removed by the pruning of link {pruning.sequence} and is there again."
            )
        if not is_entry_sealed(row, link):
            what = "What came of it" if opened else "Something in it"
            raise Wrong(
                f"Changed: the entry of {about_entry(row)} is not as link {link.sequence} sealed it"
                f" when it was finished. {what} was changed."
            )
        _refuse_hidden(row, link)
        self.state.entries += 1
        return row

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
        digest = chain.pruned_digest([line], bytes.fromhex(so_far)).hex()
        self.state.taken[str(pruning.sequence)] = (count + 1, digest)
        self.state.pruned += 1

    def _compare_act(self, link: Link) -> None:
        if not is_sealed(link.details, link):
            raise Wrong(
                f"Changed: what link {link.sequence} ({about_link(link)}) says of an act on the"
                " history is not what was sealed."
            )
        if link.kind != LinkKind.PRUNED or not (pruning := pruning_of(link)):
            return
        count, digest = self.state.taken.pop(str(link.sequence), (0, ""))
        if (count, digest) != (pruning.entries, pruning.digest):
            raise Wrong(
                f"Removed: the pruning of link {link.sequence} says it removed "
                f"{entries(pruning.entries)}, and the chain before it lacks {count:,}: not the same"
                " ones."
            )


def _refuse_hidden(row: Row, link: Link) -> None:
    if not keys_of(row).items() <= row.items():
        raise Wrong(
            f"Changed: the entry of {about_entry(row)}, {link.kind} by link {link.sequence}, says"
            " what it said, but what it is searched by was changed: it hides from those who look"
            " for it."
        )


def _read(ahead: QuerySet[AuditLink]) -> tuple[list[Link], Wrong | None]:
    """The next links, and what is wrong behind them."""
    found, unreadable = read(ahead.order_by("sequence")[:CHUNK], FIELDS, "sequence")
    if not unreadable:
        return [Link(*row) for row in found], None
    stop = unreadable[0]
    links = [link for row in found if (link := Link(*row)).sequence < stop]
    return links, Wrong(f"Changed: link {stop} cannot be read.")


def _lost(links: Sequence[Link], present: set[str]) -> set[str]:
    """Attempts whose entry is gone although no link finished them."""
    kinds: dict[bool, set[str]] = {True: set(), False: set()}
    for link in links:
        if link.attempt_id and link.attempt_id not in present:
            kinds[link.kind in FINISHED_KINDS].add(link.attempt_id)
    gone = kinds[False] - kinds[True]
    return gone - ended(gone)
