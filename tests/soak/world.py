"""The sandbox of a soak: its faults, new allocations of its addresses, and its records."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from django.conf import settings

from ipadmin.models import AuditEntry
from ipadmin.sandbox.faults import KINDS
from tests.soak.faults import CHANGES, FAULTS, TRUE_ANSWERS, UNDOCUMENTED
from tests.soak.records import UNALLOCATED, Attempt, Change, Post, Read, Records, State
from tests.soak.runs import recorded

POOL = 48  # number of shared addresses
TICK_SECONDS = 0.15  # seconds
KEEP_UNTIL = 4_000_000_000
# Per tick and unallocated address without an open attempt: some are put back before.
ALLOCATE_PROBABILITY = 0.05
TRASH_PROBABILITY = 0.1  # per tick
# Per tick and unallocated address with an open attempt, which becomes `unknown` by it.
REALLOCATE_PROBABILITY = 0.01


@dataclass(slots=True)
class World:
    """The sandbox's world, and the changes that the soak made in it."""

    http: httpx.Client
    at_first: dict[str, State] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)

    def now(self) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get("/_sandbox/world").raise_for_status().json()
        return found

    def states(self) -> dict[str, State]:
        return {each["id"]: _state(each) for each in self.now()["ip_addresses"]}

    def begin(self) -> dict[str, str]:
        """Store the allocations, turn on the faults, and return the shared addresses."""
        now = self.now()
        self.at_first = self.states()
        mine = now["organizations"][0]["id"]
        found = {
            each["id"]: each["address"]
            for each in now["ip_addresses"]
            if each["organization"] == mine and each["allocation_type"] == "VirtualMachine"
        }
        self.http.put("/_sandbox/faults", json=FAULTS).raise_for_status()
        return dict(list(found.items())[:POOL])

    def machines(self) -> list[str]:
        now = self.now()
        mine = now["organizations"][0]["id"]
        return [
            each["id"]
            for each in now["virtual_machines"]
            if each["type"] == "VirtualMachine" and each["organization"] == mine
        ]

    def allocate(self, ip: str, machine: str) -> None:
        """With a host name of its own, which an undo can restore."""
        state = State(machine, f"{ip.lower().replace('_', '-')}.{len(self.changes)}.example.net")
        body = {"ip_address": ip, "virtual_machine": machine, "reverse_dns": state.reverse_dns}
        answer = self.http.post("/_sandbox/allocate", json=body).raise_for_status()
        self.changes.append(Change(ip, state, _time(answer.json()["at"])))

    def trash(self, machine: str, keep_until: int | None) -> None:
        """Move a machine into the trash, or out of it."""
        body = {"virtual_machine": machine, "keep_until": keep_until}
        self.http.post("/_sandbox/trash", json=body).raise_for_status()

    def ledger(self) -> str:
        """Every request received, as JSON lines."""
        return self.http.get("/_sandbox/ledger").raise_for_status().text


class Allocator(threading.Thread):
    """Allocates unallocated addresses to other machines, so that there is always one to unallocate.

    Never to a machine that an open attempt on the address was confirmed for: no reading could
    distinguish that from no change. And rarely while any attempt on it is open, because that
    attempt becomes `unknown`. One machine at a time is in the trash.
    """

    def __init__(self, world: World, pool: dict[str, str], seed: int) -> None:
        super().__init__(name="allocator", daemon=True)
        self.world, self.pool = world, pool
        self.rng = random.Random(f"{seed} allocator")
        self.machines = world.machines()
        self.in_trash = self.machines[-1]
        self.turns: dict[str, int] = defaultdict(int)
        self.stop = threading.Event()
        self.failure = ""

    def run(self) -> None:
        try:
            while not self.stop.wait(TICK_SECONDS):
                self.give_out()
        except Exception as error:  # noqa: BLE001 - reported at the end
            self.failure = f"the allocator stopped: {error!r}"

    def give_out(self) -> None:
        if self.rng.random() < TRASH_PROBABILITY:
            self.world.trash(self.in_trash, None)
            self.in_trash = self.rng.choice(self.machines)
            self.world.trash(self.in_trash, KEEP_UNTIL)
        states = self.world.states()
        confirmed: dict[str, set[str]] = defaultdict(set)
        still_open = AuditEntry.objects.filter(finished_at=None)
        for ip, machine, action in still_open.values_list("address_id", "allocation_id", "action"):
            # Another allocation would hide that a host name was set.
            confirmed[ip] |= set(self.machines) if action == "set_reverse_dns" else {machine}
        for ip in self.pool:
            is_open = ip in confirmed
            probability = REALLOCATE_PROBABILITY if is_open else ALLOCATE_PROBABILITY
            if states[ip].holder is None and self.rng.random() < probability:
                machine = self.next_machine(ip)
                if machine not in confirmed[ip]:
                    self.world.allocate(ip, machine)

    def next_machine(self, ip: str) -> str:
        """In turn, so that an address returns to the same machine much later."""
        self.turns[ip] += 1
        return self.machines[(self.turns[ip] + len(self.pool)) % len(self.machines)]


