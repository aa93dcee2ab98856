"""The options of `python -m ipadmin.sandbox` and of `Sandbox`."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass, field, fields
from typing import TypeVar

T = TypeVar("T")


def option(default: T, text: str) -> T:
    chosen: T = field(default=default, metadata={"help": f"{text} (default: %(default)s)"})
    return chosen


@dataclass(frozen=True)
class Options:
    host: str = option("127.0.0.1", "address to listen on")
    port: int = option(8899, "port, 0 for a free one")
    addresses: int = option(40, "number of IP addresses, of two organizations")
    token: str = option("sandbox-token", "token, or several with commas; also SANDBOX_TOKEN")
    scopes: str = option(
        "ip_addresses,ip_addresses:read,organizations:read,virtual_machines:read",
        "scopes of that token, with commas",
    )
    oauth_client: str = option("ipadmin:sandbox-client-secret", "id and secret of OAuth2's client")
    seed: int = option(1, "the same seed gives the same world")
    latency_ms: float = option(0.0, "milliseconds that every call takes at least")
    rate_limit: int = option(1000, "calls per clock minute and token")
    rate_limit_window: float = option(60.0, "seconds of that minute, if it is another window")
    faults: str = option("[]", 'JSON such as [{"kind": "no_answer", "call": "unallocate"}]')
    state: str = option("", "file that keeps world and ledger over restarts")
    large_set: bool = option(default=False, text="lists without totals")


def from_command_line() -> Options:
    parser = argparse.ArgumentParser(
        prog="ipadmin.sandbox", description="A local imitation of Katapult's API."
    )
    for each in fields(Options):
        name, text = f"--{each.name.replace('_', '-')}", each.metadata["help"]
        if isinstance(each.default, bool):
            parser.add_argument(name, action="store_true", help=text)
        else:
            parser.add_argument(name, type=type(each.default), default=each.default, help=text)
    parser.set_defaults(token=os.environ.get("SANDBOX_TOKEN", Options.token))
    return Options(**vars(parser.parse_args()))
