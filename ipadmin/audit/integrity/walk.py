"""One pass over the hash chain, in constant memory: each link and what it seals, the end of the
chain, entries without a link, and the indexes that lists use. It stops at the first problem.

Only links that exist when it begins are followed; entries and prunings that are added meanwhile are
no problem.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import structlog
from django.db import DatabaseError, connection
from django.db.models import QuerySet

from ipadmin import crypto
from ipadmin.audit import document, rows
from ipadmin.audit.integrity import chain, chain_end, indexes, unreadable
from ipadmin.audit.integrity.checkpoint import Checkpoint
from ipadmin.audit.integrity.findings import (
    LINK_FIELDS,
    Finding,
    Link,
    about_entry,
    about_link,
    bad_link,
    entries,
    fits,
    is_sealed,
    missing_link,
    unreadable_entry,
    unreadable_link,
)
from ipadmin.audit.integrity.prunings import Prunings, pruning_of
from ipadmin.audit.integrity.value_counters import compare_value_counters
from ipadmin.models import AuditEntry, AuditLink, LinkKind
from ipadmin.models.audit_entry import keys_of
from ipadmin.models.audit_link import HIGHEST

LINKS_PER_CHUNK = 2000
# What reading or comparing a row of unexpected types raises.
UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
OPENED, FINISHED = LinkKind.OPENED.value, LinkKind.FINISHED.value

Row = dict[str, Any]
# Called several times a second with the links that are done and those that there are.
Progress = Callable[[int, int], None]

log = structlog.get_logger(__name__)


class Walk:
    """`run` raises Finding for the first problem; `finding` returns its text."""

    def __init__(self, checkpoint: Checkpoint | None, progress: Progress) -> None:
        self.checkpoint, self.progress = checkpoint, progress
        self.keys = crypto.audit_keys()
        self.fields = [*document.fields(), *keys_of(dict.fromkeys(document.fields(), ""))]
        self.total = chain_end.last_sequence()
        # The last link that was verified.
        self.sequence, self.seal = 0, b""
        # Attempts that are not finished so far, and the link that opened each.
        self.opened: dict[str, int] = {}
        # By the link of a pruning that follows: number and digest of the missing entries so far.
        self.missing: dict[int, tuple[int, bytes]] = {}
        # Entries that are as they were sealed, and entries that were pruned.
        self.entries = self.pruned = 0
        # What is being read, for `_locate`.
        self.link: Link | None = None
        self.reading = "the chain"

    def finding(self) -> str:
        """The first problem; empty when there is none. Raises DatabaseError when the database does
        not answer."""
        try:
            self.run()
        except Finding as found:
            return str(found)
        except (DatabaseError, *UNREADABLE) as error:
            return str(self._locate(error))
        return ""

    def run(self) -> None:
        self.prunings = Prunings(self.keys)
        while self.sequence < self.total:
            self._verify_chunk()
            self.progress(self.sequence, self.total)
        self._verify_later_links()
        self.reading = "the row that stores the end of the chain"
        chain_end.compare_end(self.total, self.checkpoint)
        self.reading = "an entry that is still open"
        chain_end.compare_open(self.opened)
        self.entries += len(self.opened)
        self.reading = "an entry without a link"
        chain_end.compare_unlinked()
        self.reading = "an index of the history"
        indexes.compare_indexes()
        self.reading = "a value counter"
        compare_value_counters()

    def _verify_chunk(self) -> None:
        after = self.sequence
        links = _read(AuditLink.objects.filter(sequence__gt=after, sequence__lte=self.total))
        if not links:
            raise missing_link(after + 1, None)
        count, finding = self._count_fitting(links, after, self.seal)
        self._compare(links[:count])
        if finding:
            raise finding
        self.sequence, self.seal = links[-1].sequence, links[-1].seal

    def _verify_later_links(self) -> None:
        """The seals of links that were added since it began; the next verification compares what
        they seal. Otherwise a forged link would make an inserted entry look sealed."""
        number, previous = self.sequence, self.seal
        while links := _read(AuditLink.objects.filter(sequence__gt=number, sequence__lte=HIGHEST)):
            _count, finding = self._count_fitting(links, number, previous)
            if finding:
                raise finding
            number, previous = links[-1].sequence, links[-1].seal

    def _count_fitting(
        self, links: Sequence[Link], number: int, previous: bytes
    ) -> tuple[int, Finding | None]:
        """How many of the links follow that number and seal, and each other, and why the next one
        does not."""
        for index, link in enumerate(links):
            number += 1
            if link.sequence != number:
                return index, missing_link(number, link.sequence)
            key = self.keys.get(link.key_id)
            if not key or not fits(link, key, sequence=number, previous=previous):
                return index, bad_link(link, links[index + 1 :], self.keys, previous)
            previous = link.seal
            known = self.checkpoint
            if known and number == known.sequence and previous != known.seal:
                return index, Finding(
                    f"Changed: link {number} ({about_link(link)}) is not the one of the checkpoint."
                    " If the checkpoint was copied correctly, someone with a key has rewritten the"
                    " chain."
                )
        return len(links), None

    def _compare(self, links: Sequence[Link]) -> None:
        """Compare what links seal with what is stored."""
        if not links:
            return
        stored = self._stored_entries(links[0].sequence, links[-1].sequence)
        for link in links:
            self.link = link
            if link.attempt_id is None:
                self._compare_activity(link)
            elif link.details is not None:
                raise Finding(
                    f"Changed: details were added to link {link.sequence} ({about_link(link)})."
                )
            elif link.kind == OPENED:
                self._compare_opened(link, link.attempt_id, stored.get(link.attempt_id))
            else:
                self._compare_finished(link, link.attempt_id, stored.get(link.attempt_id))
        self.link = None

    def _stored_entries(self, first: int, last: int) -> dict[str, Row]:
        """The entries of these links by attempt id."""
        links = AuditLink.objects.filter(sequence__gte=first, sequence__lte=last)
        found = AuditEntry.objects.filter(attempt_id__in=links.values("attempt_id")).order_by()
        stored: dict[str, Row] = {}
        for row in rows.dicts(found, self.fields):
            if stored.setdefault(row["attempt_id"], row) is not row:
                raise Finding(
                    f"Inserted: there are two entries of attempt {row['attempt_id']}. One of them"
                    " was not written by IP admin."
                )
        return stored

    def _compare_opened(self, link: Link, attempt_id: str, row: Row | None) -> None:
        self.opened[attempt_id] = link.sequence
        # Without an entry: a later link has finished it, and what is missing is compared there.
        if row is None:
            return
        if chain.digest_of(OPENED, row) != link.digest:
            raise Finding(
                f"Changed: the entry of {about_entry(row)} is not the one that link"
                f" {link.sequence} sealed when it was opened. Who acted, on what, with what or why"
                " was changed."
            )
        if row["finished_at"] is None:
            _compare_search_keys(row, link)

    def _compare_finished(self, link: Link, attempt_id: str, row: Row | None) -> None:
        opened = self.opened.pop(attempt_id, None)
        pruning = self.prunings.of(link.sequence, link.at)
        # An entry may have been pruned since it was read.
        if row is None or (pruning and not AuditEntry.objects.filter(pk=row["id"]).exists()):
            self._count_pruned(link)
            return
        if opened is None:
            raise Finding(
                f"Inserted: the entry of {about_entry(row)} was finished by link {link.sequence}"
                " without having been opened. It was not written by IP admin."
            )
        if pruning:
            raise Finding(
                f"Inserted: the entry of {about_entry(row)}, finished by link {link.sequence}, was"
                f" removed by the pruning of link {pruning.sequence} and is there again."
            )
        if chain.digest_of(FINISHED, row) != link.digest:
            raise Finding(
                f"Changed: the entry of {about_entry(row)} is not as link {link.sequence} sealed it"
                " when it was finished. Its outcome was changed."
            )
        _compare_search_keys(row, link)
        self.entries += 1

    def _count_pruned(self, link: Link) -> None:
        pruning = self.prunings.of(link.sequence, link.at)
        if pruning is None:
            # It may have been pruned since the prunings were read.
            self.prunings = Prunings(self.keys)
            pruning = self.prunings.of(link.sequence, link.at)
        if pruning is None:
            raise Finding(
                f"Removed: the entry of link {link.sequence} ({about_link(link)}) is missing, and"
                " no sealed pruning has removed it."
            )
        count, digest = self.missing.get(pruning.sequence, (0, b""))
        digest = chain.pruned_digest([(link.sequence, str(link.attempt_id))], digest)
        self.missing[pruning.sequence] = (count + 1, digest)
        self.pruned += 1

    def _compare_activity(self, link: Link) -> None:
        if not is_sealed(link.details, link):
            raise Finding(
                f"Changed: the activity of link {link.sequence} ({about_link(link)}) is not what"
                " was sealed."
            )
        if link.kind != LinkKind.PRUNED or not (pruning := pruning_of(link)):
            return
        count, digest = self.missing.pop(link.sequence, (0, b""))
        if (count, digest.hex()) != (pruning.entries, pruning.digest):
            raise Finding(
                f"Removed: the pruning of link {link.sequence} says that it removed"
                f" {entries(pruning.entries)}, and {count:,} of the entries before it are missing:"
                " not the same ones."
            )

    def _locate(self, error: Exception) -> Finding:
        """Where the data is that raised an error when it was read or compared. Raises the error
        when it says nothing about the data, as when the database does not answer."""
        if isinstance(error, DatabaseError) and not connection.is_usable():
            raise error
        log.error("verification_cannot_read", after=self.sequence, exc_info=error)
        if self.link:
            return unreadable_entry(self.link)
        if self.reading == "the chain":
            window = AuditLink.objects.filter(sequence__gt=self.sequence).order_by("sequence")
            found, broken = unreadable.read(window[:LINKS_PER_CHUNK], LINK_FIELDS, "sequence")
            if broken:
                return unreadable_link(broken[0])
            by_attempt = {row[2]: Link(*row) for row in found if row[2]}
            some = AuditEntry.objects.filter(attempt_id__in=by_attempt).order_by()
            _found, broken = unreadable.read(some, self.fields, "attempt_id")
            if broken:
                return unreadable_entry(by_attempt[str(broken[0])])
        if isinstance(error, DatabaseError) and self.reading == "the chain":
            raise error
        return Finding(f"Changed: {self.reading} cannot be read ({type(error).__name__}).")


def _compare_search_keys(row: Row, link: Link) -> None:
    if not keys_of(row).items() <= row.items():
        raise Finding(
            f"Changed: the entry of {about_entry(row)}, {link.kind} by link {link.sequence}, is as"
            " it was sealed, but what it is searched by was changed: searches do not find it."
        )


def _read(links: QuerySet[AuditLink]) -> list[Link]:
    return [
        Link(*row) for row in rows.rows(links.order_by("sequence")[:LINKS_PER_CHUNK], LINK_FIELDS)
    ]
