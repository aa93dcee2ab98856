"""The options of `python -m ipadmin.sandbox` and of `Sandbox`."""

from __future__ import annotations

import argparse
import os
import secrets
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Options:
    """`port` 0 is any free one; `latency_ms` milliseconds a call; `rate_limit` calls a minute."""

    host: str = "127.0.0.1"
    port: int = 0
    addresses: int = 40
    token: str = "sandbox-token"  # noqa: S105 - opens nothing but this sandbox
    scopes: str = "ip_addresses,ip_addresses:read,organizations:read"
    seed: int = 1
    latency_ms: float = 0
    rate_limit: int = 1000
    faults: str = "[]"
    state: str = ""
    large_set: bool = False

    @classmethod
    def from_parsed(cls, parsed: dict[str, Any]) -> Options:
        """From argparse's answers, whatever else stands among them."""
        chosen = {field.name: parsed[field.name] for field in fields(cls)}
        if chosen["token"] is None:
            made = f"sandbox-{secrets.token_hex(8)}"
            chosen["token"] = os.environ.get("SANDBOX_TOKEN") or made
        return cls(**chosen)


def count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is below 0")
    return number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--port", type=count, default=8899, help="port, 0 for a free one (default: %(default)s)")
    add("--addresses", type=count, default=40, help="IP addresses in the world, two organizations'")
    add("--token", default=None, help="token, or several with commas (or SANDBOX_TOKEN)")
    add("--scopes", default=Options.scopes, help="scopes of that token, with commas")
    add("--seed", type=int, default=1, help="the same seed gives the same world")
    add("--latency-ms", type=float, default=0, help="milliseconds every call takes at least")
    add("--rate-limit", type=count, default=1000, help="calls a clock minute and token")
    add("--faults", default="[]", help='JSON such as [{"kind": "no_answer", "call": "unallocate"}]')
    add("--state", default="", help="file that keeps world and ledger over restarts")
    add("--large-set", action="store_true", help="lists answer without totals")
