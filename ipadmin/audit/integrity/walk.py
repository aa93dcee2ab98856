"""One pass over the hash chain, in constant memory: each link and what it seals, the end of the
chain, entries without a link, and the indexes that lists use. It stops at the first problem.

Only links that exist when it begins are followed; entries and prunings that are added meanwhile are
no problem. Each entry is read once, with the link that finished it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice

import structlog
from django.db import DatabaseError, connection

from ipadmin import crypto
from ipadmin.audit import rows
from ipadmin.audit.integrity import chain, chain_end, indexes
from ipadmin.audit.integrity.chain import Link
from ipadmin.audit.integrity.chain_reader import ChainReader, Entry
from ipadmin.audit.integrity.checkpoint import Checkpoint
from ipadmin.audit.integrity.findings import (
    Finding,
    about_entry,
    about_link,
    bad_link,
    count_of,
    missing_link,
    unreadable_entry,
)
from ipadmin.audit.integrity.prunings import Prunings, pruning_of
from ipadmin.models import AuditEntry, AuditLink, LinkKind
from ipadmin.models.audit_entry import keys_of
from ipadmin.models.audit_link import HIGHEST
from ipadmin.models.audit_reason_word import REASON_WORD
from ipadmin.models.search_keys import reason_words

# Few enough that the entries of a chunk stay in the cache of the processor.
LINKS_PER_CHUNK = 400
# What reading or comparing a row of unexpected types raises.
UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
OPENED, FINISHED = LinkKind.OPENED.value, LinkKind.FINISHED.value

# Called several times a second with the links that are done and those that there are.
Progress = Callable[[int, int], None]

log = structlog.get_logger(__name__)


class Walk:
    """`run` raises Finding for the first problem; `finding` returns its text."""

    def __init__(self, checkpoint: Checkpoint | None, progress: Progress) -> None:
        self.checkpoint, self.progress = checkpoint, progress
        self.keys = crypto.audit_keys()
        self.reader = ChainReader(LINKS_PER_CHUNK)
        self.total = chain_end.last_sequence()
        # The last link that was verified.
        self.sequence, self.seal = 0, b""
        # Attempts that are not finished so far, each with the link that opened it.
        self.opened: dict[str, Link] = {}
        # By the link of a pruning that follows: number and digest of the missing entries so far.
        self.missing: dict[int, tuple[int, bytes]] = {}
        # Entries that are as they were sealed, and entries that were pruned.
        self.entries = self.pruned = 0
        # For the finding about data that cannot be read.
        self.reading = "the chain"

    def finding(self) -> str:
        """The first problem; empty when there is none. Raises DatabaseError when the database does
        not answer."""
        try:
            self.run()
        except Finding as found:
            return str(found)
        except (DatabaseError, *UNREADABLE) as error:
            is_database = isinstance(error, DatabaseError)
            if is_database and (self.reading == "the chain" or not connection.is_usable()):
                raise
            log.exception("verification_cannot_read", after=self.sequence)
            return f"Changed: {self.reading} cannot be read ({type(error).__name__})."
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
        self._compare_open()
        self.reading = "an entry without a link"
        chain_end.compare_unlinked()
        self.reading = "an index of the history"
        indexes.compare_indexes()
        self.reading = "a value counter"
        indexes.compare_value_counters()

    def _verify_chunk(self) -> None:
        links = self.reader.links(self.sequence, self.total)
        if not links:
            raise missing_link(self.sequence + 1, None)
        count, finding = self._count_fitting(links, self.sequence, self.seal)
        self._compare(links[:count])
        if finding:
            raise finding
        self.sequence, self.seal = links[-1].sequence, links[-1].seal

    def _verify_later_links(self) -> None:
        """The seals of links that were added since it began; the next verification compares what
        they seal. Otherwise a forged link would make an inserted entry look sealed."""
        number, previous = self.sequence, self.seal
        while links := self.reader.links(number, HIGHEST):
            _count, finding = self._count_fitting(links, number, previous)
            if finding:
                raise finding
            number, previous = links[-1].sequence, links[-1].seal

    def _count_fitting(
        self, links: Sequence[Link], number: int, previous: bytes
    ) -> tuple[int, Finding | None]:
        """How many of the links follow that number and seal, and each other, and why the next one
        does not."""
        keys, known = self.keys, self.checkpoint
        for index, link in enumerate(links):
            number += 1
            if link.sequence != number:
                return index, missing_link(number, link.sequence)
            key = keys.get(link.key_id)
            if not key or not link.is_sealed_by(key, previous):
                return index, bad_link(link, links[index + 1 :], keys, previous)
            previous = link.seal
            if known and number == known.sequence and previous != known.seal:
                return index, Finding(
                    f"Changed: link {number} ({about_link(link)}) is not the one of the checkpoint."
                    " If the checkpoint was copied correctly, someone with a key has rewritten the"
                    " chain."
                )
        return len(links), None

    def _compare(self, links: Sequence[Link]) -> None:
        """Compare what links seal with what is stored."""
        stored = self.reader.finished(links) if links else {}
        for link in links:
            try:
                if link.attempt_id is None:
                    self._compare_activity(link)
                elif link.details is not None:
                    raise Finding(
                        f"Changed: details were added to link {link.sequence} ({about_link(link)})."
                    )
                elif link.kind == OPENED:
                    self.opened[link.attempt_id] = link
                else:
                    self._compare_finished(link, stored.get(link.attempt_id))
            except UNREADABLE as error:
                raise unreadable_entry(link) from error

    def _compare_finished(self, link: Link, entry: Entry | None) -> None:
        opened = self.opened.pop(str(link.attempt_id), None)
        pruning = self.prunings.of(link.sequence, link.at)
        # An entry may have been pruned since it was read.
        if entry is None or (pruning and not AuditEntry.objects.filter(pk=entry["id"]).exists()):
            self._count_pruned(link)
            return
        if opened is None:
            raise Finding(
                f"Inserted: the entry of {about_entry(entry)} was finished by link {link.sequence}"
                " without having been opened. It was not written by IP admin."
            )
        if pruning:
            raise Finding(
                f"Inserted: the entry of {about_entry(entry)}, finished by link {link.sequence},"
                f" was removed by the pruning of link {pruning.sequence} and is there again."
            )
        # Whoever sealed it compared it with the opening link, so that this comparison is enough.
        if chain.digest_of(FINISHED, entry) != link.digest:
            _compare_opening(opened, entry)
            raise Finding(
                f"Changed: the entry of {about_entry(entry)} is not as link {link.sequence} sealed"
                " it when it was finished. Its outcome was changed."
            )
        _compare_search_keys(link, entry)
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
        if not link.seals_details():
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
                f" {count_of(pruning.entries)}, and {count:,} of the entries before it are missing:"
                " not the same ones."
            )

    def _compare_open(self) -> None:
        """That entries without a finishing link are still there and open, or were finished since,
        and are as they were opened."""
        upcoming = iter(self.opened.values())
        while links := list(islice(upcoming, LINKS_PER_CHUNK)):
            entries = self.reader.entries(links)
            finished = _finished_since(links, entries)
            for link in links:
                entry = entries.get(str(link.attempt_id))
                if entry:
                    _compare_opening(link, entry)
                if link.attempt_id in finished:
                    continue
                if not entry:
                    raise Finding(
                        f"Removed: attempt {link.attempt_id} was opened by link {link.sequence},"
                        " and its entry is missing without an outcome."
                    )
                if entry["finished_at"] is not None:
                    raise Finding(
                        f"Changed: attempt {link.attempt_id}, opened by link {link.sequence}, was"
                        " finished without a seal. Its outcome was not written by IP admin."
                    )
                _compare_search_keys(link, entry)
        self.entries += len(self.opened)


def _finished_since(links: Sequence[Link], entries: Mapping[str, Entry]) -> set[str]:
    """The attempts that have a finishing link by now, of those that are not open."""
    ids = [link.attempt_id for link in links if link.attempt_id]
    not_open = [id for id in ids if id not in entries or entries[id]["finished_at"] is not None]
    found = AuditLink.objects.filter(attempt_id__in=not_open, kind=LinkKind.FINISHED).order_by()
    return {attempt_id for (attempt_id,) in rows.rows(found, ("attempt_id",))}


def _compare_opening(link: Link, entry: Entry) -> None:
    if chain.digest_of(OPENED, entry) != link.digest:
        raise Finding(
            f"Changed: the entry of {about_entry(entry)} is not the one that link {link.sequence}"
            " sealed when it was opened. Who acted, on what, with what or why was changed."
        )


def _compare_search_keys(link: Link, entry: Entry) -> None:
    words = {(word, entry["created_at"]) for word in reason_words(entry["reason"])}
    if not keys_of(entry).items() <= entry.items() or words != entry[REASON_WORD]:
        raise Finding(
            f"Changed: the entry of {about_entry(entry)}, {link.kind} by link {link.sequence}, is"
            " as it was sealed, but what it is searched by was changed: searches do not find it."
        )
