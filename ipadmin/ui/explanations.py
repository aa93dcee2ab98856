"""Outcomes and errors explained to the operator: what happened, whether anything changed, what to
do now, whom to ask. The message for each error code is in `error_messages.py`.
"""

from __future__ import annotations

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
from ipadmin.ui.error_messages import KATAPULT, WORDS, Words
from ipadmin.ui.evidence_texts import allocation_text
from ipadmin.ui.notices import Linked

NOTHING_CHANGED = "Nothing was changed."
# Readings can't prove more: Katapult may still carry out the request.
NO_CHANGE_SEEN = "No change was seen."
NOT_KNOWN_YET = "Whether anything was changed is not known yet."
LOOK_NOW = "Check the address as it is now."
UPDATES = "Checking… This page updates by itself, usually within a minute."


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a page shows. `tone`: success, info, warning or danger. `facts`: (label, value) pairs to
    copy. `attempts`: sentences about other attempts. `who`: whom to ask, a sentence."""

    tone: str
    title: str
    what_happened: str
    changed: str
    what_now: str = ""
    who: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    retry_at: datetime | None = None
    attempts: tuple[Linked, ...] = ()

    @property
    def role(self) -> str:
        """The ARIA role of its element."""
        return "alert" if self.tone in {"danger", "warning"} else "note"


def of_error(error: Exception) -> Explanation:
    """A request that failed and changed nothing, or an outcome that was not saved."""
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
        facts = (("Requests left this minute", str(error.remaining)),)
        what_now = f"Refresh at {time_zones.text_of(error.retry_at, 'time')}."
        return replace(shown, retry_at=error.retry_at, what_now=what_now, facts=facts)
    code = getattr(error, "code", "")
    changed = NOT_KNOWN_YET if code == "outcome_not_written" else NOTHING_CHANGED
    return _shown(WORDS[code], changed, code, {}, "")


def of_entry(
    entry: AuditEntry, others: Sequence[AuditEntry] = (), later: LaterRead | None = None
) -> Explanation:
    """An attempt and its outcome. `others` are its competing attempts that the reader may see;
    `later` is a reading that contradicts the outcome."""
    shown = _OF_OUTCOME[Outcome(entry.outcome)](entry)
    if later:
        changed = evidence_texts.read_later(later, entry)
        shown = replace(shown, changed=changed, what_now=LOOK_NOW, who="")
    attempts = evidence_texts.competing(entry, others)
    seen = {str(other.attempt_id) for other in others}
    unseen = tuple(
        ("Other possible attempt", name) for name in entry.competing_attempts if name not in seen
    )
    if _was_unallocated_before(entry) and not attempts and not unseen:
        shown = replace(
            shown, what_happened=f"{shown.what_happened} It was unallocated outside this site."
        )
    return replace(shown, attempts=attempts, facts=unseen + shown.facts)


def _was_unallocated_before(entry: AuditEntry) -> bool:
    """Whether the address was found unallocated by the request or by the read before it."""
    codes = {Outcome.REFUSED: "already_unallocated", Outcome.FAILED: "no_allocation"}
    is_answer = entry.basis != Basis.EVIDENCE
    return is_answer and entry.error_code == codes.get(Outcome(entry.outcome))


def _of_pending(entry: AuditEntry) -> Explanation:
    return Explanation(
        tone="info",
        title=f"{entry.address}: in progress",
        what_happened="The attempt has started and has no outcome yet.",
        changed=NOT_KNOWN_YET,
        what_now=UPDATES,
    )


def _of_succeeded(entry: AuditEntry) -> Explanation:
    happened = "Katapult confirmed the change."
    if entry.basis == Basis.EVIDENCE:
        happened = f"{_no_answer(entry)} {evidence_texts.no_longer_allocated(entry)}"
    return Explanation(
        tone="success",
        title=f"{entry.address} was unallocated",
        what_happened=happened,
        changed=f"It was allocated to {allocation_text(entry)}. Its reverse DNS was reset to "
        "Katapult's default.",
    )


# Codes of refused attempts whose messages already say why no request was sent. Any other code comes
# from reading the address before the request.
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
            who="",
        )
        changed = NO_CHANGE_SEEN
    elif entry.outcome == Outcome.REFUSED and entry.error_code not in _NOT_THE_READING:
        words = replace(
            words,
            what_happened=f"{words.what_happened} This happened when the address was read before "
            "unallocating it. The request to unallocate was not sent.",
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
            title=f"{entry.address}: outcome not known yet",
            what_happened=_no_answer(entry),
            changed="The address may or may not have been unallocated. Katapult may still carry "
            "out the request.",
            what_now=f"{UPDATES} Do not try again yet.",
        )
    return Explanation(
        tone="warning",
        title=f"{entry.address}: outcome unknown",
        what_happened=f"{_no_answer(entry)} {evidence_texts.why_unknown(entry)}",
        changed="The address may or may not have been unallocated by this attempt.",
        what_now="Check the address as it is now, and the readings in the audit entry.",
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
        # An error of Katapult's would have decided the outcome, so this one comes from a proxy.
        title = f"The response was an error: {code}"
        return Words(title, description or "It came without a description.", LOOK_NOW)
    return _words(code, description)


def _words(code: str, description: str) -> Words:
    if not code:
        return WORDS["answer_not_kept"]
    if code in WORDS:
        return WORDS[code]
    return Words(
        f"Katapult answered: {code}",
        description or "Katapult gave no description.",
        "Follow Katapult's message, or report the code with the request ID below.",
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
    if retry_at:
        what_now = f"Try again at {time_zones.text_of(retry_at, 'time')}."
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


# Label of each part of an error's `detail` that an operator needs.
_DETAIL_LABELS = {
    "ip_address": "Address seen by Katapult",
    "scopes": "Scope needed",
    "errors": "Katapult says",
    "details": "Katapult says",
    "total_permitted": "Requests allowed per minute",
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
    for key, label in (("confirmed", "Confirmed"), ("found", "Found")):
        if isinstance(value := detail.get(key), dict):
            parts = (value.get(f"allocation_{part}") for part in ("type", "name", "id"))
            facts.append((label, " ".join(str(part) for part in parts if part)))
    is_ours = code in {"not_sent", "unreadable_answer", "answer_lost"}
    if is_ours or (code and code not in WORDS):
        facts.append(("Error code", code))
    if is_ours and description:
        facts.append(("Technical detail", description))
    if request_id:
        facts.append(("Katapult request ID", request_id))
    return tuple(facts)


def _retry_at(code: str, at: datetime | None, retry_after: float | None) -> datetime | None:
    """When to try again after a 429: after `retry_after` seconds, else at the next full minute,
    when the limit is reset. [seen]"""
    if code != "rate_limit_reached" or at is None:
        return None
    if isinstance(retry_after, int | float):
        return at + timedelta(seconds=retry_after)
    return at.replace(second=0, microsecond=0) + timedelta(minutes=1)


def heading(entry: AuditEntry, shown: Explanation) -> str:
    """The title, with the address in front where it does not name it."""
    return shown.title if entry.address in shown.title else f"{entry.address}: {shown.title}"
