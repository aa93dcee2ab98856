"""Read the addresses of an organization: one, or all of them."""

from __future__ import annotations

import contextvars
import threading
import uuid
import weakref
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, partial
from time import monotonic

import structlog
from django.utils import timezone

from ipadmin import crypto
from ipadmin.katapult.client import MAX_PER_PAGE
from ipadmin.katapult.errors import KatapultError, UnreadableAnswer
from ipadmin.katapult.types import IPAddress, Page, Secret, VirtualMachine
from ipadmin.models import ApiToken, AuditEntry
from ipadmin.services import api, budget, changes, later_reads, snapshots
from ipadmin.services.later_reads import Source
from ipadmin.services.page_reader import MAX_PAGES, PageReader
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
# Names of machines in the audit history, where the token may not list machines.
NAMES_FROM_ENTRIES = 5000


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


def read(token: ApiToken, *, max_age: timedelta = timedelta(0)) -> Inventory:
    """All addresses of the token's organization, read now or at most `max_age` ago.

    Raises KatapultError, crypto.CannotDecrypt when the token has to be entered again, and
    budget.ReadsWait.
    """
    known = stored(token) if max_age else None
    if known and timezone.now() - known.read_at < max_age:
        return known
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
    with _lock_of(token):
        # Another tab may have read the list while this one waited.
        known = stored(token)
        if known and known.read_at >= began:
            yield Step(known, True)
            return
        with api.using(token) as secret, ThreadPoolExecutor(max_workers=1) as pool:
            names = pool.submit(contextvars.copy_context().run, _machines, token, secret)
            reading = _Reading(token, secret, known)
            try:
                yield from reading.steps()
                if reading.has_shifted:
                    reading = _Reading(token, secret, known)
                    yield from reading.steps()
                if known and reading.waits:
                    raise reading.waits
            except GeneratorExit:
                if known is None:
                    snapshots.store(token, reading.inventory(None))
                raise
            listed = names.result()
            # Names that could not be read this time are better than those in the history.
            is_kept = listed is None and token.may_list_machines and known and known.has_names
            found = None if is_kept else listed or {}
            inventory = reading.inventory(found, has_names=listed is not None)
        snapshots.store(token, inventory)
        later_reads.note(inventory.addresses, inventory.read_at, Source.LIST)
        yield Step(inventory, True)


class _Reading:
    """One pass over the pages of the list of addresses."""

    def __init__(
        self,
        token: ApiToken,
        secret: Secret,
        known: Inventory | None,
        *,
        allocated: bool | None = None,
    ) -> None:
        self._token, self._known = token, known
        self._read_at = timezone.now()
        # As many pages as last time are requested without waiting for the first one.
        expected = len(known.addresses) if known else 0
        self._reader = PageReader(
            partial(_addresses_page, token, secret, allocated),
            key=lambda ip: ip.id,
            room=partial(budget.room, token.fingerprint),
            expected_pages=-(-expected // MAX_PER_PAGE),
        )

    @property
    def has_shifted(self) -> bool:
        """Whether the list changed while it was read, so that items may be missing."""
        return not self._reader.is_complete and not self._reader.waits

    @property
    def waits(self) -> budget.ReadsWait | None:
        return self._reader.waits

    @cached_property
    def _earlier_names(self) -> dict[str, Machine]:
        return _names_from_history(self._token)

    def steps(self) -> Generator[Step]:
        shown_at = 0.0
        for _page in self._reader:
            if monotonic() - shown_at > STEP_SECONDS:
                is_known = self._known is not None
                yield Step(self._progress() if is_known else self.inventory(None), False, is_known)
                shown_at = monotonic()

    def _progress(self) -> Inventory:
        """What was read so far, in any order and without names."""
        items = tuple(self._reader.items.values())
        return Inventory(items, self._read_at, is_complete=False, total=self._reader.total)

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
            tuple(sorted(self._reader.items.values(), key=number)),
            self._read_at,
            self._reader.is_complete,
            self._reader.total,
            names,
            has_names,
        )


def _addresses_page(
    token: ApiToken, secret: Secret, allocated: bool | None, page: int
) -> Page[IPAddress]:
    budget.require_room(token.fingerprint)
    reply = api.client().ip_addresses(secret, token.organization, page=page, allocated=allocated)
    if (reply.value.total_pages or 0) > MAX_PAGES:
        raise UnreadableAnswer("more pages than any organization has", reply.exchange)
    if len(reply.value.items) > MAX_PER_PAGE:
        raise UnreadableAnswer("more addresses than were asked for", reply.exchange)
    return reply.value


def _machines(token: ApiToken, secret: Secret) -> dict[str, Machine] | None:
    """The organization's virtual machines by id; None if they can't be listed. Names are no reason
    for the list of addresses to fail."""

    def page(number: int) -> Page[VirtualMachine]:
        budget.require_room(token.fingerprint)
        return api.client().virtual_machines(secret, token.organization, page=number).value

    if not token.may_list_machines:
        return None
    reader = PageReader(page, key=lambda vm: vm.id, room=partial(budget.room, token.fingerprint))
    try:
        for _page in reader:
            pass
    except (KatapultError, budget.ReadsWait) as error:
        log.info("machines_not_listed", token_id=str(token.pk), error=str(error))
        return None
    return {vm.id: Machine(vm.id, vm.name, vm.zone) for vm in reader.items.values()}


def _names_from_history(token: ApiToken) -> dict[str, Machine]:
    """The last known name of each machine among the newest audit entries of the organization."""
    entries = AuditEntry.objects.filter(organization_key=changes.organization_key(token))
    rows = entries.exclude(allocation_name="").order_by("-created_at", "-id")[:NAMES_FROM_ENTRIES]
    found: dict[str, Machine] = {}
    for id, name, at in rows.values_list("allocation_id", "allocation_name", "created_at"):
        found.setdefault(id, Machine(id, name, as_of=at))
    return found


# One lock for each token that is being read in this process; a browser that stopped receiving the
# list holds others up for no longer than this.
LOCK_SECONDS = 60
_locks: weakref.WeakValueDictionary[uuid.UUID, threading.Lock] = weakref.WeakValueDictionary()
_locks_guard = threading.Lock()


@contextmanager
def _lock_of(token: ApiToken) -> Iterator[None]:
    with _locks_guard:
        lock = _locks.setdefault(token.pk, threading.Lock())
    is_held = lock.acquire(timeout=LOCK_SECONDS)
    try:
        yield
    finally:
        if is_held:
            lock.release()
