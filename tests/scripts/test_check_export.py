"""An auditor checks an export with the script alone, away from this product."""

from __future__ import annotations

import base64
import hashlib
import json
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from ipadmin import crypto
from ipadmin.audit.activity import Actor
from ipadmin.audit.export.export import Format, export
from ipadmin.models import AuditEntry
from tests.tampering import finished, opened

pytestmark = pytest.mark.django_db

SCRIPT = Path(settings.BASE_DIR) / "scripts" / "check_export.py"

Lines = list[bytes]
Checked = tuple[int, str]


@pytest.fixture
def lines() -> Lines:
    """Two entries, an open one, and the end."""
    finished(reason="“quoted” \u2028 \\ é \x7f")
    finished(address="2001:db8::1")
    opened()
    entries = AuditEntry.objects.order_by("pk")
    pieces = export(entries, Format.JSON_LINES, by=Actor(command_line="tests"), criteria={})
    return b"".join(pieces).splitlines(keepends=True)


@pytest.fixture
def check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Checked]:
    """What the script says of a file, and its exit code."""
    main = runpy.run_path(str(SCRIPT))["main"]

    def run(lines: Lines, keys: str = settings.AUDIT_KEYS[0], *given: str) -> Checked:
        file = tmp_path / "history.jsonl"
        file.write_bytes(b"".join(lines))
        monkeypatch.setattr(sys, "argv", ["check_export.py", *given, str(file)])
        monkeypatch.setenv("AUDIT_KEYS", keys)
        code = main()
        said = capsys.readouterr()
        return code, said.out or said.err

    return run


Check = Callable[..., Checked]


def changed(line: bytes, change: Callable[[Any], Any]) -> bytes:
    document = json.loads(line)
    change(document)
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"{text}\n".encode()


def test_an_unchanged_export_passes_the_check(lines: Lines, check: Check) -> None:
    code, said = check(lines)
    assert code == 0
    assert said.startswith("3 entries, all as they were sealed except 1 that were open; comp")
    assert said.endswith('Filters: none\nExported by: {"command_line": "tests"}\n')


def test_the_check_prints_the_filters_of_the_export(check: Check) -> None:
    """In letters that steer no terminal."""
    criteria, by = {"person": ["\x1b[2J\x9b\u202e"]}, Actor(user_name="audrey")
    entries = AuditEntry.objects.filter(user_name="nobody")
    pieces = export(entries, Format.JSON_LINES, by=by, criteria=criteria)
    code, said = check([*pieces])
    assert code == 0
    assert r'Filters: {"person": ["\u001b[2J\u009b\u202e"]}' in said


def test_the_script_needs_only_python(lines: Lines, tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    file.write_bytes(b"".join(lines))
    command = [sys.executable, "-I", "-S", str(SCRIPT), str(file)]
    environment = {"AUDIT_KEYS": settings.AUDIT_KEYS[0]}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("3 entries")


@pytest.mark.parametrize(
    "change",
    [
        lambda line: line["event"].update(outcome="failure"),
        lambda line: line["user"].update(name="mallory"),
        lambda line: line.update({"@timestamp": "2020-01-01T00:00:00.000000Z"}),
        lambda line: line.update(added=1),
        lambda line: line["seal"].update(sequence=3),
        lambda line: line["seal"].update(previous="00"),
        lambda line: line["seal"].update(kind="opened"),
        lambda line: line["seal"].update(key_id="00000000"),
        lambda line: line["seal"].update(mac="é"),
        lambda line: line.update(seal=None),
        lambda line: line.pop("event"),
    ],
)
def test_a_changed_line_is_named(lines: Lines, check: Check, change: Callable[[Any], Any]) -> None:
    lines[1] = changed(lines[1], change)
    code, said = check(lines)
    assert (code, said[:8]) == (1, "Line 2: ")


def test_a_new_digest_does_not_help_without_the_key(lines: Lines, check: Check) -> None:
    def forge(line: Any) -> None:
        seal = line.pop("seal")
        line["user"]["name"] = "mallory"
        text = json.dumps(line, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        line["seal"] = seal | {"digest": hashlib.sha256(text.encode()).hexdigest()}

    lines[0] = changed(lines[0], forge)
    assert check(lines)[1].startswith("Line 1: its seal is wrong")


def test_a_changed_open_entry_is_found_at_the_end(lines: Lines, check: Check) -> None:
    lines[2] = changed(lines[2], lambda line: line["user"].update(name="mallory"))
    assert "not those that were exported" in check(lines)[1]


@pytest.mark.parametrize("gone", [0, 2])
def test_a_removed_line_is_found(lines: Lines, check: Check, gone: int) -> None:
    del lines[gone]
    assert check(lines) == (1, "The lines are not those that were exported: some are missing\n")


def test_a_missing_end_is_found(lines: Lines, check: Check) -> None:
    assert check(lines[:2])[1].startswith("The end is missing")
    assert check([])[0] == 1


@pytest.mark.parametrize("more", [b"\n", b"{}\n"])
def test_nothing_may_follow_the_end(lines: Lines, check: Check, more: bytes) -> None:
    assert "does not end here" in check([*lines, more])[1]


def test_changed_filters_are_found(lines: Lines, check: Check) -> None:
    lines[3] = changed(lines[3], lambda line: line["export"].update(criteria={"person": ["bob"]}))
    assert check(lines)[1] == "Line 4: this is not what was sealed\n"


@pytest.mark.parametrize("other", [b"nonsense\n", b"\xff\n", b'{"a": 1}\n'])
def test_a_file_that_is_not_an_export_is_refused(lines: Lines, check: Check, other: bytes) -> None:
    assert check([other, *lines])[0] == 1


def test_a_line_that_is_too_deep_to_read_is_named(lines: Lines, check: Check) -> None:
    deep = b"[" * 200_000 + b"]" * 200_000 + b"\n"
    assert check([deep, *lines]) == (1, "Line 1: it is not a line of an export\n")


def test_another_form_of_the_same_content_is_refused(lines: Lines, check: Check) -> None:
    lines[0] = lines[0].replace(b'{"@timestamp"', b'{"@timestamp":"forged","@timestamp"')
    assert check(lines) == (1, "Line 1: it is not in the form that exports are written in\n")


def test_a_missing_key_is_named(lines: Lines, check: Check) -> None:
    code, said = check(lines, crypto.generate_key())
    assert code == 1
    assert f"with the key {next(iter(crypto.audit_keys()))}, which was not given" in said


def test_several_keys_may_be_given(lines: Lines, check: Check, tmp_path: Path) -> None:
    keys = [crypto.generate_key(), settings.AUDIT_KEYS[0]]
    assert check(lines, ",".join(keys))[0] == 0
    file = tmp_path / "keys"
    file.write_text("\n".join(keys))
    assert check(lines, "", "--key-file", str(file))[0] == 0


@pytest.mark.parametrize("keys", ["", "short", base64.b64encode(b"short").decode(), "é"])
def test_an_invalid_key_is_an_error(lines: Lines, check: Check, keys: str) -> None:
    assert check(lines, keys)[0] == 2
