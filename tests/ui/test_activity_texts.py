"""Activity in words, whatever the details of its link are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipadmin.audit.activity import Actor
from ipadmin.models import LinkKind
from ipadmin.ui.activity_texts import TEXT_CHARACTERS, ActivityText, describe

AUDREY = Actor(3, "audrey", source_ip="192.0.2.7", request_id="r" * 32).details()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def text_of(kind: str, **details: Any) -> ActivityText:
    return describe(7, kind, "2026-01-02T03:04:05.000000Z", details)


def facts(text: ActivityText) -> dict[str, str]:
    return {fact.label: str(fact.text or fact.code or fact.at) for fact in text.facts}


@pytest.mark.parametrize(
    ("kind", "details", "title", "tone"),
    [
        ("export_started", {"format": "csv"}, "Export as CSV started", "neutral"),
        (
            "export_finished",
            {"format": "jsonl", "entries": 1204, "complete": True},
            "1,204 attempts exported as JSON lines",
            "neutral",
        ),
        (
            "export_finished",
            {"format": "csv", "entries": 1, "complete": False},
            "Export as CSV stopped after 1 attempt",
            "warning",
        ),
        ("export_finished", {}, "Unknown number of attempts exported", "neutral"),
        (
            "verified",
            {"result": "holds", "links": 40_000},
            "Verified: 40,000 records intact",
            "neutral",
        ),
        ("verified", {"result": "Changed: …"}, "Verified: tampering detected", "danger"),
        ("verified", {}, "Verified: tampering detected", "danger"),
        ("checkpoint_created", {}, "Checkpoint created", "neutral"),
        ("pruned", {"entries": 10_000}, "10,000 attempts removed", "neutral"),
        ("read_later", {}, "Read as changed after a failed attempt", "neutral"),
        ("something_new", {}, "Something_new", "warning"),
        ("", {}, "Unreadable record", "danger"),
    ],
)
def test_title_and_tone_of_an_activity(
    kind: str, details: dict[str, Any], title: str, tone: str
) -> None:
    text = text_of(kind, **details)
    assert (text.badge.text, text.badge.tone) == (title, tone)


@pytest.mark.parametrize(
    ("by", "name"),
    [(AUDREY, "audrey"), (Actor(command_line="root").details(), "root (command line)"), (7, "")],
)
def test_name_of_the_actor(by: Any, name: str) -> None:
    assert text_of("checkpoint_created", by=by).actor == name


def test_filters_of_an_export() -> None:
    criteria = {"outcome": ["failed", "unknown"], "since": ["2026-01-01"]}
    found = facts(text_of("export_started", criteria=criteria, by=AUDREY))
    assert found == {
        "Filters": "outcome failed, unknown; since 2026-01-01",
        "From": "192.0.2.7",
        "Request ID": "r" * 32,
    }


def test_export_without_filters() -> None:
    assert facts(text_of("export_started", criteria={}))["Filters"] == "None: the whole history"


def test_removal_names_its_file() -> None:
    export = {"file": "2022.jsonl", "sha256": "ab" * 32, "bytes": 123456}
    text = text_of("pruned", before="2023-01-01T00:00:00.000000Z", export=export, digest="cd" * 32)
    assert facts(text) == {
        "Created before": "2023-01-01T00:00:00.000000Z",
        "File": "2022.jsonl",
        "SHA-256": "ab" * 32,
        "Size in bytes": "123,456",
    }


def test_read_that_contradicts_an_entry() -> None:
    details = {"attempt_id": "a" * 36, "address": "192.0.2.7", "source": "list of addresses"}
    assert facts(text_of("read_later", **details, read_at="2026-01-02T05:04:05+02:00")) == {
        "Attempt ID": "a" * 36,
        "Address": "192.0.2.7",
        "Read for": "list of addresses",
        "Read at": "2026-01-02T05:04:05+02:00",
    }


def test_finding_of_a_verification() -> None:
    assert facts(text_of("verified", by=AUDREY, links=12, result="Removed: link 3")) == {
        "Found": "Removed: link 3",
        "From": "192.0.2.7",
        "Request ID": "r" * 32,
    }


def test_unexpected_details_are_shown_as_json() -> None:
    assert facts(text_of("checkpoint_created", surprise=[1])) == {"Details": '{"surprise": [1]}'}
    assert facts(text_of("something_new", to=None)) == {"Details": '{"to": null}'}


@given(kind=st.sampled_from([*LinkKind.values, "", "new", "{x}"]), details=JSON)
def test_details_of_any_shape_are_shown(kind: str, details: Any) -> None:
    text = describe(7, kind, None, details)
    assert text.badge.text
    assert all(len(shown) <= TEXT_CHARACTERS for shown in facts(text).values())


@given(details=st.dictionaries(st.sampled_from(["by", "criteria", "entries", "export"]), JSON))
def test_known_details_of_any_shape_are_shown(details: dict[str, Any]) -> None:
    assert text_of("export_finished", **details).badge.text


@pytest.mark.parametrize("kind", [kind for kind in LinkKind if kind not in {"opened", "finished"}])
def test_every_kind_of_activity_has_a_title(kind: LinkKind) -> None:
    badge = text_of(kind, by=AUDREY, person="bob").badge
    assert badge.icon != "info"
    assert "{" not in badge.text


def test_a_change_shows_what_was_before_and_after() -> None:
    found = facts(text_of("roles_changed", by=AUDREY, person="bob", old=[], new=["auditor"]))
    assert (found["Before"], found["After"]) == ("None", "auditor")


def test_a_confirmed_run_says_what_was_confirmed() -> None:
    text = text_of("run_confirmed", by=AUDREY, run="r1", addresses=1200, rule="size", sha256="ab")
    shown = facts(text)
    assert text.badge.text == "Run confirmed"
    assert shown["Addresses"] == "1,200"
    assert shown["Needs approval because of"] == "size"
