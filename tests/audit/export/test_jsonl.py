"""JSON lines: each is the document of an entry with its seal, the last one is about the export."""

from __future__ import annotations

import hashlib
import json

import pytest

from ipadmin import crypto
from ipadmin.audit import document
from ipadmin.audit.export.export import Format
from ipadmin.audit.integrity import chain
from tests.audit.export.exported import BY, CRITERIA, HOSTILE, exported, json_lines
from tests.history import keep

pytestmark = pytest.mark.django_db


def test_a_line_is_the_document_and_its_seal() -> None:
    text = "".join(HOSTILE)
    entry = keep(reason=text, error_detail={"text": text})
    line, _trailer = json_lines()
    seal = line.pop("seal")
    assert line == document.document_of(document.values_of(entry))
    assert seal["digest"] == document.digest(line).hex()
    assert seal["kind"] == "finished"


def test_the_seal_of_a_line_is_verified_by_the_line_and_the_key() -> None:
    keep()
    keep()
    for line in json_lines():
        seal = line["seal"]
        mac = chain.compute_seal(
            crypto.audit_keys()[seal["key_id"]],
            sequence=seal["sequence"],
            kind=seal["kind"],
            attempt_id=line["event"]["id"] if "event" in line else None,
            at=seal["at"],
            digest=bytes.fromhex(seal["digest"]),
            key_id=seal["key_id"],
            previous=bytes.fromhex(seal["previous"]),
        )
        assert mac.hex() == seal["mac"]


def test_the_last_line_seals_the_whole_export() -> None:
    keep()
    data = exported(Format.JSON_LINES)
    before, trailer = data[:-1].rsplit(b"\n", 1)
    last = json.loads(trailer)
    assert last["export"]["entries"] == 1
    assert last["export"]["sha256"] == hashlib.sha256(before + b"\n").hexdigest()
    assert (last["export"]["by"], last["export"]["criteria"]) == (BY.details(), CRITERIA)
    assert last["seal"]["digest"] == document.digest(last["export"]).hex()


def test_lines_are_the_same_bytes_in_each_export() -> None:
    keep()
    one, other = exported(Format.JSON_LINES), exported(Format.JSON_LINES)
    assert one.splitlines()[0] == other.splitlines()[0]
