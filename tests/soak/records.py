"""The records of a soak: the sandbox's log and world, the audit entries, and the results that
operators saw. Imports nothing of the product, so that `compare.py` can be tested alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple


class State(NamedTuple):
    """What an address is allocated to (None: nothing), and its reverse DNS."""

    holder: str | None
    reverse_dns: str = ""


UNALLOCATED = State(None)


@dataclass(frozen=True, slots=True)
class Post:
    """A request to change an address that the sandbox received. `acted_at` is None if it was not
    carried out; else `state` is that of the address after it.

    `token` is the first eight digits of the token's fingerprint. `answer` is "{}" for a success,
    the code of a documented refusal, or empty for an answer that proves nothing.
    """

    request_id: str
    ip: str
    token: str
    received_at: datetime
    acted_at: datetime | None = None
    answer: str = ""
    fault: str = ""
    action: str = "unallocate"
    state: State = UNALLOCATED

    @property
    def target(self) -> tuple[str, str, str]:
        return self.ip, self.token, self.action


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
    ip: str
    state: State
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
    holder: str = ""  # the confirmed allocation, or that of an `allocate` to be made
    error_code: str = ""
    katapult_request_id: str = ""
    # Readings, as in `ipadmin/audit/readings.py`.
    evidence: tuple[dict[str, str], ...] = ()
    competing_attempts: tuple[str, ...] = ()
    action: str = "unallocate"
    reverse_dns: str = ""  # the requested one
    undoes: str = ""  # an attempt id
    run_id: str = ""

    def __str__(self) -> str:
        what = f"{self.action}, " if self.action != "unallocate" else ""
        return f"{self.attempt_id} (no. {self.id}, {what}{self.outcome} by {self.basis or '?'})"

    @property
    def target(self) -> tuple[str, str, str]:
        return self.ip, self.token, self.action

    def shown_by(self, state: State) -> str:
        """What a reading of this state shows of the attempt."""
        if self.action == "set_reverse_dns":
            return "set" if state.reverse_dns == self.reverse_dns else "not_set"
        if state.holder is None:
            return "unallocated"
        return "allocated" if state.holder == self.holder else "other"

    def could_have_sent(self, post: Post) -> bool:
        if self.sent_at is None or self.target != post.target:
            return False
        return self.sent_at <= post.received_at <= (self.finished_at or post.received_at)


@dataclass(frozen=True, slots=True)
class RunItem:
    """An address of a run; `is_part` is False for one that was left out of it."""

    ip: str
    attempt_id: str
    dns_attempt_id: str = ""
    holder: str = ""
    is_part: bool = True


@dataclass(frozen=True, slots=True)
class Run:
    """A run, with its pauses, the last of which may have no end."""

    id: str
    action: str
    state: str
    user: str
    items: tuple[RunItem, ...]
    stop_reason: str = ""
    confirmed_at: datetime | None = None
    finished_at: datetime | None = None
    approval_rule: str = ""
    decided_by: str = ""
    decided_at: datetime | None = None
    pauses: tuple[tuple[datetime, datetime | None], ...] = ()
    takeovers: int = 0  # by another worker, after one was killed

    def __str__(self) -> str:
        return f"run {self.id} ({self.action}, {self.state})"


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
    runs: list[Run] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)
    # Attempt ids that an operator saw.
    attempt_ids: set[str] = field(default_factory=set)
    # The states of all addresses at the beginning and at the end.
    at_first: dict[str, State] = field(default_factory=dict)
    at_last: dict[str, State] = field(default_factory=dict)
    # How often each kind of fault was used, 0 included.
    faults: Counter[str] = field(default_factory=Counter)
    # EVIDENCE_INTERVAL.
    interval: timedelta = timedelta(0)
    # Ids have no gaps on SQLite. PostgreSQL skips an id for each insert that fails.
    is_gapless: bool = False
