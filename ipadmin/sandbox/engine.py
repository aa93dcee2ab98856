"""One sandbox, without its wire: state, calls, faults, and the ledger around them."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from pathlib import Path
from typing import Any

from . import bodies
from .api import Answer, Api, Exchange
from .arguments import Request
from .calls import Change
from .faults import Faults, Rule, parse_rules
from .options import Options
from .state import Entry, State, moment
from .tokens import fingerprint, known_tokens, parse_scopes
from .world import Address


class Engine:
    """Raises StateError for a bad state file and ValueError for bad faults."""

    def __init__(self, options: Options) -> None:
        self.options = options
        path = Path(options.state) if options.state else None
        self.state = State(options.seed, options.addresses, path)
        self.tokens = known_tokens(options.token, parse_scopes(options.scopes))
        self.faults = Faults(parse_rules(json.loads(options.faults)), self.state.seed)
        self.api = self._api()
        self.pending: set[asyncio.Task[None]] = set()  # calls that are delayed by a fault

    def _api(self) -> Api:
        options = self.options
        return Api(self.state.world, self.tokens, options.rate_limit, large_set=options.large_set)

    def receive(self, request: Request) -> tuple[Exchange, Entry, Rule | None]:
        """Record a request in the ledger, and choose its fault, before anything happens."""
        exchange = self.api.open(request)
        rule = self.faults.choose(exchange)
        label = exchange.token.label if exchange.token else "unknown"
        entry = Entry(
            str(uuid.uuid4()),
            moment(),
            request.method,
            request.path,
            exchange.name,
            exchange.arguments.lookups(),
            exchange.target.id if exchange.target else None,
            label if request.token else None,
            fingerprint(request.token),
            rule.kind if rule else None,
        )
        self.state.received(entry)
        return exchange, entry, rule

    def act(self, exchange: Exchange, entry: Entry) -> Answer:
        answer = self.api.answer(exchange, time.time())
        if answer.change is not None:
            self.state.changed(answer.change, entry)
        return answer

    def blank(self, exchange: Exchange) -> Answer:
        """A success that never happened: what a fault dresses when the call does not act."""
        permitted, remaining = self.api.count(exchange, time.time())
        return Answer(200, "{}", permitted=permitted, remaining=remaining or 0)

    def end_pending(self) -> None:
        """End every delayed call; none of them acts from now on."""
        for task in self.pending:
            task.cancel()

    def reset(self, seed: int | None = None, addresses: int | None = None) -> None:
        """A fresh world, an empty ledger, full rate limits, and the faults of the start."""
        self.end_pending()
        old = self.state
        old.reset(
            old.seed if seed is None else seed, old.addresses if addresses is None else addresses
        )
        self.faults = Faults(parse_rules(json.loads(self.options.faults)), old.seed)
        self.api = self._api()

    def set_faults(self, rules: Any) -> None:
        """Put other rules in force; from now on random choices start over."""
        self.faults = Faults(parse_rules(rules), self.state.seed)

    def ledger(self, call: str | None = None) -> list[dict[str, Any]]:
        return [each.as_json() for each in self.state.ledger if call in {None, each.call}]

    def world(self) -> dict[str, Any]:
        """Everything there is, whoever may see it."""
        world = self.state.world
        return {
            "seed": self.state.seed,
            "organizations": [bodies.organization(each) for each in world.organizations],
            "virtual_machines": [
                {
                    "id": each.id,
                    "name": each.name,
                    "type": each.type,
                    "fqdn": each.hostname,
                    "organization": each.organization_id,
                    "has_interface": each.has_interface,
                    "in_trash": each.in_trash,
                }
                for each in world.resources.values()
            ],
            "ip_addresses": [self._seen_whole(each) for each in world.addresses],
        }

    def _seen_whole(self, address: Address) -> dict[str, Any]:
        resource = address.resource
        return {
            "id": address.id,
            "address": address.address,
            "version": address.version,
            "reverse_dns": address.reverse_dns,
            "vip": address.vip,
            "label": address.label,
            "organization": address.organization_id,
            "allocation_id": resource.id if resource else None,
            "allocation_type": resource.type if resource else None,
            "allocation_name": resource.name if resource else None,
        }

    def allocate(self, ip_address: str, virtual_machine: str) -> None:
        """Allocate behind a client's back, whatever holds the address. Raises LookupError."""
        resources = self.state.world.resources
        named = (r for r in resources.values() if r.name == virtual_machine)
        resource = resources.get(virtual_machine) or next(named, None)
        if resource is None:
            raise LookupError(f"no virtual machine {virtual_machine}")
        address = self._address(ip_address)
        self._change(address, resource.id, address.organization_id)

    def unallocate(self, ip_address: str) -> None:
        """Unallocate behind a client's back. Raises LookupError."""
        address = self._address(ip_address)
        self._change(address, None, address.organization_id)

    def release(self, ip_address: str, to: str | None = None) -> None:
        """Take an address from its organization: to nobody, or with `other` to the other one,
        where it keeps its id, as a newly bought address would [seen]. Raises LookupError."""
        address = self._address(ip_address)
        first, second = self.state.world.organizations[:2]
        other = second if address.organization_id == first.id else first
        if to not in {None, "other"}:
            raise LookupError("to is other, or left out")
        self._change(address, None, other.id if to else None)

    def _address(self, id_or_text: str) -> Address:
        found = self.state.world.anything(id_or_text)
        if found is None:
            raise LookupError(f"no address {id_or_text}")
        return found

    def _change(self, address: Address, resource: str | None, organization: str | None) -> None:
        change: Change = {
            "ip_address": address.id,
            "resource": resource,
            "organization": organization,
        }
        self.state.world.apply(change)
        self.state.changed(change)
