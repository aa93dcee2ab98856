"""Every outcome and error explained to the operator: what happened, whether anything changed, what
to do now, who can fix it. The words for each code stand in `words.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from ipadmin import crypto
from ipadmin.katapult.errors import REFUSALS, ErrorAnswer, KatapultError
from ipadmin.models import AuditEntry, Basis, Outcome
from ipadmin.services import budget
from ipadmin.services.later_reads import LaterRead
from ipadmin.ui import evidence_texts, time_zones
from ipadmin.ui.error_messages import KATAPULT, WORDS, YOU, Words
from ipadmin.ui.evidence_texts import Linked, allocation_text

NOTHING_CHANGED = "Nothing was changed."
# All that readings can say: the request may still be carried out.
NO_CHANGE_SEEN = "No change was seen."


@dataclass(frozen=True, slots=True)
class Explanation:
    """One occurrence, ready to be shown. `tone` is success, info, warning or danger; `facts` are
    (label, value) pairs worth copying, `attempts` sentences about other attempts."""

    tone: str
    title: str
    what_happened: str
    changed: str
    what_now: str = ""
    who: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    retry_at: datetime | None = None
    attempts: tuple[Linked, ...] = ()


def of_error(error: Exception) -> Explanation:
    """A call that only reads, and failed."""
    if isinstance(error, crypto.CannotDecrypt):
        return _shown(WORDS["token_unreadable"], NOTHING_CHANGED, "token_unreadable", {}, "")
    if isinstance(error, KatapultError):
        description = error.description if isinstance(error, ErrorAnswer) else error.reason
        detail = error.detail if isinstance(error, ErrorAnswer) else {}
        words = _words(error.code, description)
        return _shown(
            words,
            NOTHING_CHANGED,
            error.code,
            detail,
            description,
            request_id=error.exchange.request_id or "",
            at=timezone.now(),
            retry_after=error.exchange.retry_after,
        )
    if isinstance(error, budget.ReadsWait):
        shown = _shown(WORDS[error.code], NOTHING_CHANGED, error.code, {}, "")
        facts = (("Calls left this minute", str(error.remaining)),)
        what_now = f"Refresh at {time_zones.text_of(error.retry_at, 'time')}."
        return replace(shown, retry_at=error.retry_at, what_now=what_now, facts=facts)
    code = getattr(error, "code", "")
    changed = "This is not known yet." if code == "outcome_not_written" else NOTHING_CHANGED
    return _shown(WORDS[code], changed, code, {}, "")


def of_entry(
    entry: AuditEntry, others: Sequence[AuditEntry] = (), later: LaterRead | None = None
) -> Explanation:
    """An attempt as it stands. `others` are the competing attempts that it names, as far as the
    reader may see them; `later` is a read that contradicts it."""
    shown = _OF_OUTCOME[Outcome(entry.outcome)](entry)
    if later:
        now = "Look at the address as it is now."
        shown = replace(
            shown, changed=evidence_texts.read_later(later, entry), what_now=now, who=YOU
        )
    attempts = evidence_texts.competing(entry, others)
    seen = {str(other.attempt_id) for other in others}
    unseen = tuple(
        ("Could also have been attempt", name)
        for name in entry.competing_attempts
        if name not in seen
    )
    if _was_unallocated_before(entry) and not attempts and not unseen:
        shown = replace(shown, what_happened=f"{shown.what_happened} It was unallocated elsewhere.")
    return replace(shown, attempts=attempts, facts=unseen + shown.facts)


def _was_unallocated_before(entry: AuditEntry) -> bool:
    """Whether the call, or the read before it, came too late."""
    codes = {Outcome.REFUSED: "already_unallocated", Outcome.FAILED: "no_allocation"}
    is_answer = entry.basis != Basis.EVIDENCE
    return is_answer and entry.error_code == codes.get(Outcome(entry.outcome))


def _of_pending(entry: AuditEntry) -> Explanation:
    return Explanation(
        tone="info",
        title=f"{entry.address}: under way",
        what_happened="The attempt has begun and has no outcome yet.",
        changed="This is not known yet.",
        what_now="This page follows along. If no answer is recorded in time, the address is read "
        "to find out.",
    )


def _of_succeeded(entry: AuditEntry) -> Explanation:
    happened = "Katapult confirmed it."
    if entry.basis == Basis.EVIDENCE:
        happened = f"{_no_answer(entry)} {evidence_texts.no_longer_allocated(entry)}"
    return Explanation(
        tone="success",
        title=f"{entry.address} is unallocated",
        what_happened=happened,
        changed=f"It is no longer allocated to {allocation_text(entry)}; its reverse DNS fell back "
        "to Katapult's default.",
    )


# Why a call was not made, other than that the address could not be read once more before it. (That
# nothing left this site is said of `not_sent` anyway.)
_NOT_THE_READING = {
    "already_unallocated",
    "allocation_changed",
    "interrupted",
    "no_free_connection",
    "not_sent",
    "token_unreadable",
}


def _of_error_code(entry: AuditEntry) -> Explanation:
    words, changed = _words_of(entry), NOTHING_CHANGED
    if entry.basis == Basis.EVIDENCE:
        words = replace(
            words,
            what_happened=f"{words.what_happened} {evidence_texts.still_allocated(entry)}",
            what_now="Start again if you still want to unallocate it.",
            who=YOU,
        )
        changed = NO_CHANGE_SEEN
    elif entry.outcome == Outcome.REFUSED and entry.error_code not in _NOT_THE_READING:
        words = replace(
            words,
            what_happened=f"{words.what_happened} This was the last reading of the address before "
            "the call; the unallocation itself was never sent.",
        )
    return _shown(
        words,
        changed,
        entry.error_code,
        entry.error_detail,
        entry.error_description,
        request_id=entry.katapult_request_id,
        at=entry.finished_at,
        retry_after=entry.error_detail.get("retry_after"),
    )


def _of_unknown(entry: AuditEntry) -> Explanation:
    if entry.is_open:
        return Explanation(
            tone="warning",
            title=f"{entry.address}: not known yet",
            what_happened=_no_answer(entry),
            changed="It may have been unallocated, and it may not. The address is being read to "
            "find out; a late request can still take effect.",
            what_now="Wait: this page follows along. Do not try again yet.",
        )
    return Explanation(
        tone="warning",
        title=f"{entry.address}: it can't be told",
        what_happened=f"{_no_answer(entry)} {evidence_texts.why_unknown(entry)}",
        changed="It may have been unallocated by this attempt, and it may not.",
        what_now="Look at the address as it is now, and at the readings in the audit entry.",
        who=YOU,
    )


_OF_OUTCOME: dict[Outcome, Callable[[AuditEntry], Explanation]] = {
    Outcome.PENDING: _of_pending,
    Outcome.SUCCEEDED: _of_succeeded,
    Outcome.FAILED: _of_error_code,
    Outcome.REFUSED: _of_error_code,
    Outcome.UNKNOWN: _of_unknown,
}


def _no_answer(entry: AuditEntry) -> str:
    return _words_of(entry).what_happened


def _words_of(entry: AuditEntry) -> Words:
    code, description = entry.error_code, entry.error_description
    is_undecided = entry.basis == Basis.EVIDENCE or entry.outcome == Outcome.UNKNOWN
    if is_undecided and code and (code not in WORDS or any(code in c for c in REFUSALS.values())):
        # A refusal of Katapult's would have decided it: something in between used its code.
        return Words(
            f"The answer was an error: {code}",
            description or "It came without a further description.",
            "Look at the address as it is now.",
            YOU,
        )
    return _words(code, description)


def _words(code: str, description: str) -> Words:
    if not code:
        return WORDS["answer_not_kept"]
    if code in WORDS:
        return WORDS[code]
    return Words(
        f"Katapult answered: {code}",
        description or "Katapult gave no further description.",
        "Act on what Katapult says, or report the code with the request id below.",
        KATAPULT,
    )


def _shown(
    words: Words,
    changed: str,
    code: str,
    detail: dict[str, Any],
    description: str,
    *,
    request_id: str = "",
    at: datetime | None = None,
    retry_after: float | None = None,
) -> Explanation:
    retry_at = _retry_at(code, at, retry_after)
    what_now = words.what_now
    if retry_at and at:
        seconds = max(1, math.ceil((retry_at - at).total_seconds()))
        what_now = (
            f"Try again at {time_zones.text_of(retry_at, 'time')}, {seconds} s after this answer."
        )
    return Explanation(
        tone=words.tone,
        title=words.title,
        what_happened=words.what_happened,
        changed=changed,
        what_now=what_now,
        who=words.who,
        facts=_facts(code, detail, description, request_id),
        retry_at=retry_at,
    )


# Which part of an error's detail an operator needs, and what to call it.
_DETAIL_LABELS = {
    "ip_address": "Address Katapult saw",
    "scopes": "Scope needed",
    "errors": "Katapult says",
    "details": "Katapult says",
    "total_permitted": "Calls permitted a minute",
    "value": "Katapult says",
}


def _facts(
    code: str, detail: dict[str, Any], description: str, request_id: str
) -> tuple[tuple[str, str], ...]:
    facts = []
    for key, label in _DETAIL_LABELS.items():
        value = detail.get(key)
        if value not in (None, "", [], {}):
            facts.append(
                (label, ", ".join(map(str, value)) if isinstance(value, list) else str(value))
            )
    for key, label in (("confirmed", "You confirmed"), ("found", "It is now")):
        if isinstance(value := detail.get(key), dict):
            parts = (value.get(f"allocation_{part}") for part in ("type", "name", "id"))
            facts.append((label, " ".join(str(part) for part in parts if part)))
    if (code and code not in WORDS) or code in {"not_sent", "unreadable_answer", "answer_lost"}:
        facts.append(("Code", code))
        if description:
            facts.append(("In its own words", description))
    if request_id:
        facts.append(("Katapult's request id", request_id))
    return tuple(facts)


def _retry_at(code: str, at: datetime | None, retry_after: float | None) -> datetime | None:
    """When trying again makes sense after a 429: as told, else at the next full clock minute, when
    the window starts anew. [seen]"""
    if code != "rate_limit_reached" or at is None:
        return None
    if isinstance(retry_after, int | float):
        return at + timedelta(seconds=retry_after)
    return at.replace(second=0, microsecond=0) + timedelta(minutes=1)
