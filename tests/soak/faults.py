"""What goes wrong in a soak: every kind of fault at random on every call, and on the unallocate
POSTs above all those after which the address is freed although no answer says so.

A slow fault holds a call until its deadline, and most attempts that are not answered stay open for
EVIDENCE_INTERVAL at least: the shares below keep the soak quick.
"""

from __future__ import annotations

from typing import Any

LATEST = 4.5  # seconds after its connection has closed that a request may still be carried out

FAULTS: list[dict[str, Any]] = [
    # Longer than KATAPULT_TOTAL_TIMEOUT: one acts at once, one after the client has given up.
    {"kind": "no_answer", "probability": 0.04, "seconds": 1.4, "acts": True, "acts_at": "start"},
    {"kind": "no_answer", "probability": 0.03, "seconds": 1.4, "acts": True},
    # One acts before EVIDENCE_INTERVAL has passed, one after it: then the entry has failed.
    {"kind": "late", "probability": 0.02, "seconds": 1.0},
    {"kind": "late", "probability": 0.06, "seconds": LATEST},
    # Acts when the client has given up; the drips among the random faults act at once.
    {"kind": "drip_headers", "probability": 0.01, "acts_at": "end"},
    {"kind": "status", "status": 500, "probability": 0.03, "acts": True},
    {"kind": "html", "status": 502, "probability": 0.03, "acts": True},
    {"kind": "request_timeout", "probability": 0.02},
    {"kind": "random", "probability": 0.35},
]
for each in FAULTS:
    each["call"] = "unallocate"
FAULTS += [
    {"kind": "other_id", "call": "get", "probability": 0.01},
    {"kind": "random", "probability": 0.05},
]

# Faults that dress an answer, make it late, or send more after it, without making it untrue.
TRUE_ANSWERS = {None, "delay", "flat", "flat_allocation", "two_answers"}

# Client errors with a code that Katapult does not document.
UNDOCUMENTED = {"unknown_code", "request_timeout"}
