"""Outcomes and errors explained to the operator: what happened, whether anything changed, and what
to do now. The message for each error code is in `error_messages.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from ipadmin import __version__
from ipadmin.katapult.errors import REFUSALS, ErrorAnswer, KatapultError
from ipadmin.models import Action, AuditEntry, Basis, Outcome
from ipadmin.services import budget
from ipadmin.services.later_reads import LaterRead
from ipadmin.ui import action_texts, evidence_texts, next_steps, time_zones
from ipadmin.ui.components import Linked
from ipadmin.ui.error_messages import KATAPULT, WORDS, Words

NOTHING_CHANGED = "Nothing was changed."
# Readings can't prove more: Katapult may still carry out the request.
NO_CHANGE_SEEN = "No change was seen."
NOT_KNOWN_YET = "Whether anything was changed is not known yet."
LOOK_NOW = "Check the address as it is now."
UPDATES = "Checking… This page updates by itself, usually within a minute."

# Codes of refused attempts whose messages already say why no request was sent. Any other code comes
# from reading the address before the request.
NOT_THE_READING = {
    *("already_unallocated", "already_allocated", "reverse_dns_already_set"),
    *("allocation_changed", "interrupted"),
    *("no_free_connection", "not_sent", "token_unreadable"),
    *("connect_again", "identity_unavailable"),
}
# Label of each part of an error's `detail` that an operator needs.
DETAIL_LABELS = {
    "ip_address": "Address seen by Katapult",
    "scopes": "Scope needed",
    "errors": "Katapult says",
    "details": "Katapult says",
    "total_permitted": "Requests allowed per minute",
    "value": "Katapult says",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a page shows. `tone`: success, info, warning or danger. `facts`: (label, value) pairs to
    copy. `attempts`: sentences about other attempts. `advice`: kinds of `steps`, which are buttons
    and depend on the place."""

    tone: str
    title: str
    what_happened: str
    changed: str
    what_now: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    retry_at: datetime | None = None
    attempts: tuple[Linked, ...] = ()
    advice: tuple[str, ...] = ()
    steps: tuple[next_steps.Step, ...] = ()

    def at(self, place: next_steps.Place) -> Explanation:
        """The same with its steps."""
        steps = next_steps.steps(self.advice, place, self.retry_at, self._details())
        return replace(self, steps=tuple(steps))

    @property
    def seconds(self) -> int:
        """Until it can help to try again."""
        return next_steps.seconds_until(self.retry_at)

    def _details(self) -> str:
        """The explanation as text, for support."""
        now = time_zones.text_of(timezone.now(), zone=UTC)
        facts = (*self.facts, ("Time", now), ("IP admin", __version__))
        lines = [self.title, f"{self.what_happened} {self.changed}"]
        return "\n".join([*lines, *(f"{label}: {value}" for label, value in facts)])

    @property
    def role(self) -> str:
        """The ARIA role of its element."""
        return "alert" if self.tone in {"danger", "warning"} else "note"


def of_error(error: Exception) -> Explanation:
    """A request that failed and changed nothing, or an outcome that was not saved."""
    if isinstance(error, KatapultError):
        description, detail = error.reason, {}
        if isinstance(error, ErrorAnswer):
            description, detail = error.description, error.detail
        facts = _facts(error.code, detail, description, error.exchange.request_id or "")
        retry_at = _retry_at(error.code, timezone.now(), error.exchange.retry_after)
        return _of_words(_words(error.code, description), NOTHING_CHANGED, facts, retry_at)
    if isinstance(error, budget.ReadsWait):
        left = ("Requests left this minute", str(error.remaining))
        return _of_words(WORDS[error.code], NOTHING_CHANGED, [left], error.retry_at)
    code = getattr(error, "code", "token_unreadable")
    changed = NOT_KNOWN_YET if code == "outcome_not_written" else NOTHING_CHANGED
    return _of_words(WORDS[code], changed)


def of_entry(
    entry: AuditEntry, others: Sequence[AuditEntry] = (), later: LaterRead | None = None
) -> Explanation:
    """An attempt and its outcome. `others` are its competing attempts that the reader may see;
    `later` is a reading that contradicts the outcome."""
    shown = _of_outcome(entry)
    if later:
        changed = evidence_texts.read_later(later, entry)
        shown = replace(shown, changed=changed, what_now=LOOK_NOW)
    attempts = evidence_texts.competing(entry, others)
    seen = {str(other.attempt_id) for other in others}
    unseen = tuple(
        ("Other possible attempt", id) for id in entry.competing_attempts if id not in seen
    )
    happened = shown.what_happened
    if _was_changed_before(entry) and not attempts and not unseen:
        happened += f" It was {action_texts.of(entry).by_another} outside this site."
    return replace(shown, what_happened=happened, attempts=attempts, facts=unseen + shown.facts)


