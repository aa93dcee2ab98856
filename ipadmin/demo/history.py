"""A history as it could have been, for benchmarks and the demo: the same numbers always give the
same entries.

People work in office hours, some much more than others. Addresses wander from machine to machine:
what was unallocated is on another one the next time. Save for 185.44.252.0/22, the addresses come
from 198.18.0.0/15 (set aside for benchmarks) and 2001:db8::/32 (for documentation).
"""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise
from math import log
from typing import Any
from uuid import UUID

from ipadmin.audit.readings import ReadingResult
from ipadmin.demo.world import Address, Fields, Machine, Token, World
from ipadmin.models import AuditEntry, Basis, Outcome

DAYS = 3 * 365
# By the hour of the day, in UTC, and by the day of the week.
OF_HOUR = (1, 1, 1, 1, 1, 2, 6, 20, 45, 60, 58, 50, 35, 50, 58, 55, 45, 28, 12, 6, 4, 3, 2, 1)
OF_WEEKDAY = (1.1, 1.15, 1.1, 1.0, 0.8, 0.12, 0.1)
# Entries of the person who hardly ever acts, however long the history is.
OF_THE_RARE = 12

MEDIAN = log(0.09)
# Seconds until an answer is not waited for any longer, and between two readings; see settings.
TIME_OUT, RETRY, INTERVAL = 10.0, 5, 60
ON_ITS_WAY = 0.06

# Up to which share of the attempts each course goes. With those on balancers, 5 % fail.
COURSE_SHARES = (0.902, 0.915, 0.944, 0.949, 0.9795, 1.0)
REASONS = (
    "Server retired, OPS-{}",
    "Moving to the new load balancer, OPS-{}",
    "Customer {} has left",
    "Address wanted for failover, CHG-{}",
    "Blocklisted; taking a fresh one, ABUSE-{}",
    "Freed for customer {}",
    "Test machine, not needed any more",
    "Rebuild without a public address",
    "Wrong machine, moved by hand",
    "Rolling back change CHG-{}",
)
# Code, status, description, detail.
Answer = tuple[str, int | None, str, dict[str, Any]]
REFUSED_BY_KATAPULT: tuple[Answer, ...] = (
    ("no_allocation", 422, "This IP address is allocated to nothing", {}),
    ("validation_error", 422, "A validation error occurred", {"errors": ["Address is locked"]}),
    ("permission_denied", 403, "The identity may not do this", {"details": "Role"}),
    ("rate_limit_reached", 429, "The rate limit is reached", {"total_permitted": 100}),
    ("organization_suspended", 403, "The organization is suspended", {}),
)
OF_BALANCERS: Answer = (
    "resource_does_not_support_unallocation",
    409,
    "What this IP address is allocated to does not allow it to be unallocated",
    {},
)
FAILED_SHARES = (0.45, 0.7, 0.83, 0.96, 1.0)
NEVER_CALLED: tuple[Answer, ...] = (
    ("already_unallocated", None, "", {}),
    ("allocation_changed", None, "", {}),
    ("not_sent", None, "The connection was refused", {}),
    ("ip_address_not_found", 404, "No IP addresses were found", {}),
    ("invalid_api_token", 403, "The API token is unknown or has expired", {}),
    ("interrupted", None, "", {}),
)
REFUSED_SHARES = (0.4, 0.75, 0.87, 0.94, 0.98, 1.0)


