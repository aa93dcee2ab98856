"""The records of a soak: the sandbox's log and world, the audit entries, and the results that
operators saw. Imports nothing of the product, so that `compare.py` can be tested alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Post:
    """An unallocate POST that the sandbox received. `acted_at` is None if it was not carried out.

    `token` is the first eight digits of the token's fingerprint. `answer` is "{}" for `200 {}`, the
    code of a documented refusal, or empty for an answer that proves nothing.
    """

    request_id: str
    ip: str
    token: str
    received_at: datetime
    acted_at: datetime | None = None
    answer: str = ""
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Read:
    """A reading of one address. `is_true` is False when a fault changed the answer."""

    request_id: str
    ip: str
    received_at: datetime
    answered_at: datetime
    is_true: bool = True


@dataclass(frozen=True, slots=True)
class Change:
    """The address was allocated to `holder`; None for unallocated."""

    ip: str
    holder: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Attempt:
    """An audit entry."""

    id: int
    attempt_id: str
    ip: str
    token: str
    outcome: str
    basis: str
    created_at: datetime
    sent_at: datetime | None
    finished_at: datetime | None
    holder: str = ""  # the confirmed allocation
    error_code: str = ""
    katapult_request_id: str = ""
    # Readings, as in `ipadmin/audit/readings.py`.
    evidence: tuple[dict[str, str], ...] = ()
    competing_attempts: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.attempt_id} (no. {self.id}, {self.outcome} by {self.basis or '?'})"

    def could_have_sent(self, post: Post) -> bool:
        if self.sent_at is None or (self.ip, self.token) != (post.ip, post.token):
            return False
        return self.sent_at <= post.received_at <= (self.finished_at or post.received_at)


@dataclass(frozen=True, slots=True)
class Observation:
    """A final outcome that an operator saw."""

    attempt_id: str
    outcome: str


@dataclass(slots=True)
class Records:
    posts: list[Post] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)
    # Attempt ids that an operator saw.
    attempt_ids: set[str] = field(default_factory=set)
    # The allocations of the shared addresses at the beginning and at the end.
    at_first: dict[str, str | None] = field(default_factory=dict)
    at_last: dict[str, str | None] = field(default_factory=dict)
    # How often each kind of fault was used, 0 included.
    faults: Counter[str] = field(default_factory=Counter)
    # EVIDENCE_INTERVAL.
    interval: timedelta = timedelta(0)
    # Ids have no gaps on SQLite. PostgreSQL skips an id for each insert that fails.
    is_gapless: bool = False
