"""What the sandbox remembers: its world, and the ledger of requests.

With a file, the world survives a SIGKILL. The file has a JSON line for each change of an address,
written before the answer is sent. A line cut short by a crash is dropped. What was moved into the
trash or out of it is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson

from .world import build


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
    # Of the address, after the call acted.
    allocation_id: str | None = None
    reverse_dns: str | None = None
    status: int | None = None
    code: str | None = None
    answered_at: str | None = None


def timestamp() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


class State:
    """Raises ValueError if the file `path` cannot be used; the empty path is no file."""

    def __init__(self, seed: int, addresses: int, path: str) -> None:
        self._path = Path(path) if path else None
        self._build(seed, addresses)
        try:
            self._replay()
        except (OSError, ValueError, LookupError, TypeError) as error:
            reason = f"is not the state of a world with seed {seed} and {addresses} addresses"
            raise ValueError(f"{path} {reason}: {error!r}") from error

    def reset(self, seed: int | None, addresses: int | None) -> None:
        """A new world, by default with the same numbers, and an empty ledger."""
        self._build(
            self.seed if seed is None else seed,
            len(self.world.addresses) if addresses is None else addresses,
        )
        if self._path is not None:
            self._path.write_bytes(b"")

    def change(
        self,
        ip_address: str,
        resource: str | None,
        organization: str | None,
        reverse_dns: str | None = None,
        *,
        by: Entry | None = None,
    ) -> None:
        """Change an address; `by` is the entry of the request that did it. See `World.change`."""
        address = self.world.change(ip_address, resource, organization, reverse_dns)
        if by is not None:
            by.acted, by.acted_at = True, timestamp()
            by.allocation_id, by.reverse_dns = resource, address.reverse_dns
        if self._path is not None:
            line = orjson.dumps([ip_address, resource, organization, reverse_dns])
            with self._path.open("ab") as journal:
                journal.write(line + b"\n")

    def _build(self, seed: int, addresses: int) -> None:
        self.world = build(seed, addresses)
        self.seed = seed
        self.ledger: list[Entry] = []

    def _replay(self) -> None:
        """Make the changes in the file, and cut off a torn last line."""
        if self._path is None:
            return
        self._path.touch()
        lines, newline, torn = self._path.read_bytes().rpartition(b"\n")
        for line in lines.splitlines():
            self.world.change(*orjson.loads(line))
        if torn:
            self._path.write_bytes(lines + newline)
