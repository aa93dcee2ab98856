"""A made-up history of the sandbox's own addresses and machines, for the demo and benchmarks.

The same numbers give the same entries. Thirty people work in office hours, some much more than
others. An address that was unallocated is on another machine the next time.
"""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from math import log
from uuid import UUID

from django.conf import settings
from django.contrib.auth.hashers import make_password

from ipadmin.audit.readings import AllocationFields, Reading, ReadingResult, allocation_fields
from ipadmin.katapult.types import Allocation
from ipadmin.models import AuditEntry, Basis, Outcome, User
from ipadmin.sandbox.errors import CODES, ApiError
from ipadmin.sandbox.world import VIRTUAL_MACHINE, Address, Resource, World, build

# Addresses in the demo's sandbox (see Procfile). Longer histories have one for each 20 entries.
DEMO_ADDRESSES, MOST_ADDRESSES = 120, 6000
DAYS = 3 * 365
# Weights of the hours of a day in UTC, and of the days of a week.
HOURS = (1, 1, 1, 1, 1, 2, 6, 20, 45, 60, 58, 50, 35, 50, 58, 55, 45, 28, 12, 6, 4, 3, 2, 1)
WEEKDAYS = (1.1, 1.15, 1.1, 1.0, 0.8, 0.12, 0.1)

# The first is the busiest. The last has RARE_ENTRIES, however long the history is.
PEOPLE = [
    f"{first_name}.{last_name}"
    for last_name in ("almeida", "menon", "wilk", "dahl", "frost")
    for first_name in ("ines", "ravi", "tomasz", "hanne", "joe", "will")
]
# IDs that no other account of the demo has.
FIRST_PERSON_ID = 1_000_001
RARE_ENTRIES = 12
# How much more often the first addresses are chosen than the last.
ADDRESS_SKEW = 1.6

REASONS = (
    "",
    "Server retired, OPS-{}",
    "Moved to the new load balancer, OPS-{}",
    "",
    "Address needed for failover, CHG-{}",
    "Blocklisted, replaced by a new one, ABUSE-{}",
)
REFUSED_BY_KATAPULT = (
    *("no_allocation", "no_allocation", "validation_error", "permission_denied"),
    *("rate_limit_reached", "organization_suspended"),
)
# Seconds: the median of a call, its timeout, between two readings, and until the call is sent.
CALL, TIMEOUT, RETRY, INTERVAL, PREPARATION = 0.09, 10.0, 5, 60, 0.06
PERMITTED_CALLS = 1000


