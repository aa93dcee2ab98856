"""Values of AUDIT_STREAM, and delivery to stdout."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from ipadmin.audit.stream.targets import File, Http, NotDelivered, Stdout, target_from_url

TEXT = '{"outcome": "succeeded"}\n{"by": "Zoë"}\n'
LINES = TEXT.encode()


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("stdout:", Stdout()),
        ("file:///var/log/ip-admin/audit.jsonl", File(Path("/var/log/ip-admin/audit.jsonl"))),
        ("file:///var/log/a%20b%3F.jsonl", File(Path("/var/log/a b?.jsonl"))),
        ("https://siem.example/in", Http("https://siem.example/in", "")),
        ("HTTPS://[2001:db8::1]:8088", Http("HTTPS://[2001:db8::1]:8088", "")),
        ("http://127.0.0.1:9000/", Http("http://127.0.0.1:9000/", "")),
        ("http://localhost", Http("http://localhost", "")),
    ],
)
def test_a_url_names_a_target(url: str, target: object) -> None:
    assert target_from_url(url) == target


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        *(
            (url, "stdout:, file:///path/to/audit.jsonl or https://host/path, without spaces")
            for url in (
                *("", "/var/log/audit.jsonl", "syslog+tls://siem.example", "file:audit.jsonl"),
                *("file:///var/log/", "file://var/log/audit.jsonl", "file:///var/log/a%00b"),
                *("file:///var/log/a b", "https:///path", "https://siem.example:99999"),
                *("https://[2001:db8::1", "https://siem.example/a b"),
            )
        ),
        ("file:///var/log/a?b", "write %3F"),
        ("https://siem.example/in?key=hunter2", "no user, password, [?] and #"),
        ("http://siem.example/in", "unencrypted: write https"),
        ("http://localhost.example/in", "unencrypted: write https"),
    ],
)
def test_a_url_that_names_no_target_is_refused(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        target_from_url(url)


@pytest.mark.parametrize(
    "url",
    ["https://ann:hunter2@siem.example", "https://hunter2:x", "hunter2://siem.example"],
)
def test_a_refusal_does_not_repeat_the_url(url: str) -> None:
    with pytest.raises(ValueError, match=r"\.$") as refused:
        target_from_url(url)
    assert "hunter2" not in repr(refused.value)
    assert refused.value.__suppress_context__ is (refused.value.__context__ is not None)


@pytest.mark.parametrize("authorization", ["Bearer hunter2\nX: y", "Bearer hunter2 ", "hünter2"])
def test_an_impossible_header_is_refused_and_not_repeated(authorization: str) -> None:
    with pytest.raises(ValueError, match="one line of ASCII") as refused:
        target_from_url("https://siem.example", authorization)
    assert "nter2" not in repr(refused.value)


def test_a_target_does_not_show_its_header() -> None:
    assert "hunter2" not in repr(target_from_url("https://siem.example", "Bearer hunter2"))


def test_stdout_gets_the_lines_after_what_was_printed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (tmp_path / "out").open("w") as buffered:
        monkeypatch.setattr(sys, "stdout", buffered)
        buffered.write("before\n")
        target_from_url("stdout:").send(LINES)
        assert (tmp_path / "out").read_text() == f"before\n{TEXT}"


@pytest.mark.parametrize("closed", [None, io.StringIO()])
def test_a_closed_stdout_has_delivered_nothing(
    monkeypatch: pytest.MonkeyPatch, closed: io.StringIO | None
) -> None:
    if closed:
        closed.close()
    monkeypatch.setattr(sys, "stdout", closed)
    with pytest.raises(NotDelivered, match="stdout: "):
        Stdout().send(LINES)


def test_a_pipe_whose_reader_ended_has_delivered_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    pipe = os.fdopen(writer, "w")
    monkeypatch.setattr(sys, "stdout", pipe)
    with pytest.raises(NotDelivered, match="Broken pipe"):
        Stdout().send(LINES)
    # Closing flushes what is left.
    with pytest.raises(BrokenPipeError):
        pipe.close()
