"""The sandbox's faults in a soak: all kinds on all calls, and for those that change something
mostly the ones that do so without an answer.

Calls with a slow fault last until their deadline, and unanswered attempts stay open for at least
EVIDENCE_INTERVAL, so the probabilities are low enough to keep the soak quick.
"""

from __future__ import annotations

from typing import Any

MAX_DELAY_SECONDS = 4.5  # from the end of the connection until the request is carried out

CHANGES = ("unallocate", "allocate", "set_reverse_dns")
OF_CHANGES: list[dict[str, Any]] = [
    # Longer than KATAPULT_TOTAL_TIMEOUT; carried out at once, or after the client's timeout.
    {"kind": "no_answer", "probability": 0.04, "seconds": 1.4, "acts": True, "acts_at": "start"},
    {"kind": "no_answer", "probability": 0.03, "seconds": 1.4, "acts": True},
    # Carried out before and after EVIDENCE_INTERVAL, when the entry is `failed` already.
    {"kind": "late", "probability": 0.02, "seconds": 1.0},
    {"kind": "late", "probability": 0.06, "seconds": MAX_DELAY_SECONDS},
    # Carried out after the client's timeout; the random drips are carried out at once.
    {"kind": "drip_headers", "probability": 0.01, "acts_at": "end"},
    {"kind": "status", "status": 500, "probability": 0.03, "acts": True},
    {"kind": "html", "status": 502, "probability": 0.03, "acts": True},
    {"kind": "request_timeout", "probability": 0.02},
    {"kind": "random", "probability": 0.35},
]
FAULTS = [
    *(each | {"call": call} for call in CHANGES for each in OF_CHANGES),
    {"kind": "other_id", "call": "get", "probability": 0.01},
    {"kind": "random", "probability": 0.05},
]

# Faults whose answer is true: delayed, in another shape, or followed by more bytes.
TRUE_ANSWERS = {None, "delay", "flat", "flat_allocation", "two_answers"}

# Client errors with a code that Katapult does not document.
UNDOCUMENTED = {"unknown_code", "request_timeout"}
