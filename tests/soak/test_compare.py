"""Lies made by hand, each of which the comparison has to find."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.soak.compare import Attempt, Change, Post, Read, Records, Sighting, compare, why_unknown

IP, TOKEN, VM, OTHER = "ip_1", "abcd1234", "vm_1", "vm_2"
START = datetime(2026, 1, 1, tzinfo=UTC)


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


# Confirmed at second 0, sent at 1, received at 1.1, acted at 1.2, finished at 2.
SUCCEEDED = Attempt(
    1, "a", IP, TOKEN, "succeeded", "answer", at(0), at(1), at(2), VM, katapult_request_id="p"
)
ACTED = Post("p", IP, TOKEN, at(1.1), at(1.2))
IDLE = replace(ACTED, acted_at=None)
FAILED = replace(SUCCEEDED, outcome="failed")
REFUSED = replace(SUCCEEDED, outcome="refused", basis="check", sent_at=None, katapult_request_id="")
SILENT = replace(SUCCEEDED, katapult_request_id="", basis="evidence")


def reading(found: str, request_id: str = "r") -> dict[str, str]:
    return {"found": found, "request_id": request_id}


def unknown(*found: str, **more: Any) -> Attempt:
    evidence = tuple(reading(each, f"r{number}") for number, each in enumerate(found))
    return replace(SILENT, outcome="unknown", evidence=evidence, **more)


def records(attempts: list[Attempt], posts: list[Post], **more: Any) -> Records:
    freed = any(post.acted_at for post in posts)
    given: dict[str, Any] = {"at_first": {IP: VM}, "at_last": {IP: None if freed else VM}}
    return Records(posts=posts, attempts=attempts, **(given | more))


GOOD = {
    "an answered success": records([SUCCEEDED], [ACTED]),
    "an answered failure": records([FAILED], [IDLE]),
    "a success by evidence": records([SILENT], [ACTED]),
    "a failure by evidence": records([replace(SILENT, outcome="failed")], [IDLE]),
    "marked as sent by a process that died": records([replace(SILENT, outcome="failed")], []),
    "a refusal": records([REFUSED], []),
    "unread to the end, and it happened": records([unknown("unreadable")], [ACTED]),
    "unread to the end, and it did not": records([unknown("unreadable")], [IDLE]),
}


@pytest.mark.parametrize("name", GOOD)
def test_the_truth_is_no_difference(name: str) -> None:
    assert compare(GOOD[name]) == []


LIES = {
    "a success that never happened": (records([SUCCEEDED], [IDLE]), "did not happen"),
    "a success of no call": (records([SILENT], []), "did not happen"),
    "a failure that happened": (records([FAILED], [ACTED]), "did happen"),
    "a failure by evidence that happened": (
        records([replace(SILENT, outcome="failed")], [ACTED]),
        "did happen",
    ),
    "an answer to nothing": (records([FAILED], []), "an answer to nothing"),
    "a refusal that was sent": (records([REFUSED], [IDLE]), "has 0 entries"),
    "a refusal that says it was sent": (records([replace(REFUSED, sent_at=at(1))], []), "was sent"),
    "a refusal with the POST's id": (
        records([replace(REFUSED, katapult_request_id="p")], [IDLE]),
        "does not fit",
    ),
    "a success that was not sent": (
        records([replace(SUCCEEDED, sent_at=None)], [ACTED]),
        "was not sent",
    ),
    "a POST without an entry": (records([], [ACTED]), "has 0 entries"),
    "a POST with another's token": (
        records([SILENT], [replace(ACTED, token="other")]),
        "has 0 entries",
    ),
    "a POST before it was marked as sent": (
        records([SILENT], [replace(ACTED, received_at=at(0.9))]),
        "has 0 entries",
    ),
    "a POST after the end": (
        records([replace(SILENT, outcome="failed")], [replace(IDLE, received_at=at(3))]),
        "has 0 entries",
    ),
    "one POST, two entries": (
        records([SILENT, replace(SILENT, id=2, attempt_id="b")], [ACTED]),
        "has 2 entries",
    ),
    "an attempt sent twice": (
        records([SILENT], [ACTED, replace(IDLE, request_id="q")]),
        "was sent 2 times",
    ),
    "a success said too early": (
        records([SILENT], [replace(ACTED, acted_at=at(2.5))]),
        "before it happened",
    ),
    "an open entry": (records([replace(SUCCEEDED, finished_at=None)], [ACTED]), "still open"),
    "a pending end": (records([replace(SUCCEEDED, outcome="pending")], [ACTED]), "no outcome"),
    "an unknown without a reason": (
        records([unknown()], [ACTED]),
        "does not say why",
    ),
    "an attempt with two entries": (
        records([SUCCEEDED, replace(REFUSED, id=2)], [ACTED]),
        "several entries",
    ),
    "a gap": (
        records([replace(SUCCEEDED, id=2)], [ACTED], is_gapless=True),
        "have gaps",
    ),
    "a vanished entry": (records([], [], told={"a"}), "has vanished"),
    "an outcome that changed": (
        records([SUCCEEDED], [ACTED], sightings=[Sighting("a", "failed")]),
        "was failed and is succeeded",
    ),
    "a change nobody made": (records([], [], at_last={IP: None}), "should be by"),
    "a rival of another address": (
        records([replace(SUCCEEDED, rivals=("z",))], [ACTED]),
        "could not have done it",
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_found(name: str) -> None:
    lie, said = LIES[name]
    found = compare(lie)
    assert any(said in each for each in found), found


@pytest.mark.parametrize(
    ("found", "told_truth", "said"),
    [
        ("unallocated", True, ""),
        ("allocated", True, "was held by"),
        ("other", True, "was held by"),
        ("gone", True, "was held by"),
        ("unallocated", False, "a fault was read"),
    ],
)
def test_readings_are_held_against_the_world(found: str, told_truth: bool, said: str) -> None:
    attempt = replace(SILENT, evidence=(reading(found),))
    read = Read("r", IP, at(1.5), at(1.6), told_truth)
    differences = compare(records([attempt], [ACTED], reads=[read]))
    assert [said in each for each in differences] == [True] * bool(said)


def test_a_reading_that_crossed_a_change_may_show_either() -> None:
    read = Read("r", IP, at(1.15), at(1.3))
    for found in ("allocated", "unallocated"):
        attempt = replace(SILENT, evidence=(reading(found),))
        assert compare(records([attempt], [ACTED], reads=[read])) == []


def test_a_reading_nobody_made_is_found() -> None:
    attempt = replace(SILENT, evidence=(reading("unallocated"),))
    assert "nobody made" in compare(records([attempt], [ACTED]))[0]


def test_a_reading_follows_what_the_harness_changed() -> None:
    given = Change(IP, OTHER, at(1.3))
    attempt = replace(SILENT, evidence=(reading("other"),))
    read = Read("r", IP, at(1.5), at(1.6))
    made = records([attempt], [ACTED], reads=[read], changes=[given], at_last={IP: OTHER})
    assert compare(made) == []


@pytest.mark.parametrize(
    ("attempt", "reason"),
    [
        (unknown("allocated", "other"), "allocated to something else meanwhile"),
        (unknown("gone", "unallocated"), "an answer said that it is gone"),
        (unknown("unallocated", rivals=("b",)), "another attempt could have done it"),
        (unknown("allocated", "unreadable"), "could not be read in time"),
        (unknown("unallocated"), ""),
        (unknown("unreadable", "allocated"), ""),
        (unknown("other", basis="check"), ""),
    ],
)
def test_an_unknown_has_to_say_why(attempt: Attempt, reason: str) -> None:
    assert why_unknown(attempt) == reason
