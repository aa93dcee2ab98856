"""The sandbox without its network: the handling of requests, and `/_sandbox/…` to watch and change
it."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import asdict, replace
from typing import Any

import orjson

from . import oauth
from .arguments import Arguments, Request
from .bodies import Body, list_row
from .calls import UNKNOWN_CALL, route
from .context import Context
from .errors import ApiError
from .faults import Answer, Faults, Rule
from .options import Options
from .state import Entry, State, timestamp
from .tokens import RateLimit, fingerprint, known_tokens
from .world import KEEP_UNTIL, Address, Resource

PREFIX = "/_sandbox/"
JSON, LINES = "application/json", "application/x-ndjson"
OpenShape = dict[str, Any]


class SandboxError(Exception):
    """The sandbox cannot start; the text says why in one line."""


class Engine:
    """Raises SandboxError for options that cannot be used."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.pending: set[asyncio.Task[None]] = set()  # calls that are delayed by a fault
        try:
            self.state = State(options.seed, options.addresses, options.state)
            self._begin()
        except (ValueError, TypeError) as error:
            raise SandboxError(str(error)) from error

    def _begin(self) -> None:
        """Full rate limits, the faults of the start, and nothing allowed through OAuth2."""
        self.limits = RateLimit(self.options.rate_limit_window)
        self.tokens = known_tokens(self.options.token, self.options.scopes)
        organizations = self.state.world.organizations
        self.oauth = oauth.Provider(self.options.oauth_client, self.tokens, organizations)
        self.set_faults(orjson.loads(self.options.faults))

    def receive(self, request: Request) -> tuple[Entry, Rule | None]:
        """Record a request in the ledger, and choose its fault, before anything happens."""
        self.oauth.expire()
        call, segments = route(request.method, request.path)
        name = call.name if call else UNKNOWN_CALL
        try:
            lookup = Arguments(request, segments).lookup("ip_address")
            address = self.state.world.address(*lookup)
        except ApiError:
            address = None
        rule = self.faults.choose(name, address)
        token = self.tokens.get(request.token or "")
        label = token.label if token else "unknown"
        entry = Entry(
            str(uuid.uuid4()),
            timestamp(),
            request.method,
            request.path,
            name,
            address.id if address else None,
            label if request.token else None,
            fingerprint(request.token),
            rule.kind if rule else None,
        )
        self.state.ledger.append(entry)
        return entry, rule

    def answer(self, request: Request, entry: Entry, *, acts: bool = True) -> Answer:
        """The answer to a request. It takes effect unless a fault says that it does not: then the
        answer is a success without content."""
        token = self.tokens.get(request.token or "")
        permitted = self.options.rate_limit
        if token and token.permitted:
            permitted = min(token.permitted, permitted)
        remaining = self.limits.take(request.token or "", permitted, time.time())
        answer = Answer(permitted=permitted, remaining=remaining or 0)
        if not acts:
            return answer
        try:
            limit = permitted if remaining is None else None
            body = self._body(request, entry, limit)
        except ApiError as error:
            body = error.body()
            answer = replace(answer, status=error.status, code=error.code)
        return replace(answer, body=orjson.dumps(body))

    def _body(self, request: Request, entry: Entry, exceeded: int | None) -> Body:
        """Route, token, rate limit, scope, arguments, call: the live API's order [frame].

        `exceeded` is the rate limit, if this call exceeds it. Raises ApiError.
        """
        call, segments = route(request.method, request.path)
        if call is None:
            raise ApiError("route_not_found")
        if not request.token:
            raise ApiError("missing_api_token")
        token = self.tokens.get(request.token)
        if token is None or token.refused:
            raise ApiError((token and token.refused) or "invalid_api_token")
        if exceeded is not None:
            raise ApiError("rate_limit_reached", {"total_permitted": exceeded})
        if call.scopes and not token.scopes.intersection(call.scopes):
            raise ApiError("scope_not_granted", {"scopes": list(call.scopes)})
        arguments = Arguments(request, segments)
        for name in call.lookups:
            arguments.lookup(name)
        return call.answer(Context(self.state, entry, token, arguments, self.options.large_set))

    def end_pending(self) -> None:
        """Cancel all delayed calls: none of them takes effect from now on."""
        for task in self.pending:
            task.cancel()

    def reset(self, seed: int | None = None, addresses: int | None = None) -> None:
        """A fresh world, an empty ledger, full rate limits, and the faults of the start."""
        self.end_pending()
        self.state.reset(seed, addresses)
        self._begin()

    def set_faults(self, rules: object) -> None:
        """Put other rules in force; from now on random choices start over."""
        self.faults = Faults(rules, self.state.seed)

    def allocate(
        self, ip_address: str, virtual_machine: str, reverse_dns: str | None = None
    ) -> None:
        """Allocate without a request, also what is allocated, to a virtual machine by ID or name.
        Raises LookupError, as the next three do."""
        machine, address = self._machine(virtual_machine), self._address(ip_address)
        self.state.change(address.id, machine.id, address.organization, reverse_dns)

    def unallocate(self, ip_address: str) -> None:
        """Unallocate without a request."""
        address = self._address(ip_address)
        self.state.change(address.id, None, address.organization)

    def release(self, ip_address: str, to: str | None = None) -> None:
        """Take an address from its organization; with `other` the other one gets it, with the same
        ID [seen]."""
        address = self._address(ip_address)
        first, second = self.state.world.organizations[:2]
        other = second if address.organization == first.id else first
        if to not in {None, "other"}:
            raise LookupError("to is other, or left out")
        self.state.change(address.id, None, other.id if to else None)

    def trash(self, virtual_machine: str, keep_until: int | None = KEEP_UNTIL) -> None:
        """Move a virtual machine into the trash, or with None out of it."""
        self.state.world.trash(self._machine(virtual_machine), keep_until)

    def _machine(self, id_or_name: str) -> Resource:
        for each in self.state.world.resources.values():
            if id_or_name in {each.id, each.name}:
                return each
        raise LookupError(f"no virtual machine {id_or_name}")

    def _address(self, id_or_text: str) -> Address:
        world = self.state.world
        found = world.address("id", id_or_text) or world.address("address", id_or_text)
        if found is None:
            raise LookupError(f"no address {id_or_text}")
        return found

    def behave(self, **behaviour: Any) -> None:
        """How the identity provider behaves from now on; see `oauth.Behaviour`."""
        self.oauth.behaviour = oauth.Behaviour(**behaviour)

    def oauth_ledger(self) -> list[OpenShape]:
        """Every request to the token and revocation endpoints."""
        return list(self.oauth.ledger)

    def ledger(self, call: str | None = None) -> list[OpenShape]:
        """Every request received, or those of one call; the keys are those of `state.Entry`."""
        return [asdict(each) for each in self.state.ledger if call in {None, each.call}]

    def world(self) -> OpenShape:
        """`organizations`, `virtual_machines` (whatever holds addresses) and `ip_addresses`."""
        world = self.state.world
        return {
            "organizations": [asdict(each) for each in world.organizations],
            "virtual_machines": [asdict(each) for each in world.resources.values()],
            "ip_addresses": [
                list_row(each)
                | {
                    "version": each.version,
                    "label": each.label,
                    "organization": each.organization,
                    "allocation_name": each.resource.name if each.resource else None,
                }
                for each in world.addresses.values()
            ],
        }


