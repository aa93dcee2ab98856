"""What the sandbox remembers: its world, and the ledger of requests.

With a file, both survive a SIGKILL. It is a journal with one JSON line per event, written before
the answer is sent: the seed of the world, each ledger entry whenever it changes, each change of an
address. A line cut short by a crash is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import TypedDict

import orjson

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


class Change(TypedDict):
    """The address, what it is allocated to, and its organization. All are IDs."""

    ip_address: str
    resource: str | None
    organization: str | None


def timestamp() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


class State:
    """Raises StateError if the file `path` cannot be used; the empty path is no file."""

    def __init__(self, seed: int, addresses: int, path: str) -> None:
        self._journal: FileIO | None = None
        self._build(seed, addresses)
        if path:
            try:
                is_new = not self._replay(Path(path))
                self._journal = FileIO(path, "a")
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise StateError(f"{path} is no state of a sandbox: {error}") from error
            if is_new:
                self._write(world=self._numbers())

    def reset(self, seed: int | None, addresses: int | None) -> None:
        """A new world, by default with the same numbers, and an empty ledger."""
        self._build(
            self.seed if seed is None else seed,
            len(self.world.addresses) if addresses is None else addresses,
        )
        if self._journal is not None:
            self._journal.truncate(0)
        self._write(world=self._numbers())

    def save(self, entry: Entry) -> None:
        """Store a new entry, or one that has changed."""
        self.ledger[entry.request_id] = entry
        self._write(entry=entry)

    def change(
        self, ip_address: str, resource: str | None, organization: str | None, by: Entry | None
    ) -> None:
        """Change an address; `by` is the entry of the request that did it."""
        change = Change(ip_address=ip_address, resource=resource, organization=organization)
        self.world.change(**change)
        if by is not None:
            by.acted, by.acted_at = True, timestamp()
        self._write(change=change, entry=by)

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _build(self, seed: int, addresses: int) -> None:
        self.world: World = build(seed, addresses)
        self.seed = seed
        self.ledger: dict[str, Entry] = {}  # by request ID, in order of arrival

    def _numbers(self) -> dict[str, int]:
        return {"seed": self.seed, "addresses": len(self.world.addresses)}

    def _write(self, **event: object) -> None:
        if self._journal is not None:
            self._journal.write(orjson.dumps(event) + b"\n")

    def _replay(self, path: Path) -> int:
        """Do what the journal says, and cut off a torn last line. The number of its lines."""
        if not path.exists():
            return 0
        data = path.read_bytes()
        lines = [orjson.loads(line) for line in data.split(b"\n")[:-1]]
        if lines:
            self._build(**lines[0]["world"])
        for event in lines[1:]:
            if event.get("change"):
                self.world.change(**event["change"])
            if event.get("entry"):
                entry = Entry(**event["entry"])
                self.ledger[entry.request_id] = entry
        if not data.endswith(b"\n"):
            path.write_bytes(data[: data.rfind(b"\n") + 1])
        return len(lines)
