"""The document of an entry: written quickly, and always as JSON itself would write it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipadmin.audit import document

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.none() | st.integers(-(2**63), 2**63 - 1)
documents = st.recursive(
    st.none() | st.booleans() | numbers | texts | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "duration": st.none() | st.floats(0, 1e6),
    "http_status": numbers,
    "vip": st.booleans(),
    "id": numbers,
    "user_id": numbers,
    "rate_limit_permitted": numbers,
    "rate_limit_remaining": numbers,
    "error_detail": documents,
    "evidence": documents,
    "competing_attempts": documents,
}
entries = st.fixed_dictionaries({name: VALUES.get(name, texts) for name in document.fields()})


@given(entries)
def test_the_record_is_canonical(entry: dict[str, Any]) -> None:
    assert document.record_text(entry) == document.canonical(document.record(entry))
    assert json.loads(document.record_text(entry)) == document.record(entry)


@given(entries)
def test_the_opening_is_canonical(entry: dict[str, Any]) -> None:
    assert document.opening_text(entry) == document.canonical(document.opening(entry))


@given(entries, st.none() | st.dictionaries(texts, texts))
def test_a_line_is_canonical(entry: dict[str, Any], seal: dict[str, str] | None) -> None:
    with_seal = {**document.record(entry), "seal": seal}
    assert document.line_text(entry, seal) == document.canonical(with_seal)


@given(entries)
def test_the_digest_is_the_same(entry: dict[str, Any]) -> None:
    text = document.record_text(entry)
    assert document.text_digest(text) == document.digest(document.record(entry))


@pytest.mark.parametrize("duration", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_duration_is_no_record(duration: float) -> None:
    entry = {**dict.fromkeys(document.fields(), ""), "duration": duration}
    with pytest.raises(ValueError, match="duration"):
        document.record(entry)
