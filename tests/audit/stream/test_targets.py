"""Targets from their URLs; entries streamed to stdout."""

from __future__ import annotations

import fcntl
import io
import os
import sys
from pathlib import Path

import pytest

from ipadmin.audit.stream import targets
from ipadmin.audit.stream.targets import File, NotTaken, Stdout, Syslog, UnixSyslog, target_from_url

LINES = ['{"outcome": "succeeded"}', '{"by": "Zoë"}']
TEXT = "".join(f"{line}\n" for line in LINES)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("stdout:", Stdout()),
        ("file:///var/log/ip-admin/audit.jsonl", File(Path("/var/log/ip-admin/audit.jsonl"))),
        ("file:/var/log/a%20b%3F.jsonl", File(Path("/var/log/a b?.jsonl"))),
        ("syslog:///dev/log", UnixSyslog("/dev/log")),
        ("syslog+udp://siem.example", Syslog("syslog+udp", "siem.example", 514)),
        ("syslog+tcp://siem_1.example/", Syslog("syslog+tcp", "siem_1.example", 601)),
        ("SYSLOG+TLS://SIEM.example", Syslog("syslog+tls", "siem.example", 6514)),
        ("syslog+tls://[2001:db8::1]:65535", Syslog("syslog+tls", "2001:db8::1", 65535)),
        ("syslog+udp://192.0.2.1:1", Syslog("syslog+udp", "192.0.2.1", 1)),
    ],
)
def test_a_target_is_read_from_its_url(url: str, target: object) -> None:
    assert target_from_url(url) == target


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("", "no such kind of target: write stdout: or file:///"),
        ("stdout", "no such kind"),
        ("stdout://", "no such kind"),
        ("/var/log/audit.jsonl", "no such kind"),
        ("https://splunk.example", "no such kind"),
        ("syslog+http://siem.example", "no such kind"),
        ("file:audit.jsonl", "write file:///path/to/it"),
        ("file:../audit.jsonl", "write file:///path/to/it"),
        ("file:", "write file:///path/to/it"),
        ("file:///var/log/", "ends in a name"),
        ("file://var/log/audit.jsonl", "three slashes: file:///path"),
        ("file:///var/log/a%00b", "no control characters"),
        ("file:///var/log/a%0Ab", "no control characters"),
        ("file:///var/log/%ff", "not UTF-8"),
        ("file:///var/log/a?b", "write %3F"),
        ("file:///var/log/a b", "write %20"),
        ("syslog+tcp://siem\n.example", "no spaces or control characters"),
        ("syslog:", "write syslog:///path/to/it"),
        ("syslog://siem.example:514", r"for a host write syslog\+udp://"),
        (f"syslog:///{'x' * 107}", "107 bytes at most"),
        ("syslog+udp:", r"host is missing: write syslog\+udp://host:514"),
        ("syslog+tcp://:601", r"host is missing: write syslog\+tcp://host:601"),
        ("syslog+tcp://siem.example:0", "port is from 1 to 65535"),
        ("syslog+tcp://siem.example:99999", "a port from 1 to 65535"),
        ("syslog+tcp://siem.example:-1", "a port from 1 to 65535"),
        ("syslog+tcp://siem.example:http", "a port from 1 to 65535"),
        ("syslog+tcp://2001:db8::1", "for IPv6"),
        ("syslog+tcp://[2001:db8::1", "for IPv6"),
        ("syslog+tcp://[siem.example]", "for IPv6|neither a name"),
        ("syslog+tcp://[v1.siem]", "neither a name"),
        ("syslog+tcp://[192.0.2.1]", "for IPv6|neither a name"),
        ("syslog+tcp://-siem.example", "neither a name in ASCII nor an address"),
        ("syslog+tcp://siem..example", "neither a name"),
        ("syslog+tcp://zoë.example", "neither a name"),
        ("syslog+tcp://%73iem.example", "neither a name"),
        (f"syslog+tcp://{'x' * 64}.example", "neither a name"),
        (f"syslog+tcp://{'x.' * 127}example", "neither a name"),
        ("syslog+tcp://siem.example/audit", "Nothing follows the port"),
        ("syslog+tcp://siem.example?token=x", "no [?] and no #"),
    ],
)
def test_a_url_that_is_none_is_refused_with_what_would_be_right(url: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        target_from_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "syslog+tls://ann:hunter2@siem.example",
        "syslog+tls://hunter2@siem.example",
        "syslog+tls://@hunter2",
        "syslog+tls://ann:hunter2@[siem",
        "syslog+tls://hunter2:x",
        "hunter2://siem.example",
        "file:///var/log/%ffhunter2",
        "file:hunter2",
    ],
)
def test_a_refusal_repeats_nothing_of_the_url(url: str) -> None:
    with pytest.raises(ValueError, match=r"\.$") as refused:
        target_from_url(url)
    assert "hunter2" not in repr(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize(
    "url",
    ["stdout:", "file:///nowhere/x", "syslog:///nowhere/x", "syslog+udp://[::1]:9"],
)
@pytest.mark.parametrize("line", ["", "a\nb", "a\n", "a\rb", "a\0b", "\ud800"])
def test_a_broken_line_is_refused_before_anything_is_sent(
    url: str, line: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match="A line is text"):
        target_from_url(url).send(["{}", line])
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    "url", ["stdout:", "file:///nowhere/x", "syslog:///nowhere/x", "syslog+tcp://[::1]:1"]
)
def test_nothing_to_send_bothers_nobody(url: str) -> None:
    target_from_url(url).send([])


def test_stdout_gets_the_lines_behind_what_was_printed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (tmp_path / "out").open("w") as buffered:
        monkeypatch.setattr(sys, "stdout", buffered)
        buffered.write("before\n")
        target_from_url("stdout:").send(LINES)
    assert (tmp_path / "out").read_text() == f"before\n{TEXT}"


def test_stdout_on_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(NotTaken, match=r"stdout: No space left on device\."):
            Stdout().send(LINES)


@pytest.mark.parametrize("closed", [None, io.StringIO()])
def test_a_closed_stdout_is_not_mistaken_for_another_file(
    monkeypatch: pytest.MonkeyPatch, closed: io.StringIO | None
) -> None:
    if closed:
        closed.close()
    monkeypatch.setattr(sys, "stdout", closed)
    with pytest.raises(NotTaken, match="stdout: it is closed"):
        Stdout().send(LINES)


def test_a_pipe_whose_reader_went_away(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        with pytest.raises(NotTaken, match="Broken pipe"):
            Stdout().send(LINES)


def test_a_pipe_that_nobody_reads_and_then_somebody_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was cut short ends, so that the same line, sent again, stands by itself."""
    monkeypatch.setattr(targets, "STDOUT", 0.2)
    reader, writer = os.pipe()
    size = fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    with os.fdopen(reader, "rb") as out, os.fdopen(writer, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        target = Stdout()
        with pytest.raises(NotTaken, match="it took too long"):
            target.send(["x" * (size + 10)])
        assert out.read(size) == b"x" * size
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 65536)
        target.send(LINES)
        assert out.read(len(TEXT.encode()) + 1) == f"\n{TEXT}".encode()
