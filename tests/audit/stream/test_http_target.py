"""Entries posted to a real HTTP endpoint, which fails, is slow, or ends in the middle."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from ipadmin.audit.stream import targets
from ipadmin.audit.stream.targets import NotDelivered, target_from_url
from tests import receivers
from tests.receivers import Behaviour, Receiver, answer_with, receiving

LINES = '{"outcome": "succeeded"}\n{"by": "Zoë"}\n'.encode()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def test_a_batch_is_posted_as_json_lines(receiver: Receiver) -> None:
    target_from_url(receiver.url).send(LINES)
    assert receiver.batches == [[{"outcome": "succeeded"}, {"by": "Zoë"}]]
    assert receiver.headers[0]["Content-Type"] == "application/x-ndjson"
    assert "Authorization" not in receiver.headers[0]


@pytest.mark.parametrize("status", [201, 202, 204])
def test_any_2xx_is_an_acknowledgement(receiver: Receiver, status: int) -> None:
    receiver.behaviours = [answer_with(status)]
    target_from_url(receiver.url).send(LINES)


@pytest.mark.parametrize(
    ("behaviour", "problem"),
    [
        (answer_with(503), "answered with status 503"),
        (answer_with(401), "answered with status 401"),
        (answer_with(307, Location="/elsewhere"), "answered with status 307"),
        (receivers.die_while_reading, "ended before its answer"),
        (receivers.die_before_the_answer, "ended before its answer"),
        (receivers.answer_half, "ended before its answer"),
    ],
)
def test_other_answers_are_no_acknowledgement(
    receiver: Receiver, behaviour: Behaviour, problem: str
) -> None:
    receiver.behaviours = [behaviour]
    # Larger than what the kernel holds for a receiver that does not read.
    lines = b'"%s"\n' % (b"x" * 10_000_000)
    with pytest.raises(NotDelivered, match=problem):
        target_from_url(receiver.url).send(lines)


def test_a_slow_answer_is_waited_for_only_so_long(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "ANSWER_SECONDS", 0.2)
    receiver.behaviours = [receivers.never_answer]
    with pytest.raises(NotDelivered, match="did not answer in time"):
        target_from_url(receiver.url).send(LINES)


def test_an_endpoint_that_does_not_run() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/audit"
        with pytest.raises(NotDelivered, match=r"cannot be reached .*refused"):
            target_from_url(url).send(LINES)


def test_the_header_is_sent_and_never_shown(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.behaviours = [receivers.accept, answer_with(403)]
    target = target_from_url(receiver.url, "Splunk hunter2")
    target.send(LINES)
    assert receiver.headers[0]["Authorization"] == "Splunk hunter2"
    with pytest.raises(NotDelivered) as error:
        target.send(LINES)
    assert "hunter2" not in f"{error.value!r} {caplog.text}"


def test_only_a_trusted_certificate_gets_entries(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = receivers.certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    receiver.socket = context.wrap_socket(receiver.socket, server_side=True)
    target = target_from_url(receiver.url.replace("http:", "https:"), "Splunk hunter2")
    with pytest.raises(NotDelivered, match="certificate verify failed"):
        target.send(LINES)
    assert receiver.headers == []
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    target.send(LINES)
    assert len(receiver.batches) == 1