def control(engine: Engine, request: Request) -> tuple[int, str, bytes]:
    """Status, content type and body of a request below `/_sandbox/`, which the live API lacks."""
    try:
        answer = act(engine, request, orjson.loads(request.body) if request.body else {})
    except (ValueError, LookupError, TypeError) as error:
        return 400, JSON, orjson.dumps({"error": str(error)})
    if answer is None:
        return 404, JSON, orjson.dumps({"error": f"no {request.method} {request.path}"})
    if isinstance(answer, bytes):
        return 200, LINES, answer
    return 200, JSON, orjson.dumps(answer)


def act(engine: Engine, request: Request, body: OpenShape) -> object:
    """JSON, or bytes for the ledger; None if there is no such thing."""
    match request.method, request.path.removeprefix(PREFIX):
        case "GET", "health":
            return {"ok": True}
        case "GET", "ledger":
            return b"".join(orjson.dumps(each) + b"\n" for each in engine.ledger())
        case "GET", ("world" | "oauth_ledger") as noun:
            return getattr(engine, noun)()
        case ("GET" | "PUT" | "DELETE") as method, "faults":
            if method != "GET":
                engine.set_faults(body if method == "PUT" else [])
            return engine.faults.rules
        case "POST", ("reset" | "allocate" | "unallocate" | "release" | "trash" | "behave") as verb:
            getattr(engine, verb)(**body)
            # Requests of this process are handled one after another: `at` separates them.
            return {"ok": True, "at": timestamp()}
    return None
