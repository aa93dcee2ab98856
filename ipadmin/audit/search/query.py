"""What a reader asks the history for: filters, and the meaning of a search text.

Nothing here queries the database: `plan.py` does, to find the cheapest way to the matches.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import and_, or_
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from ipadmin.models import AuditReasonWord
from ipadmin.models.audit_reason_word import REASON_WORD
from ipadmin.models.search_keys import KeyRange, address_of, folded, key_ranges, reason_words

# Upper bound of prefix ranges: the highest code point.
HIGHEST_CHARACTER = "\U0010ffff"
OBJECT_ID = re.compile(r"([a-z]{2,12})_[A-Za-z0-9]{4,}")
# Prefixes of Katapult's ids of addresses, machines, load balancers and organizations. [seen]
KATAPULT_ID_PREFIXES = {"ip", "vm", "lb", "org", "id"}
REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{8,64}")
FIELDS_WITH_PREFIX_SEARCH = ("allocation_name_key", "reverse_dns_key")


@dataclass(frozen=True, slots=True)
class ValueRange:
    """The values of one field from `first` to `last`, both included. With the field REASON_WORD,
    entries with such a word in their reason."""

    field: str
    first: str
    last: str

    @property
    def is_one_value(self) -> bool:
        return self.first == self.last

    @property
    def q(self) -> Q:
        if self.field == REASON_WORD:
            words = AuditReasonWord.objects.filter(self.within("word"), entry_id=OuterRef("pk"))
            return Q(Exists(words))
        return self.within(self.field)

    def within(self, column: str) -> Q:
        if self.is_one_value:
            return Q(**{column: self.first})
        return Q(**{f"{column}__gte": self.first, f"{column}__lte": self.last})


@dataclass(frozen=True, slots=True)
class Interpretation:
    """The meaning of a search text: a description for the reader, and the ranges, of which an entry
    matches one or more, or else all `words`, or is of one of `people` (ids of accounts)."""

    text: str
    ranges: tuple[ValueRange, ...]
    words: tuple[ValueRange, ...] = ()
    people: tuple[int, ...] = ()

    @property
    def q(self) -> Q:
        others = [all_of([each.q for each in self.words])] if self.words else []
        others += [Q(user_id__in=self.people)] if self.people else []
        return any_of([*(each.q for each in self.ranges), *others])


@dataclass(frozen=True)
class Search:
    """All filters of the history; empty means any. Times in UTC."""

    since: datetime | None = None
    until: datetime | None = None  # excluded
    people: Sequence[int] | None = None  # ids of accounts; an empty sequence matches no entry
    tokens: Sequence[UUID] = ()
    organizations: Sequence[str] | None = None  # keys; as people
    # The reader may see only entries of `organizations`.
    is_narrowed: bool = False
    environment: str = ""
    actions: Sequence[str] = ()
    run: UUID | None = None
    outcomes: Sequence[str] = ()
    error_code: str = ""
    interpretation: Interpretation | None = None

    @property
    def period(self) -> Q:
        q = Q()
        if self.since:
            q &= Q(created_at__gte=self.since)
        if self.until:
            q &= Q(created_at__lt=self.until)
        return q

    @property
    def values(self) -> dict[str, Sequence[str | UUID | int]]:
        """The chosen values by field."""
        chosen: dict[str, Sequence[str | UUID | int]] = {
            "token_id": self.tokens,
            "environment": [self.environment] if self.environment else [],
            "action": self.actions,
            "run_id": [self.run] if self.run else [],
            "outcome": self.outcomes,
            "error_code": [self.error_code] if self.error_code else [],
        }
        chosen = {field: values for field, values in chosen.items() if values}
        if self.people is not None:
            chosen["user_id"] = self.people
        if self.organizations is not None:
            chosen["organization_key"] = self.organizations
        return chosen

    @property
    def q(self) -> Q:
        """The whole search as one condition, for code that reads every match."""
        q = self.period
        for field, values in self.values.items():
            q &= Q(**{f"{field}__in": values})
        return q & self.interpretation.q if self.interpretation else q


def interpret(
    text: str, people: Callable[[str], Sequence[int]] = lambda _name: ()
) -> Interpretation:
    """What a search text means: an address, a network, an address prefix, an id, or a name and the
    words of a reason, of which the last may be the beginning of a word.

    Decided by the form of the text alone: the answer must not reveal values of entries that the
    reader may not see. `people` finds the accounts whose names begin with a text.
    """
    text = text.strip()
    if addresses := key_ranges(text):
        ranges = [ValueRange("address_key", first, last) for first, last in addresses]
        return Interpretation(_describe_addresses(text, addresses), tuple(ranges))
    exact = _exact_values(text)
    object_id = OBJECT_ID.fullmatch(text)
    if object_id and object_id[1] in KATAPULT_ID_PREFIXES:
        return Interpretation(f"the id {text}", tuple(exact))
    key = folded(text)
    names = [ValueRange(f, key, key + HIGHEST_CHARACTER) for f in FIELDS_WITH_PREFIX_SEARCH]
    *whole, last = reason_words(text) or [""]
    words = [ValueRange(REASON_WORD, word, word) for word in whole]
    words += [ValueRange(REASON_WORD, last, last + HIGHEST_CHARACTER)] if last else []
    reasons = f", reasons with the {'words' if whole else 'word'}" if last else ""
    description = f"names that begin with “{text}”{reasons}, error codes and request ids"
    if object_id:
        description = f"the id or code {text}, names that begin with it{reasons}"
    return Interpretation(description, (*exact, *names), tuple(words), tuple(people(text)))


def _describe_addresses(text: str, ranges: list[KeyRange]) -> str:
    first, last = ranges[0]
    if first == last and len(ranges) == 1:
        return f"the address {address_of(first)}"
    if "/" in text:
        return f"addresses from {address_of(first)} to {address_of(last)}"
    return f"addresses that begin with {text}"


def _exact_values(text: str) -> list[ValueRange]:
    """The fields of which the text can be the whole value."""
    wholes = ("allocation_id_key", "organization_key", "error_code")
    values = [(field, folded(text)) for field in wholes]
    if text.startswith("ip_"):
        values.append(("address_id", text))
    request_ids = [text] if REQUEST_ID.fullmatch(text) else []
    with suppress(ValueError):
        uuid = UUID(text)
        values += [("token_id", str(uuid)), ("attempt_id", str(uuid))]
        # IP admin writes request ids without dashes, Katapult with dashes.
        request_ids = sorted({text, str(uuid), uuid.hex})
    fields = ("request_id", "katapult_request_id")
    values += [(field, each) for each in request_ids for field in fields]
    return [ValueRange(field, value, value) for field, value in values]


def all_of(conditions: Sequence[Q]) -> Q:
    """Entries that meet every condition; all entries if there are no conditions."""
    return reduce(and_, conditions, Q())


def any_of(conditions: Sequence[Q]) -> Q:
    """Entries that meet one condition or more; none if there are no conditions."""
    return reduce(or_, conditions) if conditions else Q(pk__in=[])
