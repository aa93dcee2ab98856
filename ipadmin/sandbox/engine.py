"""One sandbox without its network: state, calls, faults, and the ledger of requests."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from pathlib import Path
from typing import Any

from . import bodies
from .api import Answer, Exchange, authenticate, refusal, route
from .arguments import Request, read
from .calls import Context, Result, change_of
from .errors import ApiError
from .faults import Faults, Rule, parse_rules
from .options import Options
from .ratelimit import RateLimit
from .state import Entry, State, timestamp
from .tokens import LOW_LIMIT, Token, fingerprint, known_tokens, organization_ids, parse_scopes
from .world import Address


class Engine:
    """Raises StateError for a bad state file and ValueError for bad faults."""

    def __init__(self, options: Options) -> None:
        self.options = options
        path = Path(options.state) if options.state else None
        self.state = State(options.seed, options.addresses, path)
        self.tokens = known_tokens(options.token, parse_scopes(options.scopes))
        self.pending: set[asyncio.Task[None]] = set()  # calls that are delayed by a fault
        self._begin()

    def _begin(self) -> None:
        """Full rate limits, and the faults of the start."""
        self.limits = RateLimit()
        self.faults = Faults(parse_rules(json.loads(self.options.faults)), self.state.seed)

    def understand(self, request: Request) -> Exchange:
        """Look up what `request` asks for, without changing, counting or refusing anything."""
        call, segments = route(request)
        arguments = read(request, segments)
        token = self.tokens.get(request.token) if request.token else None
        try:
            target = self.state.world.address(*arguments.lookup("ip_address"))
        except ApiError:
            target = None
        return Exchange(request, call, arguments, token, target)

    def receive(self, request: Request) -> tuple[Exchange, Entry, Rule | None]:
        """Record a request in the ledger, and choose its fault, before anything happens."""
        exchange = self.understand(request)
        rule = self.faults.choose(exchange)
        label = exchange.token.label if exchange.token else "unknown"
        entry = Entry(
            str(uuid.uuid4()),
            timestamp(),
            request.method,
            request.path,
            exchange.name,
            exchange.target.id if exchange.target else None,
            label if request.token else None,
            fingerprint(request.token),
            rule.kind if rule else None,
        )
        self.state.received(entry)
        return exchange, entry, rule

    def answer(self, exchange: Exchange, entry: Entry, *, acts: bool = True) -> Answer:
        """The answer to a request. It takes effect unless a fault says that it does not: then the
        answer is a success without content."""
        permitted = self._permitted(exchange.token)
        remaining = self.limits.take(exchange.request.token or "", permitted, time.time())
        answer = Answer(200, "{}")
        if acts:
            try:
                result = self._result(exchange, permitted, remaining)
                if result.change:
                    self.state.world.apply(result.change)
                    self.state.changed(result.change, entry)
                answer = Answer(200, result.body())
            except ApiError as error:
                answer = refusal(error)
        answer.permitted, answer.remaining = permitted, remaining or 0
        return answer

    def _permitted(self, token: Token | None) -> int:
        """Calls a minute."""
        low = token is not None and token.low_limit
        return min(LOW_LIMIT, self.options.rate_limit) if low else self.options.rate_limit

    def _result(self, exchange: Exchange, permitted: int, remaining: int | None) -> Result:
        """Route, token, rate limit, scope, arguments, call: the live API's order [frame]."""
        if exchange.call is None:
            raise ApiError("route_not_found")
        token = authenticate(exchange)
        if remaining is None:
            raise ApiError("rate_limit_reached", {"total_permitted": permitted})
        scopes = exchange.call.scopes
        if scopes and not token.scopes.intersection(scopes):
            raise ApiError("scope_not_granted", {"scopes": list(scopes)})
        if exchange.arguments.error is not None:
            raise exchange.arguments.error
        world, large_set = self.state.world, self.options.large_set
        organizations = organization_ids(token, world)
        context = Context(world, token, organizations, exchange.arguments, large_set)
        return exchange.call.act(context)

    def end_pending(self) -> None:
        """Cancel all delayed calls: none of them takes effect from now on."""
        for task in self.pending:
            task.cancel()

    def reset(self, seed: int | None = None, addresses: int | None = None) -> None:
        """A fresh world, an empty ledger, full rate limits, and the faults of the start."""
        self.end_pending()
        old = self.state
        old.reset(
            old.seed if seed is None else seed, old.addresses if addresses is None else addresses
        )
        self._begin()

    def set_faults(self, rules: Any) -> None:
        """Put other rules in force; from now on random choices start over."""
        self.faults = Faults(parse_rules(rules), self.state.seed)

    def ledger(self, call: str | None = None) -> list[dict[str, Any]]:
        return [each.as_json() for each in self.state.ledger if call in {None, each.call}]

    def world(self) -> dict[str, Any]:
        """Everything that exists, for tests."""
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
            "ip_addresses": [self._described(each) for each in world.addresses],
        }

    def _described(self, address: Address) -> dict[str, Any]:
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
        """Allocate without a request, also what is allocated. Raises LookupError."""
        resources = self.state.world.resources
        named = (r for r in resources.values() if r.name == virtual_machine)
        resource = resources.get(virtual_machine) or next(named, None)
        if resource is None:
            raise LookupError(f"no virtual machine {virtual_machine}")
        address = self._address(ip_address)
        self._change(address, resource.id, address.organization_id)

    def unallocate(self, ip_address: str) -> None:
        """Unallocate without a request. Raises LookupError."""
        address = self._address(ip_address)
        self._change(address, None, address.organization_id)

    def release(self, ip_address: str, to: str | None = None) -> None:
        """Take an address from its organization; with `other` the other one gets it, with the same
        ID [seen]. Raises LookupError."""
        address = self._address(ip_address)
        first, second = self.state.world.organizations[:2]
        other = second if address.organization_id == first.id else first
        if to not in {None, "other"}:
            raise LookupError("to is other, or left out")
        self._change(address, None, other.id if to else None)

    def _address(self, id_or_text: str) -> Address:
        found = self.state.world.by_id_or_text(id_or_text)
        if found is None:
            raise LookupError(f"no address {id_or_text}")
        return found

    def _change(self, address: Address, resource: str | None, organization: str | None) -> None:
        change = change_of(address, resource, organization)
        self.state.world.apply(change)
        self.state.changed(change)
