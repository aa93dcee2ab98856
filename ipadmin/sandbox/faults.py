"""Faults on demand: rules that say which calls go wrong, how, how often, and whether they act.

A rule, as JSON (every key but `kind` may be left out):

    {"kind": "no_answer", "call": "unallocate", "address": "ip_… or its text", "times": 1,
     "skip": 0, "probability": 1.0, "seconds": 2.5, "status": 502, "code": "…", "detail": {},
     "acts": true, "acts_at": "end", "retry_after": 30}

`acts` is whether the call takes effect; `seconds` is waited before the answer, and `acts_at` says
on which side of that wait the call acts: at its `start` or (unless told) its `end`. The first
`skip` calls that match pass, then `times` of them go wrong. The short form is
`unallocate:no_answer,times=1;list:delay,seconds=2`, and `random:0.1` is every kind at random.
"""

from __future__ import annotations

import json
import random
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from . import bodies
from .api import CALLS, UNKNOWN_CALL, Answer, Exchange, refusal
from .errors import CODES, documented

# Every kind, and whether the call acts unless the rule says.
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
}
RANDOM = "random"
LONGEST_RANDOM_DELAY = 1.0  # seconds
PAGE = "<!DOCTYPE html><html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"


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
    acts_at: Literal["start", "end"] = "end"
    retry_after: int | None = None

    def __post_init__(self) -> None:
        calls = {"*", UNKNOWN_CALL, *(call.name for call in CALLS)}
        if self.kind not in KINDS and self.kind != RANDOM:
            raise ValueError(f"no fault of kind {self.kind!r}; there are {', '.join(KINDS)}")
        if self.call not in calls:
            raise ValueError(f"no call {self.call!r}; there are {', '.join(sorted(calls))}")
        if self.kind == "error" and self.code not in CODES:
            raise ValueError(f"no documented error {self.code!r}; use unknown_code for others")
        for name in ("times", "skip", "probability", "seconds", "retry_after"):
            if not isinstance(getattr(self, name) or 0, int | float):
                raise TypeError(f"{name} is a number")
        if self.acts_at not in {"start", "end"}:
            raise ValueError("acts_at is start or end")
        if self.status is not None and not 200 <= self.status <= 599:
            raise ValueError("a status is 200 to 599")
        if self.acts is None:
            self.acts = KINDS.get(self.kind, False)

    def matches(self, exchange: Exchange) -> bool:
        if self.call not in {"*", exchange.name}:
            return False
        target = exchange.target
        return self.address is None or (
            target is not None and self.address in {target.id, target.address}
        )


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
            return self._concrete(rule) if rule.kind == RANDOM else rule
        return None

    def _concrete(self, rule: Rule) -> Rule:
        kind = self._rng.choice(tuple(KINDS))
        code = self._rng.choice(tuple(CODES)) if kind == "error" else None
        made = replace(rule, kind=kind, times=None, code=code, acts=None, probability=1.0)
        if kind in {"delay", "no_answer"}:
            made.seconds = self._rng.uniform(0, LONGEST_RANDOM_DELAY)
            made.acts = kind == "delay" or self._rng.random() < 0.5
        return made


@dataclass(slots=True)
class Reply:
    """What goes over the wire. `katapult` is false where it is a proxy that speaks."""

    answer: Answer
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    cut: bool = False
    katapult: bool = True


def dress(rule: Rule, answer: Answer) -> Reply:
    """The reply `rule` makes; `answer` is the call's own, or a blank one if it did not act."""
    match rule.kind:
        case "delay":
            reply = Reply(answer)
        case "flat":
            body = json.loads(answer.body)
            reply = Reply(replace(answer, body=bodies.dump(body.get("error", body))))
        case "flat_allocation":
            reply = Reply(replace(answer, body=bodies.flat_allocation(answer.body)))
        case "empty":
            reply = Reply(replace(answer, status=rule.status or answer.status, body=""))
        case "truncated":
            reply = Reply(answer, cut=True)
        case "html":
            reply = page(rule.status or 502)
        case "redirect":
            moved = replace(answer, status=rule.status or 302, body="")
            reply = Reply(moved, headers=(("Location", "/core/v1/redirected"),))
        case _:
            reply = failure(rule, answer)
    return reply


def failure(rule: Rule, answer: Answer) -> Reply:
    """The kinds that answer with an error: a status, a code of any sort, or 429."""
    status = rule.status or 500
    if rule.kind == "status" and status not in {500, 503}:
        return page(status)
    code = {"rate_limit": "rate_limit_reached", "unknown_code": ""}.get(rule.kind, rule.code)
    if rule.kind == "status":
        code = rule.code or ("unhandled_exception" if status == 500 else "service_unavailable")
    if code in CODES:
        made = refusal(documented(code, rule.detail))
    else:
        code = rule.code or "address_locked_by_policy"
        body = {"code": code, "description": "Something new", "detail": rule.detail or {}}
        made = Answer(rule.status or 422, bodies.dump({"error": body}), code)
    made.permitted, made.remaining = answer.permitted, answer.remaining
    if made.code == "rate_limit_reached":
        made.remaining = 0
    wait = () if rule.retry_after is None else (("Retry-After", str(rule.retry_after)),)
    return Reply(made, headers=wait)


def page(status: int) -> Reply:
    """A page of a proxy in between, which knows nothing of Katapult's headers."""
    made = Answer(status, PAGE.format(f"{status} from a proxy"))
    return Reply(made, "text/html; charset=utf-8", katapult=False)


def parse_rules(rules: Any) -> list[Rule]:
    """Rules from JSON. Raises ValueError that says what is wrong."""
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise ValueError("faults are a JSON list of rules")
    known = {field.name for field in fields(Rule)}
    for rule in rules:
        if unknown := set(rule) - known:
            raise ValueError(f"a rule has no {', '.join(sorted(unknown))}")
        if "kind" not in rule:
            raise ValueError("a rule needs a kind")
    return [Rule(**{k: v for k, v in rule.items() if v is not None}) for rule in rules]


def parse_spec(spec: str) -> list[Rule]:
    """Rules from a file of JSON, or from the short form. Raises ValueError."""
    if not spec:
        return []
    if spec.startswith("["):
        return parse_rules(json.loads(spec))
    if spec.endswith(".json") or (":" not in spec and Path(spec).is_file()):
        try:
            return parse_rules(json.loads(Path(spec).read_text()))
        except OSError as error:
            raise ValueError(f"cannot read {spec}: {error.strerror}") from error
    return parse_rules([short(part) for part in spec.split(";") if part.strip()])


def short(part: str) -> dict[str, Any]:
    call, colon, rest = part.strip().partition(":")
    if call == RANDOM:
        return {"kind": RANDOM, "probability": float(rest)}
    if not colon:
        raise ValueError(f"a fault is written call:kind, not {part!r}")
    kind, *options = rest.split(",")
    rule: dict[str, Any] = {"call": call, "kind": kind.strip()}
    for option in options:
        name, _, value = option.strip().partition("=")
        try:
            rule[name] = json.loads(value)
        except ValueError:
            rule[name] = value
    return rule


def to_json(rules: list[Rule]) -> list[dict[str, Any]]:
    return [asdict(rule) for rule in rules]
