"""The made-up history: repeatable, in order, and told by the rules that real entries follow."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from ipadmin.demo.history import facts
from ipadmin.models import AuditEntry, Basis, Outcome
from ipadmin.models.audit_entry import keys_of
from ipadmin.services.evidence import judge

NOW = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)
COUNT = 4000


@pytest.fixture(scope="module")
def history() -> list[AuditEntry]:
    return list(facts(COUNT, now=NOW))


def shape(entry: AuditEntry) -> dict[str, object]:
    return {name: value for name, value in vars(entry).items() if name != "_state"}


def test_the_same_seed_tells_the_same_history(history: list[AuditEntry]) -> None:
    again = list(facts(COUNT, now=NOW))
    assert [shape(entry) for entry in again] == [shape(entry) for entry in history]


def test_another_seed_tells_another() -> None:
    one, other = (next(facts(1, seed=seed, now=NOW)) for seed in (1, 2))
    assert one.attempt_id != other.attempt_id
    assert one.address_id != other.address_id


@pytest.mark.parametrize("count", [0, 1, 49, 50])
def test_however_short(count: int) -> None:
    assert len(list(facts(count, now=NOW))) == count


def test_three_years_oldest_first(history: list[AuditEntry]) -> None:
    assert all(one.created_at <= next_.created_at for one, next_ in pairwise(history))
    assert history[-1].created_at - history[0].created_at > timedelta(days=3 * 365 - 30)


def test_people_work_in_office_hours(history: list[AuditEntry]) -> None:
    at_work = [e for e in history if e.created_at.weekday() < 5 and 7 <= e.created_at.hour < 18]
    assert len(at_work) > 0.85 * COUNT
    assert len(at_work) < COUNT


def test_every_entry_has_ended_in_order(history: list[AuditEntry]) -> None:
    for entry in history:
        assert entry.finished_at
        assert entry.created_at < (entry.sent_at or entry.finished_at) <= entry.finished_at < NOW
        assert entry.outcome != Outcome.PENDING


def test_every_entry_fits_its_columns(history: list[AuditEntry]) -> None:
    limits = {field.attname: field.max_length for field in AuditEntry._meta.concrete_fields}
    for entry in history:
        for name, value in shape(entry).items():
            assert not isinstance(value, str) or len(value) <= (limits[name] or 0), name


def test_shares_of_outcomes(history: list[AuditEntry]) -> None:
    shares = {outcome: n / COUNT for outcome, n in Counter(e.outcome for e in history).items()}
    expected = {"succeeded": 0.9, "failed": 0.05, "refused": 0.03, "unknown": 0.02}
    assert shares == pytest.approx(expected, abs=0.015)


def test_shares_of_people(history: list[AuditEntry]) -> None:
    entries = Counter(entry.user_name for entry in history)
    assert entries.most_common(1)[0][1] / COUNT == pytest.approx(0.21, abs=0.03)
    assert entries["will.frost"] == 12
    assert len(entries) == 30


def test_a_token_is_one_persons_and_one_organizations(history: list[AuditEntry]) -> None:
    kinds = {(e.token_id, e.user_id, e.organization_id, e.environment) for e in history}
    assert len(kinds) == len({token for token, *_ in kinds}) <= 45
    assert len({organization for *_, organization, _ in kinds}) == 3
    assert len({token for token, *_, environment in kinds if environment == "sandbox"}) == 1


def test_an_address_is_one_organizations(history: list[AuditEntry]) -> None:
    owners = {(e.address, e.address_id, e.organization_id, e.environment) for e in history}
    assert len(owners) == len({address for address, *_ in owners})
    assert len({id for _, id, *_ in owners}) == len(owners)


def test_what_was_not_unallocated_stays_where_it_was(history: list[AuditEntry]) -> None:
    before: dict[str, AuditEntry] = {}
    stayed = 0
    for entry in history:
        last = before.get(entry.address)
        if last and last.outcome == Outcome.FAILED and last.error_code == "answer_lost":
            assert last.allocation_id == entry.allocation_id
            stayed += 1
        before[entry.address] = entry
    assert stayed


def test_a_load_balancer_keeps_its_address(history: list[AuditEntry]) -> None:
    balancers = [entry for entry in history if entry.allocation_type == "LoadBalancer"]
    assert {entry.outcome for entry in balancers} == {Outcome.FAILED}


def test_what_was_refused_was_not_sent(history: list[AuditEntry]) -> None:
    refused = [entry for entry in history if entry.outcome == Outcome.REFUSED]
    assert refused
    assert all(entry.sent_at is None and entry.basis == Basis.CHECK for entry in refused)


def test_the_evidence_proves_the_outcome(history: list[AuditEntry]) -> None:
    resolved = [entry for entry in history if entry.basis == Basis.EVIDENCE]
    assert {entry.outcome for entry in resolved} == {"succeeded", "failed", "unknown"}
    for entry in resolved:
        assert entry.finished_at
        conclusion = judge(entry, [], entry.finished_at)
        assert conclusion
        assert conclusion.outcome == entry.outcome


def test_each_entry_has_its_search_keys(history: list[AuditEntry]) -> None:
    for entry in history[:200]:
        fields = shape(entry)
        assert keys_of(fields).items() <= fields.items()


def test_it_can_be_kept(db: None) -> None:
    AuditEntry.objects.bulk_create(facts(50, now=NOW))
    assert AuditEntry.objects.exclude(finished_at=None).count() == 50
