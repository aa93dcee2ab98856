"""All addresses of an organization, and the snapshot of them that several pages share."""

from __future__ import annotations

import contextvars
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.utils import timezone

from ipadmin.katapult.client import MAX_PER_PAGE
from ipadmin.katapult.errors import UnreadableAnswer
from ipadmin.katapult.types import IPAddress, Page, Secret
from ipadmin.models import ApiToken
from ipadmin.services import api, budget, later_reads
from ipadmin.services.later_reads import Source

# Pages read at the same time. An organization with 100,000 addresses has 500 pages.
PAGES_AT_ONCE = 8
# A million addresses; no organization has as many.
MAX_PAGES = 5000
# Number of addresses above which an organization is large: reading it takes more than ten calls.
LARGE = 2000
# How long the tabs, searches and pages of a list use the same snapshot.
SNAPSHOT_AGE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Inventory:
    """An organization's addresses in numeric order, and the time just before they were read."""

    addresses: tuple[IPAddress, ...]
    read_at: datetime
    # False when the pages differ from the total: the list changed while it was read.
    is_complete: bool = True


def find(
    token: ApiToken,
    *,
    id: str | None = None,
    address: str | None = None,
    can_wait: bool = True,
    source: Source = Source.PAGE,
) -> IPAddress:
    """One address, read now, by id or by its text. `source` is the purpose; see `later_reads`.

    Raises KatapultError, crypto.CannotDecrypt, and, with `can_wait`, budget.ReadsWait.
    """
    if can_wait:
        budget.require_room(token.fingerprint)
    read_at = timezone.now()
    with api.using(token) as secret:
        found = api.client().ip_address(secret, id=id, address=address).value
    later_reads.note([found], read_at, source)
    return found


def read(token: ApiToken, *, max_age: timedelta = timedelta(0)) -> Inventory:
    """All addresses of the token's organization, read now or at most `max_age` ago.

    Raises KatapultError, crypto.CannotDecrypt when the token has to be entered again, and
    budget.ReadsWait.
    """
    snapshot = _snapshots.get(token.pk)
    if snapshot and timezone.now() - snapshot.read_at < max_age:
        return snapshot
    read_at = timezone.now()
    with api.using(token) as secret:
        pages = list(_read_pages(secret, token))
    unique = {ip.id: ip for page in pages for ip in page.items}
    is_complete = pages[0].total in {None, len(unique)}
    inventory = Inventory(tuple(sorted(unique.values(), key=number)), read_at, is_complete)
    _remember(token, inventory)
    later_reads.note(inventory.addresses, read_at, Source.LIST)
    return inventory


def read_before_confirming(token: ApiToken) -> Inventory:
    """Read now. For a large organization a recent snapshot is used, because reading it takes up to
    half of the calls of a minute. Raises the same errors as `read`."""
    known = _snapshots.get(token.pk)
    is_large = known is not None and len(known.addresses) > LARGE
    return read(token, max_age=SNAPSHOT_AGE if is_large else timedelta(0))


def forget(token: ApiToken) -> None:
    """Drop the snapshot, after a change with this token."""
    _snapshots.pop(token.pk, None)


def number(ip: IPAddress) -> tuple[int, int, str]:
    """Sort key: addresses as numbers, IPv4 first; texts that are no address come last."""
    parsed = ip.number
    return (parsed.version, int(parsed), "") if parsed else (9, 0, ip.address)


def _read_pages(secret: Secret, token: ApiToken) -> Iterable[Page[IPAddress]]:
    def page(number: int) -> Page[IPAddress]:
        budget.require_room(token.fingerprint)
        reply = api.client().ip_addresses(secret, token.organization, page=number)
        if max(number, reply.value.total_pages or 0) > MAX_PAGES:
            raise UnreadableAnswer("more pages than any organization has", reply.exchange)
        if len(reply.value.items) > MAX_PER_PAGE:
            raise UnreadableAnswer("more addresses than were asked for", reply.exchange)
        return reply.value

    first = page(1)
    yield first
    if first.total_pages is None:
        current, before, at = first, None, 1
        # A large set has no total: a page that is not full is the last. [doc] A page that repeats
        # the one before it ends the loop, too, which would never end otherwise.
        while len(current.items) >= max(1, min(current.per_page, MAX_PER_PAGE)):
            if current.items == before:
                return
            at += 1
            before, current = current.items, page(at)
            yield current
        return
    with ThreadPoolExecutor(max_workers=PAGES_AT_ONCE) as pool:
        pages = range(2, first.total_pages + 1)
        # Each call has a copy of the context, so that its log lines have the id of the request.
        calls = [partial(contextvars.copy_context().run, page, number) for number in pages]
        futures = [pool.submit(call) for call in calls]
        try:
            for future in futures:
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


# By token id, in the memory of the process. Django's cache would pickle up to 100,000 addresses for
# each search.
_snapshots: dict[uuid.UUID, Inventory] = {}


def _remember(token: ApiToken, inventory: Inventory) -> None:
    for key, snapshot in list(_snapshots.items()):
        if inventory.read_at - snapshot.read_at >= SNAPSHOT_AGE:
            _snapshots.pop(key, None)
    _snapshots[token.pk] = inventory
