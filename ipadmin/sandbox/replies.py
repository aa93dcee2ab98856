"""The reply to a request, when a fault changes the answer of the call."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from . import bodies
from .api import Answer, refusal
from .errors import CODES, documented
from .faults import FOREIGN_BODIES, Rule

PAGE = "<!DOCTYPE html><html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"
OTHER_ID = "ip_0000000000000000"
OTHER_IPV4, OTHER_IPV6 = "192.0.2.1", "2001:db8:ffff::1"  # not used by any world


@dataclass(slots=True)
class Reply:
    """What goes over the wire.

    With `cut` the connection ends in the middle of the body; with `twice` a second answer follows
    the first. `katapult` is false for a gateway's answer, without Katapult's headers.
    """

    answer: Answer
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    cut: bool = False
    twice: bool = False
    katapult: bool = True


def faulty(rule: Rule, answer: Answer) -> Reply:
    """The reply that `rule` asks for; `answer` is that of the call, if it acted."""
    match rule.kind:
        case "html":
            reply = page(rule.status or 502)
        case "foreign":
            body = FOREIGN_BODIES[0] if rule.body is None else rule.body
            reply = Reply(Answer(rule.status or 200, body), katapult=False)
        case "request_timeout":
            timeout = Answer(408, bodies.dump({"code": rule.kind}), rule.kind)
            reply = Reply(timeout, katapult=False)
        case "redirect":
            moved = replace(answer, status=rule.status or 302, body="")
            reply = Reply(moved, headers=(("Location", "/core/v1/redirected"),))
        case "status" | "unknown_code" | "rate_limit" | "error":
            reply = failure(rule, answer)
        case _:
            cut, twice = rule.kind == "truncated", rule.kind == "two_answers"
            reply = Reply(altered(rule, answer), cut=cut, twice=twice)
    return reply


def altered(rule: Rule, answer: Answer) -> Answer:
    """The call's own answer; some kinds change its status or its body."""
    match rule.kind:
        case "flat":
            body = json.loads(answer.body)
            answer = replace(answer, body=bodies.dump(body.get("error", body)))
        case "flat_allocation":
            answer = replace(answer, body=bodies.flat_allocation(answer.body))
        case "empty":
            answer = replace(answer, status=rule.status or answer.status, body="")
        case "accepted":
            answer = replace(answer, status=202, body="{}", code=None)
        case "other_id":
            answer = replace(answer, body=about_another(rule.part, answer.body))
    return answer


def about_another(part: str, text: str) -> str:
    """The body of one address with another `id` or `address`; other bodies as they are."""
    body = json.loads(text)
    found = body.get("ip_address", {})
    if found and part == "id":
        found["id"] = OTHER_ID
    elif found:
        address, _, mask = found["address_with_mask"].partition("/")
        found["address"] = OTHER_IPV6 if ":" in address else OTHER_IPV4
        found["address_with_mask"] = f"{found['address']}/{mask}"
    return bodies.dump(body)


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
