"""`/_sandbox/…`, which the live API does not have: read the state, and change it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qs

import orjson

from . import bodies
from .arguments import Request
from .engine import Engine
from .state import timestamp

PREFIX = "/_sandbox/"
JSON, LINES = "application/json", "application/x-ndjson"


def control(engine: Engine, request: Request) -> tuple[int, str, bytes]:
    """Status, content type and body of a request below `/_sandbox/`."""
    try:
        answer = act(engine, request, orjson.loads(request.body) if request.body else {})
    except (ValueError, LookupError, TypeError) as error:
        return 400, JSON, orjson.dumps({"error": str(error)})
    if answer is None:
        return 404, JSON, orjson.dumps({"error": f"no {request.method} {request.path}"})
    if isinstance(answer, bytes):
        return 200, LINES, answer
    return 200, JSON, orjson.dumps(answer)


def act(engine: Engine, request: Request, body: Any) -> object:
    """JSON, or bytes for the ledger; None if there is no such thing."""
    match request.method, request.path.removeprefix(PREFIX):
        case "GET", "health":
            return {"ok": True}
        case "GET", "ledger":
            (call,) = parse_qs(request.query).get("call", [None])
            return b"".join(orjson.dumps(each) + b"\n" for each in ledger(engine, call))
        case "GET", "world":
            return world(engine)
        case ("GET" | "PUT" | "DELETE") as method, "faults":
            if method != "GET":
                engine.set_faults(body if method == "PUT" else [])
            return engine.faults.rules
        case "POST", ("reset" | "allocate" | "unallocate" | "release") as verb:
            getattr(engine, verb)(**body)
            # Requests of this process are handled one after another: `at` separates them.
            return {"ok": True, "at": timestamp()}
    return None


def ledger(engine: Engine, call: str | None) -> list[dict[str, Any]]:
    """Every request received, or those of one call; the keys are those of `state.Entry`."""
    entries = engine.state.ledger.values()
    return [asdict(each) for each in entries if call in {None, each.call}]


def world(engine: Engine) -> dict[str, Any]:
    """`organizations`, `virtual_machines` (whatever holds addresses) and `ip_addresses`."""
    found = engine.state.world
    return {
        "seed": engine.state.seed,
        "organizations": [bodies.organization(each) for each in found.organizations],
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
            for each in found.resources.values()
        ],
        "ip_addresses": [
            bodies.row(each)
            | {
                "version": each.version,
                "label": each.label,
                "organization": each.organization_id,
                "allocation_name": each.resource.name if each.resource else None,
            }
            for each in found.addresses.values()
        ],
    }
