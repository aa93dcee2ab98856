#!/usr/bin/env python3
"""Check an exported audit log offline, with nothing but Python, this file and the audit keys.

    AUDIT_KEYS=... python3 check_export.py history.jsonl

The file is an export as JSON lines: one attempt per line, with the seal of the finished entry, and
a last line for the export itself. The "mac" of a seal is, in hexadecimal,

    HMAC-SHA-256(key, "ip-admin seal 1", sequence, kind, attempt id, at, digest, key id, previous)

over these texts, separated by newlines. "digest" is the SHA-256 of the line without "seal" (in the
last line: of "export") as JSON with sorted keys and no spaces; "previous" is the mac of the link
before.

This shows that somebody with the key sealed each entry as it is in the file, and the file as the
complete answer to the filters that are printed, with the person who exported it. It does not show
that no other entries exist (`manage.py verify_audit` checks the whole chain), what was true before
an entry was sealed, or anything against somebody who has the key. An entry that was open has no
seal of its own. CSV files have no seals; their SHA-256 is in the activity log.
Exit codes: 0 everything is as sealed, 1 something is not, 2 the file cannot be checked.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

# What a line that no export wrote may raise.
UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
Keys = dict[str, bytes]


class NotAsSealed(Exception):
    """The first problem that was found."""


def canonical(value: Any) -> bytes:
    """The form in which lines are written and sealed."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def keys_in(text: str) -> Keys:
    """Keys in URL-safe base64, separated by commas or white space, by their IDs."""
    keys = [base64.b64decode(each, b"-_", validate=True) for each in text.replace(",", " ").split()]
    if not keys or any(len(key) != 32 for key in keys):
        raise ValueError("A key is 32 bytes in URL-safe base64. Set AUDIT_KEYS or --key-file.")
    return {hashlib.sha256(b"key id" + key).digest()[:4].hex(): key for key in keys}


def check_seal(content: Any, seal: dict[str, Any], attempt: str, at: str, keys: Keys) -> None:
    """Raise NotAsSealed unless one of the keys sealed this content, of this attempt and time."""
    digest, key_id = hashlib.sha256(canonical(content)).hexdigest(), seal["key_id"]
    if (digest, at) != (seal["digest"], seal["at"]):
        raise NotAsSealed("this is not what was sealed")
    if key_id not in keys:
        raise NotAsSealed(f"it was sealed with the key {key_id}, which was not given")
    sequence, kind, previous = seal["sequence"], seal["kind"], seal["previous"]
    text = f"{sequence}\n{kind}\n{attempt}\n{at}\n{digest}\n{key_id}\n{previous}"
    mac = hmac.digest(keys[key_id], f"ip-admin seal 1\n{text}".encode(), "sha256").hex()
    if not hmac.compare_digest(mac, seal["mac"]):
        raise NotAsSealed("its seal is wrong: changed, or made without the key")


def check_line(line: bytes, keys: Keys) -> dict[str, Any]:
    """The content of a line. Raise NotAsSealed when it is not sealed, or not in canonical form."""
    content = json.loads(line)
    if canonical(content) + b"\n" != line:
        raise NotAsSealed("it is not in the form that exports are written in")
    seal, bare = content["seal"], {key: content[key] for key in content if key != "seal"}
    if "export" in bare:
        if seal["kind"] != "export_finished" or len(bare) > 1:
            raise NotAsSealed("it is not the last line of an export")
        check_seal(bare["export"], seal, "", seal["at"], keys)
    elif seal is not None and seal["kind"] == "finished":
        check_seal(bare, seal, bare["event"]["id"], bare["@timestamp"], keys)
    elif seal is not None or bare["event"]["end"] is not None:
        raise NotAsSealed("it has no seal of a finished attempt")
    return dict(content)


def summary(entries: int, still_open: int, last: dict[str, Any]) -> str:
    """What was checked, the filters and the exporter. As ASCII, which cannot control a terminal."""
    end = last["export"]
    unless = f" except {still_open} that were open" if still_open else ""
    criteria, by = json.dumps(end["criteria"]), json.dumps(end["by"])
    return (
        f"{entries} entries, all as they were sealed{unless};"
        f" complete as exported at {last['seal']['at']}\n"
        f"Filters: {'none' if criteria == '{}' else criteria}\nExported by: {by}"
    )


def check(file: BinaryIO, keys: Keys) -> str:
    """The summary of a good file. Raise NotAsSealed for the first bad line."""
    before, number, still_open = hashlib.sha256(), 0, 0
    for number, line in enumerate(file, 1):
        try:
            content = check_line(line, keys)
        except (NotAsSealed, *UNREADABLE) as error:
            what = error if isinstance(error, NotAsSealed) else "it is not a line of an export"
            raise NotAsSealed(f"Line {number}: {what}") from None
        if end := content.get("export"):
            if (end["entries"], end["sha256"]) != (number - 1, before.hexdigest()):
                raise NotAsSealed("The lines are not those that were exported: some are missing")
            if not end["complete"] or file.read(1):
                raise NotAsSealed(f"Line {number}: the export does not end here")
            return summary(number - 1, still_open, content)
        before.update(line)
        still_open += content["seal"] is None
    raise NotAsSealed(f"The end is missing: no line seals the export after line {number}")


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--key-file", type=Path, help="instead of AUDIT_KEYS in the environment")
    parser.add_argument("file", type=Path)
    given = parser.parse_args()
    try:
        text = given.key_file.read_text() if given.key_file else os.environ.get("AUDIT_KEYS", "")
        with given.file.open("rb") as file:
            sys.stdout.write(f"{check(file, keys_in(text))}\n")
    except (NotAsSealed, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1 if isinstance(error, NotAsSealed) else 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
