"""Read the addresses of an organization: one, or all of them."""

from __future__ import annotations

import contextvars
import threading
import uuid
import weakref
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from time import monotonic

import structlog
from django.utils import timezone

from ipadmin import crypto
from ipadmin.katapult.client import MAX_PER_PAGE
from ipadmin.katapult.errors import KatapultError, UnreadableAnswer
from ipadmin.katapult.types import IPAddress, Page, Secret
from ipadmin.models import ApiToken
from ipadmin.services import api, budget, changes, later_reads, snapshots
from ipadmin.services.later_reads import Source
from ipadmin.services.page_reader import CALLS_AT_ONCE, MAX_PAGES, PageReader
from ipadmin.services.snapshots import Inventory, Machine, number

log = structlog.get_logger(__name__)

# What `find` and `read` raise.
CANNOT_READ = (KatapultError, crypto.CannotDecrypt, budget.ReadsWait)
# A page that shows an older inventory has it read again.
FRESH_FOR = timedelta(seconds=60)
# Between two steps that `read_steps` yields.
STEP_SECONDS = 0.3
# Number of addresses above which an organization is large: reading it takes more than ten calls.
LARGE = 2000


@dataclass(frozen=True, slots=True)
class Step:
    """A list that is being read: what was read so far, and whether it is the last step.

    `is_known`: there is an earlier inventory, better to show than this one until the last step.
    """

    inventory: Inventory
    is_last: bool
    is_known: bool = False


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


def stored(token: ApiToken) -> Inventory | None:
    """The last inventory that was read with the token, of any age."""
    return snapshots.load(token)


def is_fresh(inventory: Inventory) -> bool:
    return inventory.is_complete and timezone.now() - inventory.read_at < FRESH_FOR


def read(token: ApiToken) -> Inventory:
    """All addresses of the token's organization, read now.

    Raises KatapultError, crypto.CannotDecrypt when the token has to be entered again, and
    budget.ReadsWait.
    """
    *_, last = read_steps(token)
    return last.inventory


def read_allocated(token: ApiToken) -> Inventory:
    """The allocated addresses, read now and not stored. Raises the same errors as `read`."""
    known = stored(token)
    if known and len(known.addresses) > LARGE and is_fresh(known):
        return known
    with api.using(token) as secret:
        reading = _Reading(token, secret, None, allocated=True)
        for _step in reading.steps():
            pass
    inventory = reading.inventory({})
    later_reads.note(inventory.addresses, inventory.read_at, Source.LIST)
    return inventory


def read_steps(token: ApiToken) -> Generator[Step]:
    """Read all addresses, with a step several times a second. What was read is stored at the end.
    Part of the list is stored only where there is no inventory yet: when the generator is closed,
    or too few calls were left. Raises the same errors as `read`."""
    began = timezone.now()
    with _held(_lock_of(token), LOCK_SECONDS):
        # Another tab may have read the list while this one waited.
        known = stored(token)
        if known and known.read_at >= began:
            yield Step(known, True)
            return
        with (
            _held(TURNS, TURN_SECONDS),
            api.using(token) as secret,
            ThreadPoolExecutor(max_workers=1) as pool,
        ):
            reading = _Reading(token, secret, known)
            names = pool.submit(contextvars.copy_context().run, reading.machines)
            try:
                yield from reading.steps()
                if not wait([names], STEP_SECONDS).done:
                    yield Step(reading.inventory(None), False)
            except BaseException as error:
                reading.is_stopped = True
                if known is None and isinstance(error, GeneratorExit):
                    snapshots.store(token, reading.inventory(None))
                raise
            listed = names.result()
            # Names that could not be read this time are better than those in the history.
            is_kept = listed is None and token.may_list_machines and known and known.has_names
            found = None if is_kept else listed or {}
            inventory = reading.inventory(found, has_names=listed is not None)
        try:
            yield Step(inventory, True)
        finally:
            # Afterwards, so that the list is shown first.
            snapshots.store(token, inventory)
            later_reads.note(inventory.addresses, inventory.read_at, Source.LIST)