def _was_changed_before(entry: AuditEntry) -> bool:
    """Whether the address was found changed already, by the request or by the read before it."""
    codes = {Outcome.REFUSED: "already_unallocated", Outcome.FAILED: "no_allocation"}
    if entry.action == Action.ALLOCATE:
        codes = {Outcome.REFUSED: "already_allocated", Outcome.FAILED: "ip_already_allocated"}
    is_answer = entry.basis != Basis.EVIDENCE
    return is_answer and entry.error_code == codes.get(Outcome(entry.outcome))


def _of_outcome(entry: AuditEntry) -> Explanation:
    if entry.outcome == Outcome.PENDING:
        happened = "The attempt has started and has no outcome yet."
        title = f"{entry.address}: in progress"
        return Explanation("info", title, happened, NOT_KNOWN_YET, UPDATES)
    if entry.outcome == Outcome.UNKNOWN:
        return _of_unknown(entry)
    if entry.outcome != Outcome.SUCCEEDED:
        return _of_error_code(entry)
    happened = "Katapult confirmed the change."
    if entry.basis == Basis.EVIDENCE:
        no_answer = _words_of(entry).what_happened
        happened = f"{no_answer} {evidence_texts.read_as_changed(entry)}"
    words = action_texts.of(entry)
    return Explanation("success", f"{entry.address} was {words.done}", happened, words.changed)


def _of_unknown(entry: AuditEntry) -> Explanation:
    happened = _words_of(entry).what_happened
    changed = action_texts.of(entry).maybe
    if entry.is_open:
        return Explanation(
            "warning",
            f"{entry.address}: outcome not known yet",
            happened,
            f"{changed}. Katapult may still carry out the request.",
            f"{UPDATES} Do not try again yet.",
        )
    return Explanation(
        "warning",
        f"{entry.address}: outcome unknown",
        f"{happened} {evidence_texts.why_unknown(entry)}",
        f"{changed} by this attempt.",
        "Check the address as it is now, and the readings in the audit entry.",
    )


def _of_error_code(entry: AuditEntry) -> Explanation:
    words, action, changed = _words_of(entry), action_texts.of(entry), NOTHING_CHANGED
    if entry.basis == Basis.EVIDENCE:
        changed = NO_CHANGE_SEEN
        words = words._replace(
            what_happened=f"{words.what_happened} {evidence_texts.still_as_before(entry)}",
            what_now=f"Start again if you still want to {action.tried} it.",
            steps=("retry", "copy"),
        )
    elif entry.outcome == Outcome.REFUSED and entry.error_code not in NOT_THE_READING:
        words = words._replace(what_happened=f"{words.what_happened} {action.not_sent}")
    code, detail = entry.error_code, entry.error_detail
    facts = _facts(code, detail, entry.error_description, entry.katapult_request_id)
    retry_at = _retry_at(code, entry.finished_at, detail.get("retry_after"))
    return _of_words(words, changed, facts, retry_at)


def _words_of(entry: AuditEntry) -> Words:
    code, description = entry.error_code, entry.error_description
    is_undecided = entry.basis == Basis.EVIDENCE or entry.outcome == Outcome.UNKNOWN
    if is_undecided and code and (code not in WORDS or any(code in c for c in REFUSALS.values())):
        # An error of Katapult's would have decided the outcome, so this one comes from a proxy.
        title = f"The response was an error: {code}"
        what_happened = description or "It came without a description."
        return Words(title, what_happened, LOOK_NOW, steps=())
    return _words(code, description)


def _words(code: str, description: str) -> Words:
    return WORDS.get(code or "answer_not_kept") or Words(
        f"Katapult answered: {code}",
        description or "Katapult gave no description.",
        f"Follow Katapult's message, or report the code with the request ID below. {KATAPULT}",
        steps=("copy", "retry"),
    )


def _of_words(
    words: Words,
    changed: str,
    facts: Iterable[tuple[str, str]] = (),
    retry_at: datetime | None = None,
) -> Explanation:
    now = f"Try again at {time_zones.text_of(retry_at, 'time')}." if retry_at else words.what_now
    tone, title, happened = words.tone, words.title, words.what_happened
    return Explanation(
        tone, title, happened, changed, now, tuple(facts), retry_at, advice=words.steps
    )


def _facts(
    code: str, detail: dict[str, Any], description: str, request_id: str
) -> Iterator[tuple[str, str]]:
    for key, label in DETAIL_LABELS.items():
        value = detail.get(key)
        if value not in (None, "", [], {}):
            yield label, ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    for key in ("confirmed", "found"):
        if isinstance(value := detail.get(key), dict):
            parts = (value.get(f"allocation_{part}") for part in ("type", "name", "id"))
            yield key.capitalize(), " ".join(str(part) for part in parts if part)
    is_ours = code in {"not_sent", "unreadable_answer", "answer_lost"}
    if is_ours or (code and code not in WORDS):
        yield "Error code", code
    if is_ours and description:
        yield "Technical detail", description
    if request_id:
        yield "Katapult request ID", request_id


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
