"""What was done to the history, in words, whatever its seal says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipadmin.models import LinkKind
from ipadmin.ui.activity_texts import LONGEST, Act, act

AUDREY = {"user_id": 3, "user_name": "audrey", "source_ip": "192.0.2.7", "request_id": "r" * 32}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def said(kind: str, **details: Any) -> Act:
    return act(7, kind, "2026-01-02T03:04:05.000000Z", details)


def facts(found: Act) -> dict[str, str]:
    return {fact.label: fact.text for fact in found.facts}


@pytest.mark.parametrize(
    ("kind", "details", "title", "tone"),
    [
        ("export_started", {"format": "csv"}, "Export as CSV started", "neutral"),
        ("export_started", {}, "Export started", "neutral"),
        (
            "export_finished",
            {"format": "jsonl", "entries": 1204, "complete": True},
            "1,204 attempts exported as JSON lines",
            "neutral",
        ),
        (
            "export_finished",
            {"format": "csv", "entries": 1, "complete": False},
            "Export as CSV broken off after 1 attempt",
            "warning",
        ),
        ("export_finished", {}, "An unknown number of attempts exported", "neutral"),
        ("verified", {"result": "holds"}, "Verified: all links hold", "neutral"),
        ("verified", {"result": "Changed: …"}, "Verified: not everything holds", "danger"),
        ("verified", {}, "Verified: not everything holds", "danger"),
        ("checkpoint_created", {}, "Checkpoint created", "neutral"),
        ("pruned", {"entries": 10_000}, "10,000 attempts pruned", "neutral"),
        ("read_later", {}, "Read as unallocated after a failed attempt", "neutral"),
        ("something_new", {}, "Something new", "warning"),
        ("", {}, "Cannot be read", "danger"),
    ],
)
def test_what_was_done(kind: str, details: dict[str, Any], title: str, tone: str) -> None:
    found = said(kind, **details)
    assert (found.title, found.tone) == (title, tone)


@pytest.mark.parametrize(
    ("by", "who"),
    [
        (AUDREY, "audrey"),
        ("audrey", "audrey"),
        ({"command_line": "root"}, "root (command line)"),
        ({}, ""),
        (None, ""),
    ],
)
def test_by_whom(by: Any, who: str) -> None:
    assert said("checkpoint_created", by=by).who == who


def test_the_filters_of_an_export() -> None:
    criteria = {"outcome": ["failed", "unknown"], "since": ["2026-01-01T02:00:00+02:00"]}
    found = facts(said("export_started", criteria=criteria, by=AUDREY))
    assert found["Filters"] == "outcome failed, unknown; since 2026-01-01 00:00:00 UTC"
    assert (found["From"], found["Request id"]) == ("192.0.2.7", "r" * 32)


def test_an_export_without_filters_says_so() -> None:
    assert facts(said("export_started", criteria={}))["Filters"] == "None: the whole history"


def test_what_a_pruning_removed_and_where_it_is_now() -> None:
    export = {"file": "2022.jsonl", "sha256": "ab" * 32, "bytes": 123456}
    found = said("pruned", before="2023-01-01T00:00:00.000000Z", export=export, digest="cd" * 32)
    assert facts(found) == {
        "From before": "2023-01-01 00:00:00 UTC",
        "File": "2022.jsonl",
        "SHA-256": "ab" * 32,
        "Size in bytes": "123,456",
    }


def test_a_read_that_contradicts_an_entry() -> None:
    details = {"attempt_id": "a" * 36, "address": "192.0.2.7", "source": "list of addresses"}
    found = facts(said("read_later", **details, read_at="2026-01-02T03:04:05.000000+00:00"))
    assert found == {
        "Attempt": "a" * 36,
        "Address": "192.0.2.7",
        "By the": "list of addresses",
        "Read at": "2026-01-02 03:04:05 UTC",
    }


def test_what_a_verification_found() -> None:
    found = facts(said("verified", by="audrey", links=12, head="", result="Removed: link 3"))
    assert found == {"Found": "Removed: link 3", "Links": "12"}


@given(kind=st.sampled_from([*LinkKind.values, "", "new"]), details=JSON)
def test_any_details_are_shown(kind: str, details: Any) -> None:
    found = act(7, kind, None, details)
    assert found.title
    assert all(len(fact.text) <= LONGEST for fact in found.facts)


@given(details=st.dictionaries(st.sampled_from(["by", "criteria", "entries", "export"]), JSON))
def test_any_value_of_a_known_detail_is_shown(details: dict[str, Any]) -> None:
    assert said("export_finished", **details).title


def test_what_looks_like_a_moment_and_is_none_stays_as_it_is() -> None:
    text = "2026-13-41T99:00:00Z"
    assert facts(said("pruned", before=text))["From before"] == text
