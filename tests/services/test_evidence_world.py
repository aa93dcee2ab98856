"""Attempts that are not answered, in a world where anything happens in any order: no conclusion may
contradict what really happened there.

A request may be carried out late, after its entry was closed: a `failed` by evidence says no more
than that the address was allocated at each of its readings. What a `succeeded` cannot know: that
the address was freed outside, or was given back to the very same machine between two readings.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.db import transaction
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ipadmin.audit import document
from ipadmin.audit.competing import arrival_window
from ipadmin.audit.integrity import chain
from ipadmin.katapult.errors import AnswerLost, ErrorAnswer
from ipadmin.katapult.types import Allocation, Exchange, IPAddress, Reply, Secret
from ipadmin.models import AuditEntry, Basis, Outcome
from ipadmin.services import api, evidence
from tests.services.katapult import ADDRESS, IP, OTHER_VM, VM

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
EXCHANGE, NOT_FOUND = Exchange("GET", "/", 0.1, 200), Exchange("GET", "/", 0.1, 404)
ATTEMPTS = range(2)
# In seconds. A request was once seen to be carried out 95 s after its call.
GAPS = (0, 1, settings.EVIDENCE_INTERVAL / 2, settings.EVIDENCE_INTERVAL + 1, 95)
KINDS = (
    # What our attempts do; a call lands in silence unless `answer` comes behind it.
    *("begin", "land", "land", "answer", "read", "read", "read", "read_fails"),
    # What others do, outside of this site.
    *("move", "give_back", "free_other", "release", "return"),
)
STEPS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.sampled_from(ATTEMPTS), st.sampled_from(GAPS)),
    min_size=2,
    max_size=12,
)


@dataclass
class Truth:
    """One attempt as it really was."""

    entry: AuditEntry
    has_landed: bool = False
    freed: list[str] = field(default_factory=list)
    # Who held the address at each reading, "" when it was gone, and when that was.
    held: list[tuple[str | None, datetime]] = field(default_factory=list)
    # Whether a reading of this attempt showed that the machine had lost the address.
    saw_loss: bool = False
    # Whether one showed that the address was held by something else, or gone.
    saw_move: bool = False
    was_moved: bool = False
    was_given_back_unseen: bool = False
    # Whether another attempt freed it after an entry said that it had done so already.
    was_freed_again: bool = False

    @property
    def is_beyond_evidence(self) -> bool:
        is_moved = self.was_moved and not self.saw_move
        return is_moved or self.was_given_back_unseen or self.was_freed_again


@dataclass
class World:
    now: datetime = START
    holder: str | None = VM
    is_ours: bool = True
    is_readable: bool = True
    attempts: dict[int, Truth] = field(default_factory=dict)

    def ip_address(
        self, _: Secret, *, id: str, known_address: str, **_how: bool
    ) -> Reply[IPAddress]:
        if not self.is_readable:
            raise AnswerLost("timed out", EXCHANGE)
        if not self.is_ours:
            raise ErrorAnswer("ip_address_not_found", "", {}, NOT_FOUND)
        held = Allocation(self.holder, "VirtualMachine") if self.holder else None
        return Reply(IPAddress(id, known_address, None, vip=False, allocation=held), EXCHANGE)

    def step(self, kind: str, number: int, gap: float) -> None:
        self.now += timedelta(seconds=gap)
        with time_machine.travel(self.now, tick=False):
            attempt = self.attempts.get(number)
            if kind == "begin":
                self.begin(number)
            elif kind in {"land", "answer", "read", "read_fails"}:
                # What is closed is not read again; its call may still land.
                if attempt and (attempt.entry.is_open or kind == "land"):
                    getattr(self, kind)(attempt)
            else:
                getattr(self, kind)()

    def begin(self, number: int) -> None:
        if number in self.attempts or self.holder != VM or not self.is_ours:
            return
        entry = AuditEntry(
            attempt_id=uuid.uuid4(),
            outcome=Outcome.UNKNOWN,
            error_code="answer_lost",
            sent_at=self.now,
            user_id=1,
            token_id=uuid.uuid4(),
            api_url=settings.KATAPULT_API_URL,
            address_id=IP,
            address=ADDRESS,
            allocation_id=VM,
        )
        # Each world is a transaction, and so no durable one.
        entry.save()
        chain.seal_opened(document.values_of(entry))
        self.attempts[number] = Truth(entry)

    def land(self, attempt: Truth) -> None:
        """Late at times, but not later than a request can travel."""
        late = self.now - (attempt.entry.sent_at or self.now)
        if attempt.has_landed or late >= arrival_window():
            return
        attempt.has_landed = True
        if self.holder and self.is_ours:
            attempt.freed.append(self.holder)
            self.holder = None
            if attempt.entry.outcome == Outcome.SUCCEEDED:
                for each in self.attempts.values():
                    each.was_freed_again |= each is not attempt

    def answer(self, attempt: Truth) -> None:
        """It lands, and Katapult's own answer arrives; evidence has no say in it."""
        if not attempt.has_landed and not attempt.entry.evidence:
            self.land(attempt)
            attempt.entry.outcome = Outcome.SUCCEEDED if attempt.freed else Outcome.FAILED
            attempt.entry.basis, attempt.entry.finished_at = Basis.ANSWER, self.now
            attempt.entry.save()

    def read(self, attempt: Truth) -> None:
        attempt.held.append((self.holder if self.is_ours else "", self.now))
        attempt.saw_loss |= self.holder != VM or not self.is_ours
        attempt.saw_move |= self.holder == OTHER_VM or not self.is_ours
        evidence.gather(attempt.entry, Secret(""))

    def read_fails(self, attempt: Truth) -> None:
        self.is_readable = False
        evidence.gather(attempt.entry, Secret(""))
        self.is_readable = True

    def move(self) -> None:
        """Somebody outside takes the address from its machine, or from nobody, for another."""
        if self.is_ours and self.holder != OTHER_VM:
            if self.holder == VM:
                for attempt in self.attempts.values():
                    attempt.was_moved |= not attempt.freed
            self.holder = OTHER_VM

    def give_back(self) -> None:
        if self.is_ours and self.holder != VM:
            for attempt in self.attempts.values():
                attempt.was_given_back_unseen |= not attempt.saw_loss
            self.holder = VM

    def free_other(self) -> None:
        if self.holder == OTHER_VM:
            self.holder = None

    def release(self) -> None:
        self.move()
        self.is_ours = False

    def return_(self) -> None:
        self.is_ours = True

    def check(self) -> None:
        named = {str(each.entry.attempt_id) for each in self.attempts.values()}
        for attempt in self.attempts.values():
            entry = attempt.entry
            assert set(entry.competing_attempts) <= named - {str(entry.attempt_id)}
            if entry.basis == Basis.EVIDENCE and entry.outcome == Outcome.FAILED:
                self.check_failed(attempt)
            elif entry.basis == Basis.EVIDENCE and entry.outcome == Outcome.SUCCEEDED:
                is_true = VM in attempt.freed or attempt.is_beyond_evidence
                assert is_true, "succeeded, but did not free it"

    def check_failed(self, attempt: Truth) -> None:
        holders, moments = zip(*attempt.held, strict=True)
        assert set(holders) == {VM}, "failed, but was not allocated at each reading"
        apart = (moments[-1] - moments[0]).total_seconds()
        assert apart >= settings.EVIDENCE_INTERVAL, "failed, after one reading"


