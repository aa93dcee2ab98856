#!/usr/bin/env python3
"""Check an export of the audit history offline, with nothing but this file and the key.

    AUDIT_KEYS=... python3 check_export.py history.jsonl

The file is an export as JSON lines: an attempt a line, with the seal it got when it was finished,
and at the end a line for the export itself. A seal's "mac" is, in hexadecimal,

    HMAC-SHA-256(key, "ip-admin seal 1", sequence, kind, attempt id, at, digest, key id, previous)

over these texts with a newline between them. "digest" is the SHA-256 of the line without "seal" (at
the end: of "export") as JSON with sorted keys and no spaces, "previous" the mac of the link before.

This shows that somebody with the key has sealed each entry as it stands here, and the whole file as
the answer to what was asked for, which it prints with who asked. It can't show that there were no
other entries (`manage.py verify_audit` walks along the whole chain), what was true before an entry
was sealed, or anything against those who have the key. An entry that was still open has no seal but
the file's. CSV files have none; their SHA-256 stands in the log of exports.
Exits with 0 when all is as it was sealed, 1 when something is not, 2 when nothing can be checked.
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

# What reading a line that no export wrote may raise.
UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
Keys = dict[str, bytes]


class NotAsSealed(Exception):
    """What is wrong."""


def keys_in(text: str) -> Keys:
    """Keys in URL-safe base64, separated by commas or white space, by their ids."""
    keys = [base64.b64decode(each, b"-_", validate=True) for each in text.replace(",", " ").split()]
    if not keys or any(len(key) != 32 for key in keys):
        raise ValueError("A key is 32 bytes in URL-safe base64. Set AUDIT_KEYS or --key-file.")
    return {hashlib.sha256(b"key id" + key).digest()[:4].hex(): key for key in keys}


def check_seal(content: Any, seal: dict[str, Any], attempt: str, at: str, keys: Keys) -> None:
    """Raise unless one of the keys has sealed this content, of this attempt and time."""
    digest, key_id = hashlib.sha256(encode(content).encode()).hexdigest(), seal["key_id"]
    if (digest, at) != (seal["digest"], seal["at"]):
        raise NotAsSealed("this is not what was sealed")
    if key_id not in keys:
        raise NotAsSealed(f"it was sealed under the key {key_id}, which was not given")
    sequence, kind, previous = seal["sequence"], seal["kind"], seal["previous"]
    text = f"{sequence}\n{kind}\n{attempt}\n{at}\n{digest}\n{key_id}\n{previous}"
    mac = hmac.digest(keys[key_id], f"ip-admin seal 1\n{text}".encode(), "sha256").hex()
    if not hmac.compare_digest(mac, seal["mac"]):
        raise NotAsSealed("its seal does not fit: changed, or made without the key")


def check_line(line: bytes, keys: Keys) -> dict[str, Any]:
    """What a line says, with its seal, if that fits. Other texts for the same are refused."""
    content = json.loads(line)
    if encode(content) + "\n" != line.decode():
        raise NotAsSealed("it is not written as exports write it")
    seal, bare = content["seal"], {key: content[key] for key in content if key != "seal"}
    if "export" in bare:
        if seal["kind"] != "export_finished" or len(bare) > 1:
            raise NotAsSealed("it is not the end of an export")
        check_seal(bare["export"], seal, "", seal["at"], keys)
    elif seal is not None and seal["kind"] in {"finished", "adopted"}:
        check_seal(bare, seal, bare["event"]["id"], bare["@timestamp"], keys)
    elif seal is not None or bare["event"]["end"] is not None:
        raise NotAsSealed("it has no seal of a finished attempt")
    return dict(content)


def asked(end: dict[str, Any]) -> str:
    """What the export answers and who asked, in JSON: whatever was typed, a terminal runs none."""
    criteria, by = json.dumps(end["criteria"]), json.dumps(end["by"])
    return f"Asked for: {'everything' if criteria == '{}' else criteria}\nBy: {by}"


def check(file: BinaryIO, keys: Keys) -> str:
    """Raise NotAsSealed for the first bad line; say what was shown if there is none."""
    before, number, still_open = hashlib.sha256(), 0, 0
    for number, line in enumerate(file, 1):
        try:
            content = check_line(line, keys)
        except (NotAsSealed, *UNREADABLE) as error:
            what = error if isinstance(error, NotAsSealed) else "it is no line of an export"
            raise NotAsSealed(f"Line {number}: {what}") from None
        if end := content.get("export"):
            if (end["entries"], end["sha256"]) != (number - 1, before.hexdigest()):
                raise NotAsSealed("The lines are not those that were exported: some were taken")
            if not end["complete"] or file.read(1):
                raise NotAsSealed(f"Line {number}: the export does not end here")
            but = f" but {still_open} that were still open" if still_open else ""
            as_sealed = f"{number - 1} entries, all as they were sealed{but}"
            exported = f"complete as exported at {content['seal']['at']}"
            return f"{as_sealed}; {exported}\n{asked(end)}"
        before.update(line)
        still_open += content["seal"] is None
    raise NotAsSealed(f"The end is missing: nothing seals the export after line {number}")


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