def facts(count: int, *, seed: int = 1, now: datetime) -> Iterator[AuditEntry]:
    """`count` finished entries, unsaved, oldest first, over the three years before `now`."""
    rng = random.Random(seed)  # noqa: S311 - a repeatable history, no secret
    timeline = _Story(rng, World(rng))
    rare = set(rng.sample(range(count), min(OF_THE_RARE, count // 50)))
    for number, at in enumerate(_moments(rng, count, now)):
        yield timeline.entry(at, number / count, is_rare=number in rare)


def _moments(rng: random.Random, count: int, now: datetime) -> Iterator[datetime]:
    """Ascending. The last is an hour before `now`, so that whatever began has ended."""
    end = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    first = end - timedelta(days=DAYS)
    weights = []
    for day in range(DAYS):
        growth = 0.7 + 0.6 * day / DAYS
        busy = growth * rng.uniform(0.7, 1.3)
        for hour in range(24):
            at = first + timedelta(days=day, hours=hour)
            weights.append(busy * OF_WEEKDAY[at.weekday()] * OF_HOUR[at.hour])
    ends = list(accumulate(weights))
    start, step = first.timestamp(), ends[-1] / max(count, 1)
    hour = 0
    for number in range(count):
        point = (number + rng.random()) * step
        while ends[hour] < point and hour < len(ends) - 1:
            hour += 1
        part = 1 - (ends[hour] - point) / weights[hour]
        yield datetime.fromtimestamp(start + 3600 * (hour + part), UTC)


class _Story:
    """Tells one attempt after the other; `world` remembers what came of them."""

    def __init__(self, rng: random.Random, world: World) -> None:
        self.rng, self.world = rng, world
        # As COURSE_SHARES has them.
        self.courses: tuple[Callable[..., Fields], ...] = (
            self._succeeded,
            self._succeeded_unanswered,
            self._failed,
            self._failed_unanswered,
            self._refused,
            self._unknown,
        )

    def entry(self, at: datetime, progress: float, *, is_rare: bool) -> AuditEntry:
        """`progress` is how much of the history has passed: machines come and go with it."""
        rng, world = self.rng, self.world
        world.progress = progress
        token = world.rare_token if is_rare else world.token()
        address = world.address(token)
        machine = address.machine = address.machine or world.machine(address)
        course = self.courses[bisect(COURSE_SHARES, rng.random())]
        tell = self._kept if machine.is_balancer else course
        return AuditEntry(
            attempt_id=UUID(int=rng.getrandbits(128), version=4),
            created_at=at,
            source_ip=token.sources[int(rng.random() ** 2 * len(token.sources))],
            request_id=f"{rng.getrandbits(128):032x}",
            reason=self._reason(),
            **token.fields,
            **address.fields,
            **machine.fields,
            **tell(at, address, machine, token),
        )

    def _reason(self) -> str:
        chance = self.rng.random()
        if chance < 0.35:
            return ""
        number = int(chance * 1e6)
        return REASONS[number % len(REASONS)].format(number // 100)

    def _succeeded(self, at: datetime, address: Address, _machine: Machine, token: Token) -> Fields:
        address.machine = None
        return {"outcome": Outcome.SUCCEEDED, **self._answered(at, 200, token)}

    def _failed(self, at: datetime, address: Address, _machine: Machine, token: Token) -> Fields:
        answer = REFUSED_BY_KATAPULT[bisect(FAILED_SHARES, self.rng.random())]
        if answer[0] == "no_allocation":
            address.machine = None
        return {
            "outcome": Outcome.FAILED,
            **self._answered(at, answer[1], token),
            **_error(answer),
        }

    def _kept(self, at: datetime, address: Address, _machine: Machine, token: Token) -> Fields:
        """A balancer does not let go of its address, until somebody deletes it."""
        address.machine = None
        called = self._answered(at, OF_BALANCERS[1], token)
        return {"outcome": Outcome.FAILED, **called, **_error(OF_BALANCERS)}

    def _refused(self, at: datetime, address: Address, machine: Machine, token: Token) -> Fields:
        answer = NEVER_CALLED[bisect(REFUSED_SHARES, self.rng.random())]
        code, status, description, detail = answer
        if code in {"already_unallocated", "allocation_changed"}:
            is_free = code == "already_unallocated"
            address.machine = None if is_free else self.world.machine(address)
            found = address.machine and address.machine.allocation
            detail = {"confirmed": machine.allocation, "found": found}
        # Only the reading before the call was answered, if anything was.
        read = self._answered(at, status, token) if status else {}
        finished_at = at + timedelta(seconds=ON_ITS_WAY + read.get("duration_us", 0) / 1_000_000)
        return {
            **read,
            "outcome": Outcome.REFUSED,
            "basis": Basis.CHECK,
            "sent_at": None,
            "finished_at": finished_at,
            **_error((code, status, description, detail)),
        }

    def _succeeded_unanswered(self, at: datetime, address: Address, *_: Machine | Token) -> Fields:
        address.machine = None
        return {
            "outcome": Outcome.SUCCEEDED,
            **self._unanswered(at, [(ReadingResult.UNALLOCATED, None)], RETRY),
        }

    def _failed_unanswered(
        self, at: datetime, _address: Address, machine: Machine, _token: Token
    ) -> Fields:
        readings: list[tuple[ReadingResult, Machine | None]] = [
            (ReadingResult.ALLOCATED, machine)
        ] * 2
        return {"outcome": Outcome.FAILED, **self._unanswered(at, readings, INTERVAL)}

    def _unknown(self, at: datetime, address: Address, *_: Machine | Token) -> Fields:
        """Seen on another machine; in half of the cases soon free of that one, too."""
        other = address.machine = self.world.machine(address)
        readings: list[tuple[ReadingResult, Machine | None]] = [(ReadingResult.OTHER, other)]
        if self.rng.random() < 0.5:
            readings.append((ReadingResult.UNALLOCATED, None))
            address.machine = None
        else:
            readings *= INTERVAL // RETRY + 1
        return {"outcome": Outcome.UNKNOWN, **self._unanswered(at, readings, RETRY)}

    def _answered(self, at: datetime, status: int | None, token: Token) -> Fields:
        duration = round(self.rng.lognormvariate(MEDIAN, 0.45), 6)
        sent_at = at + timedelta(seconds=ON_ITS_WAY)
        return {
            "sent_at": sent_at,
            "finished_at": sent_at + timedelta(seconds=duration + 0.004),
            "http_status": status,
            "katapult_request_id": _uuid(self.rng.getrandbits(128)),
            "rate_limit_permitted": token.permitted,
            "rate_limit_remaining": int(token.permitted * self.rng.random()),
            "duration_us": round(duration * 1_000_000),
            "basis": Basis.ANSWER,
        }

    def _unanswered(
        self, at: datetime, readings: list[tuple[ReadingResult, Machine | None]], every: int
    ) -> Fields:
        """The call timed out, and the address was read, so many seconds apart."""
        sent_at = at + timedelta(seconds=ON_ITS_WAY)
        duration = TIME_OUT + round(self.rng.random() / 50, 6)
        read_at = [sent_at + timedelta(seconds=duration + 0.05)]
        read_at += [read_at[0] + timedelta(seconds=every * n) for n in range(1, len(readings))]
        return {
            "sent_at": sent_at,
            "finished_at": read_at[-1] + timedelta(milliseconds=8),
            "duration_us": round(duration * 1_000_000),
            "basis": Basis.EVIDENCE,
            "evidence": [
                self._reading(moment, found, machine)
                for moment, (found, machine) in zip(read_at, readings, strict=True)
            ],
            **_error(("answer_lost", None, "The read operation timed out", {})),
        }

    def _reading(self, at: datetime, found: ReadingResult, machine: Machine | None) -> Fields:
        """As `services/evidence.py` keeps one."""
        nothing = {"allocation_id": "", "allocation_type": "", "allocation_name": ""}
        return {
            "read_at": at.isoformat(),
            "found": str(found),
            "error_code": "",
            **(machine.allocation if machine else nothing),
            "reverse_dns": machine.fields["reverse_dns"] if machine else "",
            "status": 200,
            "request_id": _uuid(self.rng.getrandbits(128)),
        }


def _error(answer: Answer) -> Fields:
    code, _status, description, detail = answer
    return {"error_code": code, "error_description": description, "error_detail": dict(detail)}


def _uuid(bits: int) -> str:
    digits = f"{bits:032x}"
    return "-".join(digits[a:b] for a, b in pairwise((0, 8, 12, 16, 20, 32)))
