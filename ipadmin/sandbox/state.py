"""What the sandbox remembers: the ledger of requests, and a journal that survives a SIGKILL.

The journal is one JSON line an event, written before the answer leaves: the world's seed, each
request as it is received, each change, each answer. A world is rebuilt from its seed and the
changes. A line cut short by a crash is dropped.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Any

from .calls import Change
from .seed import build
from .world import World


class StateError(Exception):
    """The state file cannot be read, or is not one."""


@dataclass(slots=True)
class Entry:
    """One request received. Times are ISO 8601 in UTC; `token` is a label, never a secret."""

    request_id: str
    received_at: str
    method: str
    path: str
    call: str
    ip_address: str | None
    token: str | None
    token_fingerprint: str | None
    fault: str | None = None
    acted: bool = False
    acted_at: str | None = None
    status: int | None = None
    code: str | None = None
    answered_at: str | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def timestamp() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


class State:
    """The world, the ledger, and the journal of both when there is a file for it."""

    def __init__(self, seed: int, addresses: int, path: Path | None = None) -> None:
        self.seed, self.addresses = seed, addresses
        self.world: World
        self.ledger: list[Entry] = []
        self._path = path
        self._journal: FileIO | None = None
        self._by_id: dict[str, Entry] = {}  # only while a journal is replayed
        lines = self._read()
        if not lines:
            self.world = build(seed, addresses)
        for line in lines:
            self._replay(line)
        self._by_id.clear()
        if path is not None:
            try:
                self._journal = path.open("ab", buffering=0)
            except OSError as error:
                raise StateError(f"cannot write {path}: {error.strerror}") from error
        if not lines:
            self._begin()

    def reset(self, seed: int, addresses: int) -> None:
        """A fresh world and an empty ledger."""
        self.world = build(seed, addresses)
        self.seed, self.addresses = seed, addresses
        self.ledger = []
        if self._journal is not None:
            self._journal.truncate(0)
        self._begin()

    def received(self, entry: Entry) -> None:
        self.ledger.append(entry)
        if self._journal is not None:
            self._write({"request": entry.as_json()})

    def changed(self, change: Change, entry: Entry | None = None) -> None:
        """Record a change that has just been made, with the request that made it."""
        at = timestamp()
        if entry is not None:
            entry.acted, entry.acted_at = True, at
        if self._journal is not None:
            request_id = entry.request_id if entry else None
            self._write({"change": change, "request_id": request_id, "at": at})

    def answered(self, entry: Entry, status: int, code: str | None) -> None:
        entry.status, entry.code, entry.answered_at = status, code, timestamp()
        if self._journal is not None:
            answer = {"status": status, "code": code, "answered_at": entry.answered_at}
            self._write({"answer": answer, "request_id": entry.request_id})

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _begin(self) -> None:
        self._write({"world": {"seed": self.seed, "addresses": self.addresses}})

    def _write(self, event: dict[str, Any]) -> None:
        if self._journal is not None:
            self._journal.write(json.dumps(event, separators=(",", ":")).encode() + b"\n")

    def _read(self) -> list[dict[str, Any]]:
        """The journal's events; a torn last line is cut off the file."""
        if self._path is None or not self._path.exists():
            return []
        try:
            data = self._path.read_bytes()
            whole = data[: data.rfind(b"\n") + 1]
            if len(whole) < len(data):
                self._path.write_bytes(whole)
            lines = [json.loads(line) for line in whole.splitlines()]
        except (OSError, ValueError) as error:
            raise StateError(f"cannot read {self._path}: {error}") from error
        if lines and "world" not in lines[0]:
            raise StateError(f"{self._path} is no state of a sandbox")
        return lines

    def _replay(self, event: dict[str, Any]) -> None:
        if "world" in event:
            self.seed, self.addresses = event["world"]["seed"], event["world"]["addresses"]
            self.world, self.ledger = build(self.seed, self.addresses), []
        elif "request" in event:
            entry = Entry(**event["request"])
            self.ledger.append(entry)
            self._by_id[entry.request_id] = entry
        elif "change" in event:
            self.world.apply(event["change"])
            if made_by := self._by_id.get(event["request_id"]):
                made_by.acted, made_by.acted_at = True, event["at"]
        elif answered := self._by_id.get(event["request_id"]):
            for name, value in event["answer"].items():
                setattr(answered, name, value)
