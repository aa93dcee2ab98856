"""No sequence of bytes, status and headers escapes the tree."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipadmin.katapult.errors import ErrorAnswer, KatapultError
from ipadmin.katapult.types import Reply
from tests.examples import share_of
from tests.katapult.shapes import CALLS, TOKEN, answering

pytestmark = pytest.mark.parametrize("name", CALLS)
often = settings(max_examples=share_of(100), deadline=None, suppress_health_check=list(HealthCheck))

statuses = st.integers(100, 599) | st.sampled_from([200, 204, 302, 404, 422, 500])
names = st.sampled_from(
    [
        *("X-Request-Id", "X-Ratelimit-Permitted", "X-Ratelimit-Remaining", "Retry-After"),
        *("Content-Encoding", "Content-Type", "Location", "Set-Cookie", "Transfer-Encoding"),
    ]
).map(str.encode) | st.binary(max_size=9)
headers = st.lists(
    st.tuples(names, st.binary(max_size=40) | st.integers().map(lambda n: str(n).encode())),
    max_size=8,
)
# Lone surrogates and NUL are in, as are numbers that no database holds.
texts = st.text(st.characters(exclude_categories=[]), max_size=20)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)
ERROR = {"code": "no_allocation", "description": "Why.", "detail": {"errors": ["x"]}}


@st.composite
def resembling(draw: st.DrawFn, shape: Any) -> Any:
    """The shape with some of its places left out or filled with something else."""
    if draw(st.integers(0, 9)) == 0:
        return draw(anything)
    if isinstance(shape, dict):
        kept = [key for key in shape if draw(st.integers(0, 9))]
        return {key: draw(resembling(shape[key])) for key in kept}
    if isinstance(shape, list):
        return [draw(resembling(each)) for each in shape] * draw(st.integers(0, 2))
    return shape


def texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from texts_in(getattr(value, field.name))
    elif isinstance(value, dict):
        yield from texts_in([*value.keys(), *value.values()])
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from texts_in(each)


def check(name: str, content: bytes, status: int, headers: Any) -> None:
    """A Reply or a KatapultError, and nothing in either that PostgreSQL would refuse."""
    call, _ = CALLS[name]
    result: Reply[Any] | KatapultError
    try:
        result = call(answering(content, status, headers), TOKEN)
        outcome: list[Any] = [result.value]
        assert status == 200
        if name == "unallocate":
            assert json.loads(content) == {}
    except KatapultError as error:
        result = error
        detail = error.detail if isinstance(error, ErrorAnswer) else {}
        json.dumps(detail, allow_nan=False)
        outcome = [error.code, error.reason, str(error), repr(error), detail]
    assert result.exchange.status == status
    for text in texts_in([outcome, result.exchange]):
        assert "\0" not in text
        text.encode()


@often
@given(content=st.binary(max_size=200), status=statuses, headers=headers)
def test_any_bytes_status_and_headers_give_a_reply_or_a_katapult_error(
    name: str, content: bytes, status: int, headers: Any
) -> None:
    check(name, content, status, headers)


@often
@given(body=anything, status=statuses)
def test_any_json_gives_a_reply_or_a_katapult_error(name: str, body: Any, status: int) -> None:
    check(name, json.dumps(body).encode(), status, [])


@often
@given(data=st.data(), status=statuses, wrapped=st.booleans())
def test_anything_like_an_error_gives_a_reply_or_a_katapult_error(
    name: str, data: st.DataObject, status: int, wrapped: bool
) -> None:
    shape = {"error": ERROR} if wrapped else ERROR
    check(name, json.dumps(data.draw(resembling(shape))).encode(), status, [])


@often
@given(data=st.data())
def test_anything_like_a_value_gives_a_reply_or_a_katapult_error(
    name: str, data: st.DataObject
) -> None:
    body = data.draw(resembling(CALLS[name][1]))
    check(name, json.dumps(body).encode(), 200, [])
