"""What a soak leaves behind: the sandbox's ledger and world, the audit entries, and what the
operators were shown. Imports nothing of the product, so that `compare.py` can be tested alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Post:
    """An unallocate POST that the sandbox received, and when it changed the world, if it did.

    `token` is the ledger's short fingerprint: the first eight digits of the product's. `answer` is
    "{}" for `200 {}`, the code of a documented refusal, and empty for what decides nothing.
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
    """A reading of one address that the sandbox received; `told_truth` unless a fault answered."""

    request_id: str
    ip: str
    received_at: datetime
    answered_at: datetime
    told_truth: bool = True


@dataclass(frozen=True, slots=True)
class Change:
    """The address got another holder, None for nobody."""

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
    holder: str = ""  # as confirmed
    error_code: str = ""
    katapult_request_id: str = ""
    # Readings, each with found, request_id and read_at, as `ipadmin/services/evidence.py` has them.
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
    """A finished outcome that an operator was shown."""

    attempt_id: str
    outcome: str


@dataclass(slots=True)
class Records:
    posts: list[Post] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)
    # Attempts that an operator was told of by id.
    told: set[str] = field(default_factory=set)
    # Who held each shared address at first, and who does at last.
    at_first: dict[str, str | None] = field(default_factory=dict)
    at_last: dict[str, str | None] = field(default_factory=dict)
    # How often each kind of fault was used, 0 included.
    faults: Counter[str] = field(default_factory=Counter)
    # Between two readings that prove a failure; EVIDENCE_INTERVAL.
    interval: timedelta = timedelta(0)
    # SQLite numbers entries without a gap; PostgreSQL skips a number at each refused insert.
    is_gapless: bool = False