def records(world: World, folder: Path, *, is_gapless: bool) -> Records:
    """All records except those of the operators. Writes log and entries to `folder`."""
    ledger = world.ledger()
    (folder / "ledger.jsonl").write_text(ledger)
    (folder / "entries.json").write_text(
        json.dumps(list(AuditEntry.objects.order_by("id").values()), default=str, indent=1)
    )
    requests = [json.loads(line) for line in ledger.splitlines()]
    used = Counter(each["fault"] for each in requests if each["fault"])
    return Records(
        posts=[_post(each) for each in requests if each["call"] in CHANGES],
        reads=[_read(each) for each in requests if each["call"] == "get" and each["answered_at"]],
        changes=world.changes,
        attempts=[_attempt(entry) for entry in AuditEntry.objects.order_by("id")],
        runs=recorded(),
        at_first=world.at_first,
        at_last=world.states(),
        faults=Counter({kind: used[kind] for kind in KINDS}),
        interval=timedelta(seconds=settings.EVIDENCE_INTERVAL),
        is_gapless=is_gapless,
    )


def _post(line: dict[str, Any]) -> Post:
    fault, status, answer = line["fault"], line["status"] or 0, ""
    if status == 200 and fault in TRUE_ANSWERS:
        answer = "{}"
    elif 400 <= status < 500 and fault not in UNDOCUMENTED:
        answer = line["code"] or ""
    return Post(
        line["request_id"],
        line["ip_address"],
        line["token_fingerprint"],
        _time(line["received_at"]),
        _time(line["acted_at"]) if line["acted"] else None,
        answer,
        fault or "",
        line["call"],
        _state(line) if line["acted"] else UNALLOCATED,
    )


def _read(line: dict[str, Any]) -> Read:
    return Read(
        line["request_id"],
        line["ip_address"],
        _time(line["received_at"]),
        _time(line["answered_at"]),
        line["fault"] in TRUE_ANSWERS,
    )


def _attempt(entry: AuditEntry) -> Attempt:
    return Attempt(
        id=entry.id,
        attempt_id=str(entry.attempt_id),
        ip=entry.address_id,
        token=entry.token_fingerprint[:8],
        outcome=entry.outcome,
        basis=entry.basis,
        created_at=entry.created_at,
        sent_at=entry.sent_at,
        finished_at=entry.finished_at,
        holder=entry.allocation_id,
        error_code=entry.error_code,
        katapult_request_id=entry.katapult_request_id if entry.sent_at else "",
        evidence=tuple(entry.evidence),
        competing_attempts=tuple(entry.competing_attempts),
        action=entry.action,
        reverse_dns=entry.requested_reverse_dns,
        undoes=str(entry.undoes or ""),
        run_id=str(entry.run_id or ""),
    )


def _state(line: dict[str, Any]) -> State:
    """Of an address of the world, or of a line of the ledger."""
    return State(line["allocation_id"], line["reverse_dns"])


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
