"""What the history is asked: filters and a typed text, as conditions whose cost is known.

The database is never left to guess. `AuditValueCounter` tells how often a value occurs, and
`pages.find` begins with the rarest condition.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, reduce
from itertools import accumulate
from operator import or_
from uuid import UUID

from django.db.models import Q, Sum

from ipadmin.models import AuditValueCounter
from ipadmin.models.search_keys import Range, address_of, folded, ranges_in

# Up to so many values of a range are looked up one by one, each in the order of time.
FEW = 8
# More than this is many: what it does not exceed is read as a whole and sorted.
MANY = 2_000
# After every character that a text can go on with.
LAST = "\U0010ffff"
ID = re.compile(r"[a-z]{2,12}_[A-Za-z0-9]{4,}")
REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{8,64}")
OPEN = Q(finished_at=None)
NAMES = ("user_name_key", "allocation_name_key", "reverse_dns_key")


@dataclass(frozen=True, slots=True)
class Stream:
    """Entries with one value of one field, which an index has in the order of time. Or those that
    meet `q` among the few that meet `base`."""

    q: Q
    # How many finished entries match; where nobody counts, few are taken for granted.
    attempts: int = 0
    base: Q | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """One filter: `q`, and the streams that together hold the same entries. There are none where
    the values are too many to be looked up one by one."""

    q: Q
    attempts: int
    streams: tuple[Stream, ...] = ()


@dataclass(frozen=True)
class Search:
    """Everything a reader may ask for at once. Empty means all; moments in UTC."""

    since: datetime | None = None
    until: datetime | None = None  # excluded
    people: Sequence[str] = ()  # folded names
    tokens: Sequence[UUID] = ()
    organizations: Sequence[str] | None = None  # keys; empty: nobody's
    # Whether these are all that the reader may see of.
    is_narrowed: bool = False
    environment: str = ""
    outcomes: Sequence[str] = ()
    error_code: str = ""
    typed: Condition | None = None

    @property
    def period(self) -> Q:
        q = Q()
        if self.since:
            q &= Q(created_at__gte=self.since)
        if self.until:
            q &= Q(created_at__lt=self.until)
        return q

    @property
    def values(self) -> dict[str, Sequence[str | UUID]]:
        """The chosen values by field."""
        chosen: dict[str, Sequence[str | UUID]] = {
            "user_name_key": self.people,
            "token_id": self.tokens,
            "environment": [self.environment] if self.environment else [],
            "outcome": self.outcomes,
            "error_code": [self.error_code] if self.error_code else [],
        }
        given: dict[str, Sequence[str | UUID]] = {
            name: values for name, values in chosen.items() if values
        }
        if self.organizations is not None:
            given["organization_key"] = self.organizations
        return given

    @property
    def q(self) -> Q:
        """The whole search as one condition, for whoever reads every match."""
        q = self.period
        for name, values in self.values.items():
            q &= Q(**{f"{name}__in": values})
        return q & self.typed.q if self.typed else q

    @cached_property
    def conditions(self) -> list[Condition]:
        """Each filter with what it costs, the rarest first. One query.

        For a narrowed reader their organizations come before all that many entries have: how far
        another filter was looked through would tell how often others' entries meet it.
        """
        counts = _attempts([(n, str(v)) for n, values in self.values.items() for v in values])
        found = {
            name: _any(
                Stream(Q(**{name: value}), counts.get((name, str(value)), 0)) for value in values
            )
            for name, values in self.values.items()
        }
        if self.typed:
            found["typed"] = self.typed
        own = found.get("organization_key") if self.is_narrowed else None
        return sorted(
            found.values(),
            key=lambda each: (
                bool(own) and each is not own and each.attempts > MANY,
                each.attempts,
            ),
        )


@dataclass(frozen=True, slots=True)
class Understood:
    """What was made of a typed text: words for the reader, and the condition."""

    text: str
    condition: Condition = field(default_factory=lambda: Condition(Q(pk=None), 0))


def understand(typed: str) -> Understood:
    """Find out what somebody means by what they typed, from its form alone: what others' entries
    hold must not show in it. Eight queries at most, however much the history holds."""
    typed = typed.strip()
    if ranges := ranges_in(typed):
        parts = [_range("address_key", each) for each in ranges]
        return Understood(_addresses(typed, ranges), _union(parts))
    streams = _exactly(typed)
    is_id = bool(ID.fullmatch(typed))
    if is_id and typed[: typed.index("_")] in {"ip", "vm", "lb", "org", "id"}:
        return Understood(f"the id {typed}", _any(streams))
    names = [_range(name, (folded(typed), folded(typed) + LAST)) for name in NAMES]
    text = f"names that begin with “{typed}”, error codes and request ids"
    if is_id:
        text = f"the id or code {typed}, and names that begin with it"
    return Understood(text, _union([_any(streams), *names]))


def _addresses(typed: str, ranges: list[Range]) -> str:
    first, last = ranges[0]
    if first == last and len(ranges) == 1:
        return f"the address {address_of(first)}"
    if "/" in typed:
        return f"addresses from {address_of(first)} to {address_of(last)}"
    return f"addresses that begin with {typed}"


def _exactly(typed: str) -> list[Stream]:
    """The fields of which this may be the whole value."""
    key = folded(typed)
    counted = [("allocation_id_key", key), ("organization_key", key), ("error_code", key)]
    try:
        uuid = UUID(typed)
    except ValueError:
        request_ids = [typed] if REQUEST_ID.fullmatch(typed) else []
        attempts = []
    else:
        # Ours are written without dashes, Katapult's with them.
        request_ids = sorted({typed, str(uuid), uuid.hex})
        attempts = [Stream(Q(attempt_id=uuid))]
        counted.append(("token_id", str(uuid)))
    counts = _attempts(counted)
    streams = [Stream(Q(**{n: v}), counts[n, v]) for n, v in counted if (n, v) in counts]
    streams.append(_open(reduce(or_, (Q(**{n: v}) for n, v in counted))))
    if typed.startswith("ip_"):
        streams.append(Stream(Q(address_id=typed)))
    streams += attempts
    for each in request_ids:
        streams += [Stream(Q(request_id=each)), Stream(Q(katapult_request_id=each))]
    return streams


def _attempts(values: list[tuple[str, str]]) -> dict[tuple[str, str], int]:
    if not values:
        return {}
    q = reduce(or_, (Q(field=field, value=value) for field, value in values))
    terms = AuditValueCounter.objects.filter(q).values_list("field", "value", "attempts")
    return {(field, value): attempts for field, value, attempts in terms}


def _range(name: str, ends: Range) -> Condition:
    """Entries with a value in a range of one field."""
    first, last = ends
    q = Q(**{f"{name}__gte": first, f"{name}__lte": last})
    terms = AuditValueCounter.objects.filter(field=name, value__gte=first, value__lte=last)
    found = terms.order_by("value").values_list("value", "attempts")[: FEW + 1]
    if len(found) <= FEW:
        streams = [Stream(Q(**{name: value}), attempts) for value, attempts in found]
        return Condition(q, sum(each.attempts for each in streams), (*streams, _open(q)))
    # More than MANY values have more than MANY entries: how many more does not matter.
    some = terms.order_by()[: MANY + 1].aggregate(sum=Sum("attempts"))["sum"]
    return Condition(q, some, (Stream(q, some, base=q),) if some <= MANY else ())


def _open(q: Q) -> Stream:
    """What is not finished is not counted yet. It is little, and has an index of its own."""
    return Stream(OPEN & q, base=OPEN)


def _any(streams: Iterable[Stream]) -> Condition:
    streams = tuple(streams)
    return Condition(_or(streams), sum(each.attempts for each in streams), _gathered(streams))


def _union(conditions: list[Condition]) -> Condition:
    """One condition of several, with streams only where all have them and they are few."""
    streams = tuple(stream for each in conditions for stream in each.streams)
    gathered = _gathered(streams) if all(each.streams for each in conditions) else ()
    attempts = sum(each.attempts for each in conditions)
    return Condition(_or(conditions), attempts, gathered if len(gathered) <= 2 * FEW else ())


def _gathered(streams: tuple[Stream, ...]) -> tuple[Stream, ...]:
    """The same entries in fewer streams: all that are open are one, and so are the rarest."""
    still_open = [each for each in streams if each.base == OPEN]
    finished = dict.fromkeys(each for each in streams if each.base != OPEN)
    others = sorted(finished, key=lambda each: each.attempts)
    totals = accumulate(each.attempts for each in others)
    rare = others[: sum(total <= MANY for total in totals)]
    many = others[len(rare) :]
    if len(rare) > 1 or not streams:
        q = _or(rare)
        rare = [Stream(q, sum(each.attempts for each in rare), base=q)]
    if still_open:
        rare.append(Stream(_or(still_open), base=OPEN))
    return (*many, *rare)


def _or(parts: Iterable[Stream | Condition]) -> Q:
    return reduce(or_, (each.q for each in parts), Q(pk__in=[]))
