"""The document of an entry, and its canonical form."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipadmin.audit import document
from ipadmin.audit.document import RawEntry

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
integers = st.integers(-document.LARGEST_INTEGER, document.LARGEST_INTEGER)
received = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters()), inner, max_size=3)
    ),
    max_leaves=8,
)
storable = received.map(document.storable)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "duration_us": st.none() | st.integers(0, document.LARGEST_INTEGER),
    "vip": st.booleans(),
    **dict.fromkeys(("error_detail", "evidence", "competing_attempts"), storable),
    **dict.fromkeys(("id", "user_id", "http_status"), integers),
    **dict.fromkeys(("rate_limit_permitted", "rate_limit_remaining"), st.none() | integers),
}
entries = st.fixed_dictionaries({name: VALUES.get(name, texts) for name in document.fields()})


def as_check_export_writes(value: object) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


@given(entries)
def test_the_canonical_form_of_a_document_equals_json_dumps(entry: RawEntry) -> None:
    made = document.document_of(entry)
    assert document.canonical(made) == as_check_export_writes(made)
    assert json.loads(document.canonical(made)) == made


@given(entries)
def test_the_canonical_form_of_an_opening_equals_json_dumps(entry: RawEntry) -> None:
    made = document.opening(entry)
    assert document.canonical(made) == as_check_export_writes(made)


@given(storable)
def test_the_canonical_form_of_storable_json_equals_json_dumps(value: Any) -> None:
    assert document.canonical(value) == as_check_export_writes(value)
    assert document.digest(value) == hashlib.sha256(as_check_export_writes(value)).digest()


@given(storable)
def test_storable_json_stays_the_same_when_made_storable_again(value: Any) -> None:
    assert document.storable(value) == value


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (0.1, "0.1"),
        (-2.0, -2),
        (1e300, str(int(1e300))),
        (float("inf"), "inf"),
        (float("nan"), "nan"),
        (2**53, 2**53),
        (2**53 + 1, str(2**53 + 1)),
        ("\ud83d", "?"),
        ("a\0b", "a\ufffdb"),
        ({"\ud83d": [True, None, 0.5]}, {"?": [True, None, "0.5"]}),
    ],
)
def test_numbers_that_readers_disagree_on_become_text(value: Any, stored: Any) -> None:
    assert document.storable(value) == stored
    assert type(document.storable(value)) is type(stored)


@pytest.mark.parametrize("duration_us", [0.5, -1, "1", True, 2**60])
def test_a_duration_that_is_not_in_microseconds_makes_no_document(duration_us: Any) -> None:
    entry: Any = {**dict.fromkeys(document.fields(), ""), "duration_us": duration_us}
    with pytest.raises(ValueError, match="duration_us"):
        document.document_of(entry)


def test_the_raw_entry_has_the_fields_of_the_document() -> None:
    assert sorted(RawEntry.__annotations__) == sorted(document.fields())
