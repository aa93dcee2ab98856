"""Reads links and entries for a verification. Data that cannot be read is a Finding that names its
link."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.db import DatabaseError
from django.db.models import QuerySet

from ipadmin.audit import document, rows
from ipadmin.audit.integrity import unreadable
from ipadmin.audit.integrity.chain import LINK_FIELDS, Link
from ipadmin.audit.integrity.findings import Finding, unreadable_entry
from ipadmin.models import AuditEntry, AuditLink, AuditReasonWord, LinkKind
from ipadmin.models.audit_entry import keys_of
from ipadmin.models.audit_reason_word import REASON_WORD

# The raw row, and under REASON_WORD the words of its reason, each with its time.
Entry = dict[str, Any]
WORD_FIELDS = ("entry_id", "word", "created_at")
ERRORS = (*unreadable.UNREADABLE, DatabaseError)


class ChainReader:
    """`limit` is the number of links that are read at once. Each query is written once."""

    def __init__(self, limit: int) -> None:
        links = AuditLink.objects.filter(sequence__gt=0, sequence__lte=0)
        self.limit = limit
        self.fields = [*document.fields(), *keys_of(dict.fromkeys(document.fields(), ""))]
        self._read_links = rows.prepared(links.order_by("sequence")[:limit], LINK_FIELDS)
        finishing = links.exclude(kind=LinkKind.OPENED).values("attempt_id")
        finished = AuditEntry.objects.filter(attempt_id__in=finishing).order_by()
        self._read_finished = rows.prepared(finished, self.fields)
        words = AuditReasonWord.objects.filter(entry_id__in=finished.values("id"))
        self._read_words = rows.prepared(words, WORD_FIELDS)

    def links(self, after: int, last: int) -> list[Link]:
        """The next links after one number, up to another."""
        try:
            found = self._read_links(after, last)
        except ERRORS:
            window = AuditLink.objects.filter(sequence__gt=after, sequence__lte=last)
            window = window.order_by("sequence")[: self.limit]
            found, broken = unreadable.read(window, LINK_FIELDS, "sequence")
            if broken:
                raise Finding(f"Changed: link {str(broken[0])[:40]} cannot be read.") from None
        return [Link._make(row) for row in found]

    def finished(self, links: Sequence[Link]) -> dict[str, Entry]:
        """The entries that these consecutive links finished, by attempt id."""
        range_and_kind = links[0].sequence - 1, links[-1].sequence, LinkKind.OPENED.value
        return _with_words(
            self._by_attempt(links, lambda: self._read_finished(*range_and_kind)),
            lambda: self._read_words(*range_and_kind),
        )

    def entries(self, links: Sequence[Link]) -> dict[str, Entry]:
        """The entries of these links, by attempt id."""
        stored = self._by_attempt(links, lambda: rows.rows(_entries_of(links), self.fields))
        ids = [entry["id"] for entry in stored.values()]
        words = AuditReasonWord.objects.filter(entry_id__in=ids)
        return _with_words(stored, lambda: rows.rows(words, WORD_FIELDS))

    def _by_attempt(
        self, links: Sequence[Link], read: Callable[[], Iterable[rows.Row]]
    ) -> dict[str, Entry]:
        stored: dict[str, Entry] = {}
        try:
            for row in read():
                entry = dict(zip(self.fields, row, strict=True))
                if stored.setdefault(entry["attempt_id"], entry) is not entry:
                    raise Finding(
                        f"Inserted: there are two entries of attempt {entry['attempt_id']}. One of"
                        " them was not written by IP admin."
                    )
        except ERRORS as error:
            _found, broken = unreadable.read(_entries_of(links), self.fields, "attempt_id")
            if broken:
                by_attempt = {link.attempt_id: link for link in links}
                raise unreadable_entry(by_attempt[str(broken[0])]) from error
            raise
        return stored


def _with_words(
    stored: dict[str, Entry], read: Callable[[], Iterable[rows.Row]]
) -> dict[str, Entry]:
    by_id = {entry["id"]: entry for entry in stored.values()}
    for entry in by_id.values():
        entry[REASON_WORD] = set()
    for id, *word in read():
        if id in by_id:  # not pruned or added since
            by_id[id][REASON_WORD].add(tuple(word))
    return stored


def _entries_of(links: Sequence[Link]) -> QuerySet[AuditEntry]:
    attempts = [link.attempt_id for link in links if link.attempt_id]
    return AuditEntry.objects.filter(attempt_id__in=attempts).order_by()