setattr(World, "return", World.return_)


@pytest.mark.django_db
@hypothesis_settings(
    max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
# Freed by our late call, but from a machine that nobody had confirmed.
@example(steps=[("move", 0, 0), ("read", 0, 0), ("land", 0, 0), ("read", 0, 1)])
# Freed by our call, and given back once that was seen.
@example(
    steps=[
        *[("land", 0, 0), ("move", 0, 0), ("read", 0, 0), ("give_back", 0, 0)],
        *[("read", 0, 0), ("read", 0, settings.EVIDENCE_INTERVAL + 1)],
    ]
)
# Freed by the other of two attempts that both waited for an answer.
@example(steps=[("begin", 1, 0), ("land", 1, 0), ("read", 0, 0)])
@example(steps=[("begin", 1, 0), ("answer", 1, 0), ("read", 0, 1)])
# Carried out 95 s late, when the entry was closed already, while the next attempt waits.
@example(
    steps=[
        *[("read", 0, 0), ("read", 0, settings.EVIDENCE_INTERVAL + 1), ("begin", 1, 0)],
        *[("land", 0, 30), ("read", 1, 0)],
    ]
)
# Landed after the first look.
@example(steps=[("read", 0, 1), ("read", 0, 1), ("land", 0, 1)])
def test_no_conclusion_from_readings_is_wrong(
    steps: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    monkeypatch.setattr(api, "client", lambda: world)
    with transaction.atomic():
        world.step("begin", 0, 0)
        for step in steps:
            world.step(*step)
        world.check()
        transaction.set_rollback(True)
