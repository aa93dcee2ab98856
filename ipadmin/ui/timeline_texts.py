"""The timeline of an address in sentences: its attempts, its changes outside this site, its state,
and who had it at a given time. Sentences are HTML: they contain times, links and names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from ipadmin.audit.search.observations import Answer, Change, Observation, Source
from ipadmin.audit.search.timeline import Attempt
from ipadmin.models import ApiToken, AuditEntry, Outcome
from ipadmin.ui import action_texts, explanations
from ipadmin.ui.markup import attempt_link, holder, timestamp

# The other outcomes have a reason.
WITHOUT_REASON = {Outcome.SUCCEEDED, Outcome.PENDING, Outcome.UNKNOWN}
NEVER_SEEN = "This site has never seen the address."
# By `Answer.kind`.
ANSWERS = {
    "within": "It was {state}: it was read in that second.",
    "changing": "It changed in that second: {states}.",
    "under_way": "It was being {verb}{source}: {attempt} had sent its request, and the "
    "outcome was not known yet.",
    "same": "It was {before}, both before and after that time.",
    "between": "Not known. It was {before} before that time, and {after} after it. This site did "
    "not see what happened in between.",
    "since": "It was {before} when last seen. This site has not read it since.",
    "until": "Not known: this site first read the address later. It was {after} then.",
    "never": NEVER_SEEN,
}
# How an observation was made, as the text of a link to its entry.
SOURCES = {
    Source.CONFIRMED: "shown to {} for confirmation",
    Source.CHECKED: "read before {}'s attempt",
    Source.READ: "read after {}'s attempt",
    Source.RESULT: "result of {}'s attempt",
}


class ObservationRow(NamedTuple):
    at: datetime
    holder: SafeString
    source: SafeString


class AttemptText(NamedTuple):
    """`change` comes before the name of the allocation, `sentences` follow. `cause`: why the
    attempt did not succeed."""

    entry: AuditEntry
    cause: str
    change: str
    sentences: list[SafeString | str]
    changes: list[SafeString]


class StateText(NamedTuple):
    """Who had an address at a given time, and the observations that show it."""

    sentence: SafeString
    observations: Sequence[ObservationRow] = ()


def answer(found: Answer) -> StateText:
    sentence = _answer_sentence(found)
    if found.doubt:
        known = "not known yet" if found.doubt.is_open else "not known"
        doubt = format_html(" The outcome of {} is {}.", attempt_link(found.doubt), known)
        sentence = format_html("{}{}", sentence, doubt)
    around = [each for each in (found.before, found.after) if each]
    rows = [_observation(each) for each in found.within or around]
    return StateText(sentence, rows)


def _answer_sentence(found: Answer) -> SafeString:
    states = [holder(each.holding, is_verb=True) for each in found.within]
    is_held = found.before and found.before.holding.allocation
    source = (
        format_html(" from {}", holder(found.before.holding)) if found.before and is_held else ""
    )
    return format_html(
        ANSWERS[found.kind],
        before=holder(found.before.holding, is_verb=True) if found.before else "",
        after=holder(found.after.holding, is_verb=True) if found.after else "",
        states=format_html_join(", then ", "{}", ((each,) for each in states)),
        state=states[0] if states else "",
        source=source,
        attempt=attempt_link(found.under_way) if found.under_way else "",
        verb=action_texts.of(found.under_way).by_another if found.under_way else "",
    )


def _observation(found: Observation) -> ObservationRow:
    source = attempt_link(found.entry, SOURCES[found.source]) if found.entry else mark_safe("")
    return ObservationRow(found.at, holder(found.holding), source)


def change(found: Change) -> SafeString:
    """A change between two observations that no attempt on this site explains."""
    by: SafeString | str = "outside this site"
    if found.suspect:
        link = attempt_link(found.suspect)
        by = format_html("by {}, whose outcome is not known, or outside this site", link)
    return format_html(
        "Between {} and {} it {} {}.",
        timestamp(found.before.at),
        timestamp(found.after.at) if found.after.entry else "now",
        _what_changed(found),
        by,
    )


def _what_changed(found: Change) -> SafeString:
    before, after = found.before.holding, found.after.holding
    if after.is_gone:
        return mark_safe("was removed from this organization")
    if before.is_gone:
        return format_html("returned to this organization and was {}", holder(after, is_verb=True))
    if before.allocation and after.allocation:
        return format_html("was reallocated from {} to {}", holder(before), holder(after))
    if after.allocation:
        return format_html("was allocated to {}", holder(after))
    return format_html("was unallocated from {}", holder(before))


def attempts(found: Iterable[Attempt]) -> list[AttemptText]:
    return [
        AttemptText(
            each.entry,
            ""
            if each.entry.outcome == Outcome.SUCCEEDED
            else explanations.of_entry(each.entry).title,
            action_texts.in_timeline(each.entry),
            list(_sentences(each)),
            [change(one) for one in each.changes],
        )
        for each in found
    ]


def _sentences(found: Attempt) -> Iterator[SafeString | str]:
    """Why the attempt did not succeed, and how it left the address where that is not obvious."""
    entry = found.entry
    if entry.outcome not in WITHOUT_REASON:
        yield explanations.of_entry(entry).title
    if found.found:
        yield format_html("Afterwards it was {}.", holder(found.found, is_verb=True))
    elif not found.left:
        yield f"Its state afterwards is not known{' yet' if entry.is_open else ''}."


def last_state(found: Answer | None) -> StateText:
    """The address as it was last seen, where it was not, or could not be, read now."""
    return answer(found) if found else StateText(format_html("{}", NEVER_SEEN))


def who_can_check(token: ApiToken | None, latest: AuditEntry | None) -> str:
    """With which token the address is read, or who could read it."""
    if token:
        return f"with the token {token.label} of {token.organization_title}"
    owner = f" of {latest.organization_title}" if latest else ""
    return f"Only an operator with a token{owner} can check the address now."
