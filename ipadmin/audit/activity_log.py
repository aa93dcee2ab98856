"""The activity log: pages of the links that seal activity, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from ipadmin.audit.activity import ACCOUNTS, AUTHENTICATION
from ipadmin.audit.integrity import unreadable
from ipadmin.models import AuditLink, LinkKind, User
from ipadmin.models.audit_link import HIGHEST

PER_PAGE = 25
# Records that a page with a filter reads at most; then it ends with a link to search further.
SEARCHED = 2_000
FIELDS = ("sequence", "kind", "at", "details")
TOKENS = {
    *(LinkKind.TOKEN_ADDED, LinkKind.TOKEN_CHANGED, LinkKind.TOKEN_REPLACED),
    *(LinkKind.TOKEN_CHECKED, LinkKind.TOKEN_DELETED, LinkKind.KEYS_ROTATED),
}
RUNS = {kind for kind in LinkKind if kind.startswith("run_")}
SIGN_INS = {*AUTHENTICATION, LinkKind.LOCK_LIFTED, LinkKind.SESSIONS_ENDED}
HISTORY = (
    {*LinkKind} - {LinkKind.OPENED, LinkKind.FINISHED} - AUTHENTICATION - ACCOUNTS - TOKENS - RUNS
)
# The kinds of each filter.
KINDS = {
    "sign-ins": SIGN_INS,
    "accounts": ACCOUNTS,
    "tokens": TOKENS,
    "runs": RUNS,
    "history": HISTORY,
}

# Number, kind, raw datetime and details of a link; of an unreadable one its number alone.
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Log:
    """One page of the log, newest first, and the numbers of links that continue it. `is_cut`: the
    search stopped before the page was full."""

    rows: Sequence[Row]
    older_than: int | None = None
    newer_than: int | None = None
    is_cut: bool = False


def page(
    *,
    before: int | None = None,
    after: int | None = None,
    kind: str = "",
    person: User | None = None,
    limit: int = PER_PAGE,
) -> Log:
    """Activity just before or after a link; without one, the newest. `kind`: a name in KINDS;
    `person`: who did it or whom it is about."""
    is_newer, is_filtered = after is not None, bool(kind or person)
    links = _activity().order_by("sequence" if is_newer else "-sequence")
    if after is not None:
        links = links.filter(sequence__gt=after)
    elif before is not None:
        links = links.filter(sequence__lt=before)
    read = _read(links[: SEARCHED if is_filtered else limit + 1], is_newer=is_newer)
    found = [row for row in read if not is_filtered or _matches(row, KINDS.get(kind), person)]
    shown, goes_on = found[:limit], len(found) > limit
    is_cut = is_filtered and not goes_on and len(read) == SEARCHED
    if is_newer and not shown and not is_cut:
        return page(kind=kind, person=person, limit=limit)
    onward = read[-1][0] if is_cut else shown[-1][0] if goes_on else None
    # The way back; from an empty page it begins where the page does.
    back = shown[0][0] if shown else (after or before or 0) + (-1 if before else 1)
    if is_newer:
        return Log(shown[::-1], older_than=back, newer_than=onward, is_cut=is_cut)
    return Log(shown, older_than=onward, newer_than=back if before else None, is_cut=is_cut)


def _read(links: QuerySet[AuditLink], *, is_newer: bool) -> list[Row]:
    rows, broken = unreadable.read(links, FIELDS, "sequence")
    found: list[Row] = [*rows, *((sequence, "", None, None) for sequence in broken)]
    return sorted(found, key=lambda row: row[0], reverse=not is_newer)


def _matches(row: Row, kinds: set[LinkKind] | None, person: User | None) -> bool:
    _sequence, kind, _at, details = row
    if kinds is not None and kind not in kinds:
        return False
    if person is None:
        return True
    given = details if isinstance(details, dict) else {}
    by = given.get("by")
    ids = {given.get("person_id"), by.get("user_id") if isinstance(by, dict) else None}
    # Of a failed sign-in, only the typed name is known.
    return person.pk in ids or given.get("name") == person.username


def _activity() -> QuerySet[AuditLink]:
    return AuditLink.objects.filter(sequence__lte=HIGHEST, attempt_id__isnull=True)
