"""`/_sandbox/…`, which the live API does not have: read the state, and change it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

from . import bodies
from .arguments import Request
from .engine import Engine
from .faults import to_json
from .state import timestamp

PREFIX = "/_sandbox/"
JSON, LINES = "application/json", "application/x-ndjson"


def control(engine: Engine, request: Request) -> tuple[int, str, str]:
    """Status, content type and body of a request below `/_sandbox/`."""
    try:
        body = json.loads(request.body) if request.body else {}
        answer = act(engine, request, body)
    except (ValueError, LookupError, TypeError) as error:
        return 400, JSON, bodies.dump({"error": str(error)})
    if answer is None:
        return 404, JSON, bodies.dump({"error": f"no {request.method} {request.path}"})
    if isinstance(answer, str):
        return 200, LINES, answer
    return 200, JSON, bodies.dump(answer)


def act(engine: Engine, request: Request, body: Any) -> Any:
    """JSON, or text for the ledger; None if there is no such thing."""
    match request.method, request.path.removeprefix(PREFIX):
        case "GET", "health":
            return {"ok": True}
        case "GET", "ledger":
            (call,) = parse_qs(request.query).get("call", [None])
            return "".join(bodies.dump(entry) + "\n" for entry in engine.ledger(call))
        case "GET", "world":
            return engine.world()
        case ("GET" | "PUT" | "DELETE") as method, "faults":
            if method != "GET":
                engine.set_faults(body if method == "PUT" else [])
            return to_json(engine.faults.rules)
        case "POST", ("reset" | "allocate" | "unallocate" | "release") as verb:
            getattr(engine, verb)(**body)
            # Requests of this process are handled one after another: `at` separates them.
            return {"ok": True, "at": timestamp()}
    return None
