"""Sentences about readings and about other attempts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ipadmin.audit.readings import ReadingResult
from ipadmin.models import AuditEntry, Basis
from ipadmin.services.later_reads import LaterRead
from ipadmin.ui import action_texts
from ipadmin.ui.explanations import (
    LOOK_NOW,
    NO_CHANGE_SEEN,
    of_entry,
)
from tests.ui.test_explanations import AT, entry, said

READ = [("allocated", 12), ("unreadable", 50), ("allocated", 86), ("allocated", 200)]


def evidence_of(*readings: tuple[str, float]) -> list[dict[str, str]]:
    """Readings so many seconds after AT."""
    return [
        {"found": found, "read_at": (AT + timedelta(seconds=after)).isoformat(), "error_code": ""}
        for found, after in readings
    ]


def other(outcome: str, **more: Any) -> AuditEntry:
    """An attempt of bob's."""
    return entry(outcome, user_name="bob", created_at=AT, sent_at=AT, **more)


@pytest.mark.parametrize(
    ("readings", "words"),
    [
        (["other"], "allocated to another resource afterwards"),
        (["gone"], "no longer belonged to this organization"),
        (["unreadable"], "could not be read"),
        (["token_deleted"], "was deleted"),
        (["token_unreadable"], "can't be decrypted"),
        (["invalid_api_token"], "no longer accepts the token"),
        (["another_api"], "another Katapult API"),
        (["other", "unallocated"], "allocated to another resource in between"),
        (["gone", "allocated"], "allocated to another resource in between"),
        ([], "could not be read"),
    ],
)
def test_why_it_cannot_be_told(readings: list[str], words: str) -> None:
    found = set(ReadingResult)
    evidence = [
        {
            "found": each if each in found else "unreadable",
            "error_code": each if each not in found else "",
        }
        for each in readings
    ]
    shown = of_entry(entry("unknown", "answer_lost", evidence=evidence))
    assert words in shown.what_happened


def test_a_competing_attempt_that_the_reader_may_not_see_is_named_by_id() -> None:
    shown = of_entry(
        entry("unknown", competing_attempts=["abc"], evidence=[{"found": "unallocated"}])
    )
    assert ("Other possible attempt", "abc") in shown.facts
    assert "by another attempt" in shown.what_happened


@pytest.mark.parametrize(
    ("done", "basis", "sentence"),
    [
        ("succeeded", "answer", "bob unallocated the address at 12:00:40 UTC."),
        ("pending", "", "Its outcome is not known."),
        ("unknown", "", "Possibly unallocated by bob's attempt at 12:00:40 UTC."),
        ("failed", "evidence", "Its request may have been carried out late."),
    ],
)
@pytest.mark.parametrize(
    ("outcome", "code"),
    [("refused", "already_unallocated"), ("failed", "no_allocation"), ("unknown", "")],
)
def test_a_competing_attempt_is_named_and_linked(
    outcome: str, code: str, done: str, basis: str, sentence: str
) -> None:
    made = other(done, basis=basis)
    ours = entry(outcome, code, created_at=AT, competing_attempts=[str(made.attempt_id)])
    shown = of_entry(ours, [made])
    (linked,) = shown.attempts
    assert sentence in linked.text
    assert linked.url == made.get_absolute_url()
    assert "outside this site" not in said(shown)
    assert "Other possible" not in said(shown)


def test_who_did_it_is_said_alone() -> None:
    others = [other("unknown"), other("succeeded")]
    ours = entry("refused", "already_unallocated", created_at=AT)
    (linked,) = of_entry(ours, others).attempts
    assert linked.text.startswith("bob unallocated the address")


@pytest.mark.parametrize(
    ("outcome", "code"), [("refused", "already_unallocated"), ("failed", "no_allocation")]
)
@pytest.mark.parametrize("others", [[], [other("failed")], [other("refused")]])
def test_elsewhere_is_said_when_no_attempt_of_ours_can_have_done_it(
    outcome: str, code: str, others: list[AuditEntry]
) -> None:
    ours = entry(outcome, code, competing_attempts=[str(each.attempt_id) for each in others])
    shown = of_entry(ours, others)
    assert "It was unallocated outside this site." in shown.what_happened
    assert shown.attempts == ()


@pytest.mark.parametrize("competing", [False, True])
def test_a_later_read_that_contradicts_a_failure(competing: bool) -> None:
    read = LaterRead(AT + timedelta(seconds=300), "list of addresses", competing)
    ours = entry("failed", "answer_lost", basis=Basis.EVIDENCE, created_at=AT)
    shown = of_entry(ours, later=read)
    assert "read as unallocated at 12:05:40 UTC (list of addresses)" in shown.changed
    assert ("This request or another one" in shown.changed) is competing
    assert "carried out late, or the address was unallocated outside this site." in shown.changed
    assert shown.what_now == LOOK_NOW


def test_a_time_of_another_day_comes_with_its_day() -> None:
    read = LaterRead(AT + timedelta(hours=13), "confirmation page", has_competing=False)
    shown = of_entry(entry("failed", basis=Basis.EVIDENCE, created_at=AT), later=read)
    assert "read as unallocated at 2026-11-24 01:00:40 UTC" in shown.changed


@pytest.mark.parametrize("code", ["answer_lost", "unreadable_answer", "", "unhandled_exception"])
def test_success_by_evidence_is_told_from_an_answer(code: str) -> None:
    readings = evidence_of(("allocated", 12), ("unallocated", 86))
    made = entry("succeeded", code, basis=Basis.EVIDENCE, evidence=readings, created_at=AT)
    shown = of_entry(made)
    assert "confirmed it" not in shown.what_happened
    assert "read as unallocated at 12:02:06 UTC, and no other attempt" in shown.what_happened


@pytest.mark.parametrize("code", ["answer_lost", "unreadable_answer", "", "unhandled_exception"])
def test_failure_by_evidence_says_what_was_read_and_when(code: str) -> None:
    made = entry("failed", code, basis=Basis.EVIDENCE, evidence=evidence_of(*READ), created_at=AT)
    shown = of_entry(made)
    read = "It was still allocated to virtual machine web-01 when read at 12:00:52 UTC and at "
    assert f"{read}12:04:00 UTC." in shown.what_happened
    assert shown.changed == NO_CHANGE_SEEN


@pytest.mark.parametrize(
    ("evidence", "when"),
    [
        ([], "when read afterwards."),
        ([{"found": "allocated", "read_at": "then"}], "when read afterwards."),
        ([{"read_at": AT.isoformat()}, None], "when read afterwards."),
        (evidence_of(("allocated", 12)), "when read at 12:00:52 UTC."),
    ],
)
def test_evidence_of_an_earlier_version(evidence: list[Any], when: str) -> None:
    shown = of_entry(entry("failed", basis=Basis.EVIDENCE, evidence=evidence, created_at=AT))
    assert when in shown.what_happened


@pytest.mark.parametrize(
    ("held", "text"),
    [
        (("VirtualMachine", "vm_1", "web"), "virtual machine web"),
        (("LoadBalancer", "lb_1", ""), "load balancer lb_1"),
        (("Gateway", "", ""), "Gateway an unnamed resource"),
        (("", "", ""), "an unnamed resource"),
    ],
)
def test_what_held_the_address(held: tuple[str, str, str], text: str) -> None:
    kind, id, name = held
    made = entry("failed", allocation_type=kind, allocation_id=id, allocation_name=name)
    assert action_texts.allocation_text(made) == text
