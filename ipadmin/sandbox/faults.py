"""Faults on demand: rules that say which calls go wrong, how, how often, and whether they act.

A rule, as JSON (every key but `kind` may be left out):

    {"kind": "no_answer", "call": "unallocate", "address": "ip_… or its text", "times": 1,
     "probability": 1.0, "seconds": 2.5, "status": 502, "code": "…", "acts": true,
     "acts_at": "end", "retry_after": 30, "body": "[]", "part": "id"}

`acts` is whether the call takes effect; `seconds` is waited before the answer, and `acts_at` says
whether the call acts at the `start` of that wait or (the default) at its `end`. `times` calls that
match go wrong; all, if it is left out. Kind `random` is any of the kinds.

Kinds that need an explanation (`KINDS` has all):

- `foreign`: 200 with a JSON body that is not Katapult's, without Katapult's headers. `body` is its
  raw text.
- `accepted`: 202 with `{}`.
- `drip_headers`, `drip_informational` (1xx responses), `drip_chunk_extension`, `drip_trailers`: an
  answer that never ends. One small piece every `seconds` (default 0.1) until the client leaves or
  300 s have passed; then the connection is reset. Acts at the start of the drip, or with `acts_at`
  `end` after it.
- `two_answers`: the call's answer and, in the same write, a complete second answer: 200 with `{}`.
- `request_timeout`: 408 `{"code":"request_timeout"}` of a gateway, without Katapult's headers.
- `other_id`: the answer is about another address. `part` says what differs: `id` (default) or
  `address`, the address text. Applies only to calls whose answer has one address.
- `late`: no answer. The call acts `seconds` after the client's connection has closed, never before;
  `acts_at` has no influence.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import orjson

from .calls import CALLS, UNKNOWN_CALL
from .errors import CODES, ApiError
from .world import Address

PAGE = "<!DOCTYPE html><html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"
OTHER_ID = "ip_0000000000000000"
OTHER_IPV4, OTHER_IPV6 = "192.0.2.1", "2001:db8:ffff::1"  # not used by any world
RANDOM = "random"
FOREIGN_BODIES = (
    '{"message":"Internal server error"}',
    '{"status":"error","message":"Internal server error"}',
    '{"errors":[{"code":"no_allocation"}]}',
    '{"success":false}',
    '{"error":null}',
    '{"data":null,"error":{}}',
    '{"error":{"code":"no_allocation"},"error":null}',
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent. A proxy's answer comes without Katapult's headers."""

    status: int = 200
    body: bytes = b"{}"
    code: str | None = None
    permitted: int | None = None  # calls a minute
    remaining: int | None = None
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    by_proxy: bool = False


REDIRECT = Answer(302, b"", headers=(("Location", "/core/v1/redirected"),))
FOREIGN = Answer(200, FOREIGN_BODIES[0].encode(), by_proxy=True)
REQUEST_TIMEOUT = Answer(408, b'{"code":"request_timeout"}', "request_timeout", by_proxy=True)


@dataclass(slots=True)
class Rule:
    """Raises ValueError for a value that is not allowed."""

    kind: str
    call: str = "*"
    address: str | None = None
    times: int | None = None
    probability: float = 1.0
    seconds: float = 0.0
    status: int | None = None
    code: str | None = None
    acts: bool | None = None
    acts_at: Literal["start", "end"] | None = None
    retry_after: int | None = None
    body: str | None = None
    part: Literal["id", "address"] = "id"

    def __post_init__(self) -> None:
        calls = {"*", UNKNOWN_CALL, *(call.name for call in CALLS)}
        if self.kind not in KINDS and self.kind != RANDOM:
            raise ValueError(f"no fault of kind {self.kind!r}; there are {', '.join(KINDS)}")
        if self.call not in calls:
            raise ValueError(f"no call {self.call!r}; there are {', '.join(sorted(calls))}")
        if self.kind == "error" and self.code not in CODES:
            raise ValueError(f"no documented error {self.code!r}; use unknown_code for others")
        if self.status is not None and not 200 <= self.status <= 599:
            raise ValueError("a status is 200 to 599")
        if self.kind == RANDOM:
            return
        if self.acts is None:
            self.acts = KINDS[self.kind].acts
        if self.kind == "late":
            self.acts_at = "end"
        elif self.acts_at is None:
            self.acts_at = "start" if self.kind in DRIPS else "end"
        if self.kind in DRIPS and not self.seconds:
            self.seconds = 0.1

    def matches(self, call: str, address: Address | None) -> bool:
        if self.call not in {"*", call} or not applies(self.kind, call):
            return False
        return self.address is None or (
            address is not None and self.address in {address.id, address.address}
        )


def applies(kind: str, call: str) -> bool:
    return kind != "other_id" or call in {"get", "allocate", "set_reverse_dns"}


def unchanged(_rule: Rule, answer: Answer) -> Answer:
    return answer


def fixed(made: Answer) -> Callable[[Rule, Answer], Answer]:
    """Always this answer, with the status and the body of the rule, if it has them."""

    def answer(rule: Rule, _answer: Answer) -> Answer:
        body = rule.body.encode() if rule.body else made.body
        return replace(made, status=rule.status or made.status, body=body)

    return answer


def empty(rule: Rule, answer: Answer) -> Answer:
    return replace(answer, status=rule.status or answer.status, body=b"")


def status(rule: Rule, answer: Answer) -> Answer:
    match rule.status or 500:
        case 500:
            return error(rule, answer, "unhandled_exception")
        case 503:
            return error(rule, answer, "service_unavailable")
    return page(rule, answer)


