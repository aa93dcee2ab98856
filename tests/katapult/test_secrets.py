"""A token is in the Authorization header of its own request, and nowhere else."""

from __future__ import annotations

import copy
import html
import json
import pickle
import socket
import traceback
from collections.abc import Iterator
from threading import Thread
from urllib.parse import quote

import httpx
import pytest

from ipadmin.katapult.client import KatapultClient, Timeouts
from ipadmin.katapult.errors import ErrorAnswer, KatapultError, NotSent
from ipadmin.katapult.types import Secret
from tests.katapult.shapes import IP, client_for

PLANTED = "planted0token0planted"


def printed(error: BaseException) -> str:
    """All that a log, a page or a tool for crash reports could print of an error."""
    seen = [repr(error), str(error), repr(vars(error))]
    seen += traceback.format_exception(error)
    seen += traceback.TracebackException.from_exception(error, capture_locals=True).format()
    behind = error.__cause__ or error.__context__
    return "".join(seen) + (printed(behind) if behind else "")


def failure(client: KatapultClient, token: str = PLANTED, id: str = IP) -> KatapultError:
    """Of a call made here, so that no test has the token among its own local variables."""
    secret, token = Secret(token), ""
    with pytest.raises(KatapultError) as caught:
        client.unallocate(secret, id=id)
    return caught.value


def quoting(status: int, wrap: str) -> KatapultClient:
    """A server that says in its answer what it was asked with."""

    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, text=wrap.replace("?", request.headers["Authorization"]))

    return client_for(handler)


def raising(error: Exception) -> KatapultClient:
    def handler(request: httpx.Request) -> httpx.Response:
        header = request.headers["Authorization"]
        assert header
        raise error

    return client_for(handler)


def breaking() -> KatapultClient:
    def broken() -> Iterator[bytes]:
        yield b"{"
        raise httpx.ReadError("reset")

    return client_for(lambda _: httpx.Response(200, content=broken()))


FAILURES = {
    "not sent": lambda: failure(raising(httpx.ConnectError("refused"))),
    "lost": lambda: failure(raising(httpx.ReadTimeout("timed out"))),
    "lost midway": lambda: failure(breaking()),
    "foreign": lambda: failure(raising(ValueError("x"))),
    "unwritable id": lambda: failure(quoting(200, "{}"), id="\ud800"),
    "quoted in HTML": lambda: failure(quoting(502, "<p>?</p>")),
    "quoted in JSON": lambda: failure(quoting(200, '{"error": "?"}')),
    "quoted in another shape": lambda: failure(quoting(200, '["?"]')),
    "quoted in an error": lambda: failure(
        quoting(403, '{"code": "?", "description": "?", "detail": {"?": ["?"]}}')
    ),
    "with a newline": lambda: failure(quoting(200, "{}"), token=f"{PLANTED}\r\nX: 1"),
    "with a NUL": lambda: failure(quoting(200, "{}"), token=f"{PLANTED}\0"),
    "with a blank": lambda: failure(quoting(200, "{}"), token=f" {PLANTED}"),
    "not ASCII": lambda: failure(quoting(200, "{}"), token=f"{PLANTED}é☃"),
    "a lone surrogate": lambda: failure(quoting(200, "{}"), token=f"{PLANTED}\ud800"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_no_failure_shows_the_token(name: str) -> None:
    assert PLANTED not in printed(FAILURES[name]())


@pytest.mark.parametrize("token", ["", " ", "a b", "a\n", "\n", "a\x7f", "é", "\ud800"])
def test_a_token_that_no_header_can_carry_is_not_sent(token: str) -> None:
    client = client_for(lambda _: pytest.fail("was sent"))
    assert isinstance(failure(client, token), NotSent)


def test_a_token_is_not_shown_when_the_wire_breaks_below_httpx() -> None:
    """h11 and httpcore hold the header in local variables while they write it."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drop() -> None:
            connection, _ = server.accept()
            connection.recv(1)
            connection.close()

        thread = Thread(target=drop)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        client = KatapultClient(url, user_agent="x", timeouts=Timeouts(read=2))
        problem = failure(client)
        client.close()
        thread.join()
    assert PLANTED not in printed(problem)


def test_a_short_token_leaves_an_answer_as_it_is() -> None:
    client = quoting(403, '{"code": "a code"}')
    assert failure(client, token="a").code == "a code"


def test_a_secret_shows_itself_only_when_asked() -> None:
    secret = Secret(PLANTED)
    shown = f"{secret} {secret!r} {[secret]} {secret!s}"
    assert PLANTED not in shown
    assert secret.reveal() == PLANTED
    assert not hasattr(secret, "__dict__")
    for leave in (pickle.dumps, copy.copy, copy.deepcopy, json.dumps):
        with pytest.raises(TypeError):
            leave(secret)


def test_secrets_compare_by_value() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


@pytest.mark.parametrize(
    ("text", "last_four"), [("", ""), ("x" * 11, ""), ("0123456789ab", "89ab")]
)
def test_the_last_four_characters_of_a_token_are_shown_if_the_rest_is_long(
    text: str, last_four: str
) -> None:
    assert Secret(text).last_four == last_four


def test_a_fingerprint_distinguishes_tokens_without_revealing_them() -> None:
    prints = {Secret(text).fingerprint for text in ("a", "b", "", "é", "\ud800")}
    assert len(prints) == 5
    assert {len(each) for each in prints} == {16}


AWKWARD = 'planted&"<token>\\0'
ESCAPED = "".join(f"\\u{ord(each):04x}" for each in AWKWARD)


@pytest.mark.parametrize(
    "quoted",
    [
        ESCAPED,
        json.dumps(AWKWARD)[1:-1],
        AWKWARD.replace("&", "\\u0026").replace('"', "\\u0022").replace("\\0", "\\\\0"),
        quote(AWKWARD, safe=""),
        html.escape(AWKWARD).replace("\\", "\\\\"),
        json.dumps(json.dumps(AWKWARD)[1:-1])[1:-1],
    ],
)
def test_a_token_is_removed_from_an_answer_in_each_way_of_writing_it(quoted: str) -> None:
    body = '{"code": "x-?", "description": "?", "detail": {"?": ["?"]}}'.replace("?", quoted)
    problem = failure(client_for(lambda _: httpx.Response(403, text=body)), AWKWARD)
    assert isinstance(problem, ErrorAnswer)
    assert problem.code == "x-[token]"
    kept = json.dumps([problem.code, problem.description, problem.detail])
    assert kept.count("[token]") == 4
    assert "planted" not in kept


def test_a_token_is_removed_from_the_headers_that_are_kept() -> None:
    headers = {"X-Request-Id": f"r-{PLANTED}", "Retry-After": PLANTED}
    client = client_for(lambda _: httpx.Response(403, json={"code": "x"}, headers=headers))
    exchange = failure(client).exchange
    assert exchange.request_id == "r-[token]"
    assert PLANTED not in repr(exchange)
