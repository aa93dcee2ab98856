"""The made-up history: repeatable, about the sandbox, and consistent with the rules for entries."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from ipadmin.demo.history import DEMO_ADDRESSES, facts
from ipadmin.models import AuditEntry, Basis, Outcome
from ipadmin.sandbox import Options
from ipadmin.sandbox.world import build
from ipadmin.services.evidence import judge

NOW = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)
COUNT = 2000


@pytest.fixture(scope="module")
def history() -> list[AuditEntry]:
    return list(facts(COUNT, now=NOW))


def values(entry: AuditEntry) -> dict[str, object]:
    return {name: value for name, value in vars(entry).items() if name != "_state"}


def test_the_same_seed_makes_the_same_history(history: list[AuditEntry]) -> None:
    assert [values(each) for each in facts(COUNT, now=NOW)] == [values(each) for each in history]


def test_another_seed_makes_another_history(history: list[AuditEntry]) -> None:
    assert next(facts(1, seed=2, now=NOW)).attempt_id != history[0].attempt_id


@pytest.mark.parametrize("count", [0, 1, 50])
def test_a_short_history_has_its_number_of_entries(count: int) -> None:
    assert len(list(facts(count, now=NOW))) == count


def test_entries_are_in_order_over_three_years(history: list[AuditEntry]) -> None:
    assert all(one.created_at <= next_.created_at for one, next_ in pairwise(history))
    assert history[-1].created_at - history[0].created_at > timedelta(days=3 * 365 - 30)


def test_most_entries_are_in_office_hours(history: list[AuditEntry]) -> None:
    at_work = [e for e in history if e.created_at.weekday() < 5 and 7 <= e.created_at.hour < 18]
    assert 0.85 * COUNT < len(at_work) < COUNT


def test_every_entry_is_finished_in_the_past(history: list[AuditEntry]) -> None:
    for entry in history:
        assert entry.finished_at
        assert entry.created_at < (entry.sent_at or entry.finished_at) <= entry.finished_at < NOW
        assert entry.outcome != Outcome.PENDING


def test_every_text_fits_its_column(history: list[AuditEntry]) -> None:
    limits = {field.attname: field.max_length for field in AuditEntry._meta.concrete_fields}
    for entry in history:
        texts = {name: value for name, value in values(entry).items() if isinstance(value, str)}
        assert not [name for name, text in texts.items() if len(text) > (limits[name] or 0)]


def test_most_attempts_succeed(history: list[AuditEntry]) -> None:
    shares = {outcome: n / COUNT for outcome, n in Counter(e.outcome for e in history).items()}
    expected = {"succeeded": 0.9, "failed": 0.05, "refused": 0.03, "unknown": 0.02}
    assert shares == pytest.approx(expected, abs=0.02)


def test_people_differ_in_their_number_of_entries(history: list[AuditEntry]) -> None:
    entries = Counter(entry.user_name for entry in history)
    assert entries.most_common(1)[0][1] / COUNT == pytest.approx(0.25, abs=0.03)
    assert entries["will.frost"] == 12
    assert len(entries) == 30


def test_a_token_belongs_to_one_person_and_one_organization(history: list[AuditEntry]) -> None:
    tokens = {(e.token_id, e.user_id, e.organization_id) for e in history}
    assert len(tokens) == len({token for token, *_ in tokens})


def test_the_demo_has_the_addresses_and_machines_of_its_sandbox(history: list[AuditEntry]) -> None:
    assert f"--addresses {DEMO_ADDRESSES} " in Path("Procfile").read_text()
    world = build(Options.seed, DEMO_ADDRESSES)
    machines = {each.id: each for each in world.resources.values()}
    assert len({entry.address for entry in history}) == DEMO_ADDRESSES
    for entry in history:
        address, machine = world.addresses[entry.address_id], machines[entry.allocation_id]
        assert (entry.address, entry.vip) == (address.address, address.vip)
        assert entry.organization_id == address.organization == machine.organization
        assert (entry.allocation_name, entry.reverse_dns) == (machine.name, machine.fqdn)


def test_a_failed_attempt_leaves_the_address_on_its_machine(history: list[AuditEntry]) -> None:
    before: dict[str, AuditEntry] = {}
    unanswered = 0
    for entry in history:
        last = before.get(entry.address)
        if last and last.outcome == Outcome.FAILED and last.error_code == "answer_lost":
            assert last.allocation_id == entry.allocation_id
            unanswered += 1
        before[entry.address] = entry
    assert unanswered


def test_load_balancers_and_gateways_cannot_be_unallocated(history: list[AuditEntry]) -> None:
    others = {e.outcome for e in history if e.allocation_type in {"LoadBalancer", "Gateway"}}
    assert others == {Outcome.FAILED}


def test_refused_attempts_were_not_sent(history: list[AuditEntry]) -> None:
    refused = [entry for entry in history if entry.outcome == Outcome.REFUSED]
    assert {(entry.sent_at, entry.basis) for entry in refused} == {(None, Basis.CHECK)}


def test_the_evidence_proves_the_outcome(history: list[AuditEntry]) -> None:
    resolved = [entry for entry in history if entry.basis == Basis.EVIDENCE]
    assert {entry.outcome for entry in resolved} == {"succeeded", "failed", "unknown"}
    for entry in resolved:
        assert entry.finished_at
        conclusion = judge(entry, [], entry.finished_at)
        assert conclusion
        assert conclusion["outcome"] == entry.outcome