def rate_limit(rule: Rule, answer: Answer) -> Answer:
    return error(rule, replace(answer, remaining=0), "rate_limit_reached")


def error(rule: Rule, answer: Answer, code: str = "") -> Answer:
    refusal = ApiError(code or rule.code or "")
    wait = () if rule.retry_after is None else (("Retry-After", str(rule.retry_after)),)
    body = orjson.dumps(refusal.body())
    return replace(answer, status=refusal.status, body=body, code=refusal.code, headers=wait)


def unknown_code(rule: Rule, answer: Answer) -> Answer:
    code = rule.code or "address_locked_by_policy"
    body = {"error": {"code": code, "description": "Something new", "detail": {}}}
    return replace(answer, status=rule.status or 422, body=orjson.dumps(body), code=code)


def page(rule: Rule, _answer: Answer) -> Answer:
    status = rule.status or 502
    body = PAGE.format(f"{status} from a proxy").encode()
    return Answer(status, body, content_type="text/html; charset=utf-8", by_proxy=True)


def flat(_rule: Rule, answer: Answer) -> Answer:
    """Errors as the reference shows them [doc]."""
    body = orjson.loads(answer.body)
    return replace(answer, body=orjson.dumps(body.get("error", body)))


def flat_allocation(_rule: Rule, answer: Answer) -> Answer:
    """The allocation, if there is one, as the reference shows it [doc]."""
    body = orjson.loads(answer.body)
    if body.get("allocation"):
        body["allocation"] = body["allocation"]["value"]
    return replace(answer, body=orjson.dumps(body))


def other_id(rule: Rule, answer: Answer) -> Answer:
    body = orjson.loads(answer.body)
    found = body.get("ip_address", {})
    if found and rule.part == "id":
        found["id"] = OTHER_ID
    elif found:
        address, _, mask = found["address_with_mask"].partition("/")
        found["address"] = OTHER_IPV6 if ":" in address else OTHER_IPV4
        found["address_with_mask"] = f"{found['address']}/{mask}"
    return replace(answer, body=orjson.dumps(body))


@dataclass(frozen=True, slots=True)
class Kind:
    """`acts` is the default of rules. `answer` makes the answer from that of the call; None: there
    is none. `random_seconds` are the bounds of the wait of a random fault."""

    acts: bool
    answer: Callable[[Rule, Answer], Answer] | None = unchanged
    random_seconds: tuple[float, float] | None = None
    resets: bool = False  # resets the connection


DRIP = Kind(True, None, random_seconds=(0.1, 0.3), resets=True)
KINDS = {
    "delay": Kind(True, random_seconds=(0, 1)),
    "no_answer": Kind(True, None, random_seconds=(0, 1)),
    "reset_before": Kind(False, None, resets=True),
    "reset_after": Kind(True, None, resets=True),
    "status": Kind(False, status),
    "html": Kind(False, page),
    "empty": Kind(True, empty),
    "truncated": Kind(True),
    "redirect": Kind(False, fixed(REDIRECT)),
    "unknown_code": Kind(False, unknown_code),
    "rate_limit": Kind(False, rate_limit),
    "flat": Kind(True, flat),
    "flat_allocation": Kind(True, flat_allocation),
    "error": Kind(False, error),
    "foreign": Kind(False, fixed(FOREIGN)),
    "accepted": Kind(False, fixed(Answer(202))),
    "drip_headers": DRIP,
    "drip_informational": DRIP,
    "drip_chunk_extension": DRIP,
    "drip_trailers": DRIP,
    "two_answers": Kind(True),
    "request_timeout": Kind(True, fixed(REQUEST_TIMEOUT)),
    "other_id": Kind(True, other_id),
    "late": Kind(True, None, random_seconds=(0.1, 3.5)),
}
DRIPS = frozenset(name for name, kind in KINDS.items() if kind is DRIP)


class Faults:
    """The rules in force, first match first; random choices repeat with the seed.

    `rules` is decoded JSON. Raises ValueError or TypeError that says what is wrong with it.
    """

    def __init__(self, rules: object, seed: int) -> None:
        if not isinstance(rules, list):
            raise ValueError("faults are a JSON list of rules")  # noqa: TRY004 - caught alike
        self.rules = [Rule(**rule) for rule in rules]
        self._rng = random.Random(seed)  # noqa: S311 - repeatable, no secret

    def choose(self, call: str, address: Address | None) -> Rule | None:
        """The rule that applies to this call; one of its `times` is then spent."""
        for rule in self.rules:
            if rule.times == 0 or not rule.matches(call, address):
                continue
            if rule.probability < 1 and self._rng.random() >= rule.probability:
                continue
            if rule.times is not None:
                rule.times -= 1
            return self._concrete(rule, call) if rule.kind == RANDOM else rule
        return None

    def _concrete(self, rule: Rule, call: str) -> Rule:
        kind = self._rng.choice([kind for kind in KINDS if applies(kind, call)])
        bounds = KINDS[kind].random_seconds
        return replace(
            rule,
            kind=kind,
            code=self._rng.choice(tuple(CODES)) if kind == "error" else None,
            seconds=self._rng.uniform(*bounds) if bounds else rule.seconds,
            acts=self._rng.random() < 0.5 if kind == "no_answer" else None,
            body=self._rng.choice(FOREIGN_BODIES) if kind == "foreign" else rule.body,
            part=self._rng.choice(("id", "address")),
        )
