"""Faults on demand: rules that say which calls go wrong, how, how often, and whether they act.

A rule, as JSON (every key but `kind` may be left out):

    {"kind": "no_answer", "call": "unallocate", "address": "ip_… or its text", "times": 1,
     "skip": 0, "probability": 1.0, "seconds": 2.5, "status": 502, "code": "…", "detail": {},
     "acts": true, "acts_at": "end", "retry_after": 30, "body": "[]", "part": "id"}

`acts` is whether the call takes effect; `seconds` is waited before the answer, and `acts_at` says
whether the call acts at the `start` of that wait or (the default) at its `end`. The first
`skip` calls that match pass, then `times` of them go wrong. Kind `random` is any of the kinds.

Kinds that need an explanation:

- `foreign`: 200 with a JSON body that is not Katapult's, without Katapult's headers. `body` is its
  raw text. By default it does not act.
- `accepted`: 202 with `{}`. By default it does not act.
- `drip_headers`, `drip_informational` (1xx responses), `drip_chunk_extension`, `drip_trailers`: an
  answer that never ends. One small piece every `seconds` (default 0.1) until the client leaves or
  300 s have passed; then the connection is reset. Acts at the start of the drip, or with `acts_at`
  `end` after it.
- `two_answers`: the call's answer and, in the same write, a complete second answer: 200 with `{}`.
- `request_timeout`: 408 `{"code":"request_timeout"}` of a gateway, without Katapult's headers.
  Acts.
- `other_id`: the answer to `get` is about another address. `part` says what differs: `id` (default)
  or `address`, the address text. Applies to no other call.
- `late`: no answer. The call acts `seconds` after the client's connection has closed, never before;
  `acts_at` has no influence.
"""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from .api import CALLS, UNKNOWN_CALL, Exchange
from .errors import CODES

# Every kind, and whether the call acts by default.
KINDS = {
    "delay": True,
    "no_answer": True,
    "reset_before": False,
    "reset_after": True,
    "status": False,
    "html": False,
    "empty": True,
    "truncated": True,
    "redirect": False,
    "unknown_code": False,
    "rate_limit": False,
    "flat": True,
    "flat_allocation": True,
    "error": False,
    "foreign": False,
    "accepted": False,
    "drip_headers": True,
    "drip_informational": True,
    "drip_chunk_extension": True,
    "drip_trailers": True,
    "two_answers": True,
    "request_timeout": True,
    "other_id": True,
    "late": True,
}
DRIPS = frozenset(kind for kind in KINDS if kind.startswith("drip_"))
RANDOM = "random"
# Bounds of a random wait in seconds; other kinds wait as long as the rule says.
RANDOM_SECONDS = {
    "delay": (0.0, 1.0),
    "no_answer": (0.0, 1.0),
    "late": (0.1, 3.5),
    **dict.fromkeys(DRIPS, (0.1, 0.3)),
}
FOREIGN_BODIES = (
    '{"message":"Internal server error"}',
    '{"status":"error","message":"Internal server error"}',
    '{"errors":[{"code":"no_allocation"}]}',
    '{"success":false}',
    '{"error":null}',
    '{"data":null,"error":{}}',
    '{"error":{"code":"no_allocation"},"error":null}',
)


@dataclass(slots=True)
class Rule:
    kind: str
    call: str = "*"
    address: str | None = None
    times: int | None = None
    skip: int = 0
    probability: float = 1.0
    seconds: float = 0.0
    status: int | None = None
    code: str | None = None
    detail: dict[str, Any] | None = None
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
        self._fill_in()

    def _fill_in(self) -> None:
        """The defaults that depend on the kind; a random rule gets them with its kind."""
        if self.kind == RANDOM:
            return
        if self.acts is None:
            self.acts = KINDS[self.kind]
        if self.kind == "late":
            self.acts_at = "end"
        elif self.acts_at is None:
            self.acts_at = "start" if self.kind in DRIPS else "end"
        if self.kind in DRIPS and not self.seconds:
            self.seconds = 0.1

    def matches(self, exchange: Exchange) -> bool:
        if self.call not in {"*", exchange.name} or not applies(self.kind, exchange):
            return False
        target = exchange.target
        return self.address is None or (
            target is not None and self.address in {target.id, target.address}
        )


def applies(kind: str, exchange: Exchange) -> bool:
    return kind != "other_id" or exchange.name == "get"


class Faults:
    """The rules in force, first match first; random choices repeat with the seed."""

    def __init__(self, rules: list[Rule], seed: int) -> None:
        self.rules = rules
        self._rng = random.Random(seed)  # noqa: S311 - repeatable, no secret

    def choose(self, exchange: Exchange) -> Rule | None:
        """The rule this call falls to; one of its `times` is then spent."""
        for rule in self.rules:
            if rule.times == 0 or not rule.matches(exchange):
                continue
            if rule.skip > 0:
                rule.skip -= 1
                continue
            if rule.probability < 1 and self._rng.random() >= rule.probability:
                continue
            if rule.times is not None:
                rule.times -= 1
            return self._concrete(rule, exchange) if rule.kind == RANDOM else rule
        return None

    def _concrete(self, rule: Rule, exchange: Exchange) -> Rule:
        kind = self._rng.choice([kind for kind in KINDS if applies(kind, exchange)])
        code = self._rng.choice(tuple(CODES)) if kind == "error" else None
        made = replace(rule, kind=kind, times=None, code=code, acts=None, probability=1.0)
        if kind in RANDOM_SECONDS:
            made.seconds = self._rng.uniform(*RANDOM_SECONDS[kind])
        if kind == "no_answer":
            made.acts = self._rng.random() < 0.5
        elif kind == "foreign":
            made.body = self._rng.choice(FOREIGN_BODIES)
        elif kind == "other_id":
            made.part = self._rng.choice(("id", "address"))
        return made


def parse_rules(rules: Any) -> list[Rule]:
    """Rules from decoded JSON. Raises ValueError or TypeError that says what is wrong."""
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise ValueError("faults are a JSON list of rules")
    known = {field.name for field in fields(Rule)}
    for rule in rules:
        if unknown := set(rule) - known:
            raise ValueError(f"a rule has no {', '.join(sorted(unknown))}")
        if "kind" not in rule:
            raise ValueError("a rule needs a kind")
    return [Rule(**{k: v for k, v in rule.items() if v is not None}) for rule in rules]


def to_json(rules: list[Rule]) -> list[dict[str, Any]]:
    return [asdict(rule) for rule in rules]