def facts(count: int, *, seed: int = 1, now: datetime) -> Iterator[AuditEntry]:
    """`count` finished entries, unsaved and without search keys, oldest first, of the three years
    before `now`."""
    rng = random.Random(seed)  # noqa: S311 - a repeatable history, no secret
    addresses = min(MOST_ADDRESSES, max(DEMO_ADDRESSES, count // 20))
    history = _History(rng, build(1, addresses))
    rare = set(rng.sample(range(count), min(RARE_ENTRIES, count // 50)))
    for number, at in enumerate(_times(rng, count, now)):
        yield history.entry(at, is_rare=number in rare)


def _times(rng: random.Random, count: int, now: datetime) -> list[datetime]:
    """Ascending, until an hour before `now`: by then every attempt has ended."""
    end = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    hours = [end - timedelta(hours=hour) for hour in range(24 * DAYS, 0, -1)]
    weights = [WEEKDAYS[hour.weekday()] * HOURS[hour.hour] for hour in hours]
    chosen = rng.choices(hours, weights, k=count)
    return sorted(hour + timedelta(seconds=3600 * rng.random()) for hour in chosen)


def accounts() -> list[User]:
    """The accounts of the people, unsaved: disabled, and without a password."""
    return [
        User(
            id=FIRST_PERSON_ID + number,
            username=name,
            first_name=name.partition(".")[0].capitalize(),
            last_name=name.partition(".")[2].capitalize(),
            password=make_password(None),
            is_active=False,
        )
        for number, name in enumerate(PEOPLE)
    ]


class _History:
    """Makes one entry after the other, and moves the addresses of its `world`."""

    def __init__(self, rng: random.Random, world: World) -> None:
        self.rng = rng
        self.addresses = rng.sample(list(world.addresses.values()), len(world.addresses))
        self.organizations = {each.id: each for each in world.organizations}
        self.machines: dict[str, list[Resource]] = {id: [] for id in self.organizations}
        for each in world.resources.values():
            if each.type == VIRTUAL_MACHINE and each.has_interface and not each.in_trash:
                self.machines[each.organization].append(each)
        # Zipf's law, for all but the last.
        self.shares = list(accumulate(1 / (n + 1) for n in range(len(PEOPLE) - 1)))
        # By person and organization.
        self.tokens: dict[tuple[int, str], UUID] = {}

    def entry(self, at: datetime, *, is_rare: bool) -> AuditEntry:
        address = self._address()
        machine = address.resource or self._machine(address)
        entry = self._opened(at, address, machine, is_rare=is_rare)
        address.resource = None
        chance = self.rng.random()
        if machine.type != VIRTUAL_MACHINE:
            address.resource = machine
            self._answered(entry, "resource_does_not_support_unallocation")
        elif chance < 0.9:
            self._answered(entry)
        elif chance < 0.915:
            self._unanswered(entry, Outcome.SUCCEEDED, [(ReadingResult.UNALLOCATED, None)])
        elif chance < 0.945:
            self._answered(entry, self.rng.choice(REFUSED_BY_KATAPULT))
            address.resource = None if entry.error_code == "no_allocation" else machine
        elif chance < 0.95:
            address.resource = machine
            self._unanswered(entry, Outcome.FAILED, [(ReadingResult.ALLOCATED, machine)] * 2)
        elif chance < 0.98:
            self._refused(entry, address, machine)
        else:
            other = ReadingResult.OTHER, self._machine(address)
            self._unanswered(entry, Outcome.UNKNOWN, [other, (ReadingResult.UNALLOCATED, None)])
        return entry

    def _address(self) -> Address:
        """Any; those of load balancers and gateways rarely."""
        while True:
            address = self.addresses[int(self.rng.random() ** ADDRESS_SKEW * len(self.addresses))]
            is_free = address.resource is None or address.resource.type == VIRTUAL_MACHINE
            if is_free or self.rng.random() < 0.2:
                return address

    def _machine(self, address: Address) -> Resource:
        return self.rng.choice(self.machines[str(address.organization)])

    def _uuid(self) -> UUID:
        return UUID(int=self.rng.getrandbits(128), version=4)

    def _opened(
        self, at: datetime, address: Address, machine: Resource, *, is_rare: bool
    ) -> AuditEntry:
        person = bisect(self.shares, self.rng.random() * self.shares[-1])
        if is_rare:
            person = len(PEOPLE) - 1
        organization = self.organizations[str(address.organization)]
        token = self.tokens.setdefault((person, organization.id), self._uuid())
        return AuditEntry(
            attempt_id=self._uuid(),
            created_at=at,
            user_id=FIRST_PERSON_ID + person,
            user_name=PEOPLE[person],
            source_ip=f"192.0.2.{10 + person}",
            request_id=self._uuid().hex,
            reason=self.rng.choice(REASONS).format(self.rng.randrange(1000, 9999)),
            token_id=token,
            token_label=organization.name,
            token_fingerprint=token.hex[:16],
            organization_id=organization.id,
            organization_name=organization.name,
            organization_sub_domain=organization.sub_domain,
            environment="sandbox",
            api_url=settings.KATAPULT_API_URL,
            address_id=address.id,
            address=address.address,
            address_label=address.label or "",
            vip=address.vip,
            reverse_dns=machine.fqdn,
            **_allocation(machine),
        )

    def _refused(self, entry: AuditEntry, address: Address, confirmed: Resource) -> None:
        """The reading before the call showed another allocation than the confirmed one."""
        address.resource = self.rng.choice([None, self._machine(address)])
        entry.outcome, entry.basis = Outcome.REFUSED, Basis.CHECK
        entry.error_code = "allocation_changed" if address.resource else "already_unallocated"
        found = _allocation(address.resource) if address.resource else None
        entry.error_detail = {"confirmed": _allocation(confirmed), "found": found}
        entry.finished_at = entry.created_at + timedelta(seconds=PREPARATION)

    def _answered(self, entry: AuditEntry, code: str = "") -> None:
        """Katapult answered the call, with success or the error `code`."""
        seconds = self.rng.lognormvariate(log(CALL), 0.45)
        self._call(entry, seconds, Outcome.FAILED if code else Outcome.SUCCEEDED, Basis.ANSWER)
        entry.http_status = CODES[code][0] if code else 200
        entry.katapult_request_id = str(self._uuid())
        entry.rate_limit_permitted = PERMITTED_CALLS
        entry.rate_limit_remaining = self.rng.randrange(PERMITTED_CALLS)
        if code:
            entry.error_code, entry.error_description = code, CODES[code][1] or ""
            entry.error_detail = ApiError(code).detail

    def _unanswered(
        self,
        entry: AuditEntry,
        outcome: Outcome,
        readings: Sequence[tuple[ReadingResult, Resource | None]],
    ) -> None:
        """The call timed out, and the address was read at once and later."""
        called_at = self._call(entry, TIMEOUT, outcome, Basis.EVIDENCE)
        entry.error_code, entry.error_description = "answer_lost", "The read operation timed out"
        pause = timedelta(seconds=INTERVAL if outcome == Outcome.FAILED else RETRY)
        entry.evidence = [
            self._reading(called_at + number * pause, found, machine)
            for number, (found, machine) in enumerate(readings)
        ]
        entry.finished_at = called_at + len(readings) * pause

    def _call(self, entry: AuditEntry, seconds: float, outcome: Outcome, basis: Basis) -> datetime:
        """When the call, and the attempt with it, ended."""
        entry.outcome, entry.basis = outcome, basis
        entry.duration_us = round(seconds * 1_000_000)
        entry.sent_at = entry.created_at + timedelta(seconds=PREPARATION)
        ended_at = entry.sent_at + timedelta(seconds=seconds + 0.004)
        entry.finished_at = ended_at
        return ended_at

    def _reading(self, at: datetime, found: ReadingResult, machine: Resource | None) -> Reading:
        return {
            "read_at": at.isoformat(),
            "found": found.value,
            "error_code": "",
            **_allocation(machine),
            "reverse_dns": machine.fqdn if machine else "",
            "status": 200,
            "request_id": str(self._uuid()),
        }


def _allocation(machine: Resource | None) -> AllocationFields:
    shown = Allocation(machine.id, machine.type, machine.name) if machine else None
    return allocation_fields(shown)