class _Reading:
    """The lists of addresses and of machines, read at the same time: the second one in the calls
    that the first one leaves. No page of machines is read after `is_stopped`."""

    def __init__(
        self,
        token: ApiToken,
        secret: Secret,
        known: Inventory | None,
        *,
        allocated: bool | None = None,
    ) -> None:
        self._token, self._secret, self._known = token, secret, known
        self._allocated = allocated
        self.is_stopped = False
        self._start_over(expected=len(known.addresses) if known else 0)
        # As many pages as last time are requested without waiting for the first one.
        self._machines = PageReader(
            self._machines_page,
            key=lambda machine: machine.id,
            room=lambda: (
                self._room(CALLS_AT_ONCE - self._addresses.under_way)
                if self._addresses.is_requested
                else 1
            ),
            expected_pages=_pages(known.listed_machines if known else 0),
        )

    def _start_over(self, *, expected: int = 0) -> None:
        self._read_at = timezone.now()
        self._addresses = PageReader(
            self._addresses_page,
            key=lambda ip: ip.id,
            room=lambda: self._room(CALLS_AT_ONCE - self._machines.under_way),
            expected_pages=_pages(expected),
        )

    def _room(self, left: int) -> int:
        return min(left, budget.room(self._token.fingerprint))

    @cached_property
    def _earlier_names(self) -> dict[str, Machine]:
        return changes.machines_in_history(self._token)

    def steps(self) -> Generator[Step]:
        """Read the addresses; once more where they changed meanwhile, so that some may miss. Raises
        ReadsWait where too few calls are left and there is an earlier inventory."""
        yield from self._pass()
        waits = self._addresses.waits
        if not self._addresses.is_complete and not waits:
            self._start_over(expected=len(self._addresses.items))
            yield from self._pass()
            waits = self._addresses.waits
        if self._known and waits:
            raise waits

    def _pass(self) -> Generator[Step]:
        show_at = 0.0
        for _page in self._addresses:
            if (began := monotonic()) > show_at:
                is_known = self._known is not None
                yield Step(self._progress() if is_known else self.inventory(None), False, is_known)
                # A busy server shows fewer steps, rather than to be busy with them.
                show_at = monotonic() + max(STEP_SECONDS, 5 * (monotonic() - began))

    def _progress(self) -> Inventory:
        """What was read so far, in any order and without names."""
        items = tuple(self._addresses.items.values())
        return Inventory(items, self._read_at, is_complete=False, total=self._addresses.total)

    def machines(self) -> dict[str, Machine] | None:
        """The virtual machines by id; None if they can't be listed. Names are no reason for the
        list of addresses to fail."""
        if not self._token.may_list_machines:
            return None
        try:
            for _page in self._machines:
                if self.is_stopped:
                    return None
        except (KatapultError, budget.ReadsWait) as error:
            log.info("machines_not_listed", token_id=str(self._token.pk), error=str(error))
            return None
        return self._machines.items

    def inventory(
        self, machines: Mapping[str, Machine] | None, *, has_names: bool = False
    ) -> Inventory:
        """What was read so far; with the names of the last inventory if `machines` is None."""
        known = self._known
        if machines is None and known:
            names, has_names = known.machines, known.has_names
        else:
            # Load balancers are not listed.
            names = self._earlier_names | dict(machines or {})
        return Inventory(
            tuple(sorted(self._addresses.items.values(), key=number)),
            self._read_at,
            self._addresses.is_complete,
            self._addresses.total,
            names,
            has_names,
        )

    def _addresses_page(self, page: int) -> Page[IPAddress]:
        budget.require_room(self._token.fingerprint)
        organization = self._token.organization
        reply = api.client().ip_addresses(
            self._secret, organization, page=page, allocated=self._allocated
        )
        if (reply.value.total_pages or 0) > MAX_PAGES:
            raise UnreadableAnswer("more pages than any organization has", reply.exchange)
        if len(reply.value.items) > MAX_PER_PAGE:
            raise UnreadableAnswer("more addresses than were asked for", reply.exchange)
        return reply.value

    def _machines_page(self, page: int) -> Page[Machine]:
        budget.require_room(self._token.fingerprint)
        organization = self._token.organization
        found = api.client().virtual_machines(self._secret, organization, page=page).value
        machines = tuple(Machine(each.id, each.name, each.zone) for each in found.items)
        return Page(machines, found.per_page, found.total_pages, found.total)


def _pages(items: int) -> int:
    return -(-items // MAX_PER_PAGE)


# Lists that are read at once in this process. Each has many calls under way, so that more of them
# only slow each other down: they take turns, and wait no longer than this.
TURNS = threading.BoundedSemaphore(2)
TURN_SECONDS = 10
# One lock for each token that is being read in this process; a browser that stopped receiving the
# list holds others up for no longer than this.
LOCK_SECONDS = 60
_locks: weakref.WeakValueDictionary[uuid.UUID, threading.Lock] = weakref.WeakValueDictionary()
_locks_guard = threading.Lock()


def _lock_of(token: ApiToken) -> threading.Lock:
    with _locks_guard:
        return _locks.setdefault(token.pk, threading.Lock())


@contextmanager
def _held(lock: threading.Lock | threading.Semaphore, seconds: float) -> Iterator[None]:
    """Wait for the lock, but not for longer than this, and go on without it."""
    is_held = lock.acquire(timeout=seconds)
    try:
        yield
    finally:
        if is_held:
            lock.release()
