"""httpx's exceptions end in call.py and oauth.py; only four modules import httpx."""

from __future__ import annotations

import ast
import inspect
import ssl
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from ipadmin import katapult
from ipadmin.katapult.errors import (
    AnswerLost,
    KatapultError,
    NoFreeConnection,
    NotSent,
    UnreadableAnswer,
)
from tests.katapult.shapes import IP, TOKEN, client_for, unallocate

HOUSE = Path(next(iter(katapult.__path__)))
MODULES = sorted(HOUSE.glob("*.py"))
HTTP_MODULES = ["call.py", "client.py", "oauth.py", "transport.py"]

# All that httpx can raise, also what it adds in a later version.
RAISED = [
    each for _, each in inspect.getmembers(httpx, inspect.isclass) if issubclass(each, Exception)
]
BEFORE_SENDING = {
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
}
# Nothing that httpx promises to raise, but what lies below it could.
FOREIGN = [OSError, ssl.SSLError, ValueError, UnicodeDecodeError, RecursionError, MemoryError]


def made(kind: type[Exception]) -> Exception:
    if kind is httpx.HTTPStatusError:
        request = httpx.Request("GET", "http://k")
        return httpx.HTTPStatusError("x", request=request, response=httpx.Response(500))
    if kind is UnicodeDecodeError:
        return UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x")
    takes_text = kind in FOREIGN or "message" in inspect.signature(kind).parameters
    return kind("x") if takes_text else kind()


def failing(respond: Callable[[], httpx.Response]) -> KatapultError:
    with pytest.raises(KatapultError) as caught:
        unallocate(client_for(lambda _: respond()))
    return caught.value


def test_every_exception_of_httpx_is_listed() -> None:
    also = {httpx.ReadError, httpx.InvalidURL, httpx.StreamClosed, httpx.HTTPError}
    assert set(RAISED) > BEFORE_SENDING | also


@pytest.mark.parametrize("kind", [*RAISED, *FOREIGN])
def test_each_exception_before_an_answer_is_mapped(kind: type[Exception]) -> None:
    original = made(kind)

    def respond() -> httpx.Response:
        raise original

    problem = failing(respond)
    expected: type[KatapultError] = AnswerLost
    if kind is httpx.PoolTimeout:
        expected = NoFreeConnection
    elif kind in BEFORE_SENDING:
        expected = NotSent
    elif kind is httpx.DecodingError:
        expected = UnreadableAnswer
    assert type(problem) is expected
    assert problem.__cause__ is original
    assert problem.exchange.status is None
    assert problem.is_definite is (kind in BEFORE_SENDING)


@pytest.mark.parametrize(
    "kind",
    [
        *(httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.DecodingError, httpx.PoolTimeout),
        *(httpx.StreamClosed, ssl.SSLError, RecursionError),
    ],
)
def test_each_exception_within_an_answer_leaves_it_unknown(kind: type[Exception]) -> None:
    original = made(kind)

    def breaks() -> Iterator[bytes]:
        yield b"{"
        raise original

    problem = failing(lambda: httpx.Response(200, content=breaks()))
    assert type(problem) is (UnreadableAnswer if kind is httpx.DecodingError else AnswerLost)
    assert problem.__cause__ is original
    assert problem.exchange.status == 200
    assert not problem.is_definite


def test_a_reason_is_short_and_can_be_stored() -> None:
    def respond() -> httpx.Response:
        raise httpx.RemoteProtocolError("\0\ud800" * 999)

    reason = failing(respond).reason
    assert len(reason) == 200
    assert "\0" not in reason
    reason.encode()


@pytest.mark.parametrize("id", ["\ud800", "x" * 100_000])
def test_a_request_that_cannot_be_encoded_is_not_sent(id: str) -> None:
    client = client_for(lambda _: pytest.fail("was sent"))
    with pytest.raises(NotSent) as caught:
        client.ip_address(TOKEN, id=id)
    assert caught.value.is_definite
    assert caught.value.__cause__


def test_an_interrupt_is_not_mapped_and_not_observed() -> None:
    def interrupted(request: httpx.Request) -> httpx.Response:
        raise KeyboardInterrupt

    told: list[object] = []
    client = client_for(interrupted, observe=lambda *each: told.append(each))
    with pytest.raises(KeyboardInterrupt):
        client.unallocate(TOKEN, id=IP)
    assert told == []


def imported_by(module: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            names.add("." * node.level + (node.module or ""))
    return names


def test_katapult_imports_only_itself_its_libraries_and_the_standard_library() -> None:
    for module, name in [(each, name) for each in MODULES for name in imported_by(each)]:
        is_ours = name.startswith("ipadmin.katapult")
        is_python = name.partition(".")[0] in sys.stdlib_module_names
        is_httpx = name in {"httpx", "httpcore"} and module.name in HTTP_MODULES
        is_orjson = name == "orjson" and module.name == "responses.py"
        is_authlib = name.startswith("authlib.") and module.name == "oauth.py"
        allowed = any([is_ours, is_python, is_httpx, is_orjson, is_authlib])
        assert allowed, f"{module.name} imports {name}"


def test_only_four_modules_import_httpx() -> None:
    assert [each.name for each in MODULES if "httpx" in imported_by(each)] == HTTP_MODULES
