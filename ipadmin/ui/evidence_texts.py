"""Sentences about one attempt: what readings showed, and what other attempts may have done."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from ipadmin.audit import effects
from ipadmin.audit.competing import is_undecided
from ipadmin.audit.readings import ReadingResult
from ipadmin.models import AuditEntry, Outcome
from ipadmin.services.later_reads import LaterRead
from ipadmin.ui import action_texts, time_zones
from ipadmin.ui.components import Linked

_WHY_UNKNOWN = {
    "reversed": "Another attempt may have undone it before the address was read.",
    "other": "The address was allocated to another resource afterwards.",
    "gone": "The address no longer belonged to this organization afterwards.",
    "elsewhere": "The address was allocated to another resource in between, so the last reading "
    "proves nothing.",
    "another_api": "This site now uses another Katapult API than it did for the attempt.",
    "token_deleted": "The token needed to read the address was deleted.",
    "token_unreadable": "The token needed to read the address can't be decrypted any more.",
    "owner_disabled": "The owner of the token needed to read the address is disabled.",
    "connect_again": "The connection needed to read the address has ended.",
    "invalid_api_token": "Katapult no longer accepts the token needed to read the address.",
    "unreadable": "The address could not be read afterwards.",
}


def still_as_before(entry: AuditEntry) -> str:
    """Evidence of an entry that readings finished as `failed`."""
    read_at = _read_at(entry, effects.before(entry))
    times = " and ".join(f"at {text}" for text in dict.fromkeys(read_at[:1] + read_at[-1:]))
    return f"It was {action_texts.of(entry).not_shown} when read {times or 'afterwards'}."


def read_as_changed(entry: AuditEntry) -> str:
    """Evidence of an entry that a reading finished as `succeeded`."""
    times = _read_at(entry, effects.after(entry))
    when = f"at {times[0]}" if times else "afterwards"
    return (
        f"The address was {action_texts.of(entry).shown} {when}, and no other attempt on this site "
        "could have caused that."
    )


def why_unknown(entry: AuditEntry) -> str:
    """Why the readings of an entry do not prove an outcome."""
    if entry.competing_attempts:
        if entry.evidence and entry.evidence[-1].get("found") == effects.before(entry):
            return _WHY_UNKNOWN["reversed"]
        shown = action_texts.of(entry).shown
        return f"The address was {shown} afterwards, but possibly by another attempt."
    last = entry.evidence[-1] if entry.evidence else {"found": "unreadable", "error_code": ""}
    if last["found"] in {effects.before(entry), effects.after(entry)}:
        return _WHY_UNKNOWN["elsewhere"]
    return _WHY_UNKNOWN.get(last["error_code"]) or _WHY_UNKNOWN.get(
        last["found"], _WHY_UNKNOWN["unreadable"]
    )


def read_later(read: LaterRead, entry: AuditEntry) -> str:
    """A reading that contradicts an entry finished as `failed`."""
    request = "This request or another one" if read.has_competing else "This request"
    words = action_texts.of(entry)
    return (
        f"But the address was {words.shown} at {_time(read.read_at, entry)} ({read.source}). "
        f"{request} may have been carried out late, or the address was {words.by_another} outside "
        "this site."
    )


def competing(entry: AuditEntry, others: Sequence[AuditEntry]) -> tuple[Linked, ...]:
    """The competing attempts that changed the address, or may have done so."""
    succeeded = [other for other in others if other.outcome == Outcome.SUCCEEDED]
    # An attempt that was open when the entry was finished may have been refused since.
    return tuple(
        Linked(_about(other, entry), other.get_absolute_url())
        for other in succeeded or filter(is_undecided, others)
    )


def _about(other: AuditEntry, entry: AuditEntry) -> str:
    at, verb = _time(other.sent_at or other.created_at, entry), action_texts.of(other).by_another
    if other.outcome == Outcome.SUCCEEDED:
        return f"{other.person} {verb} the address at {at}."
    why = "Its outcome is not known."
    if other.outcome == Outcome.FAILED:
        why = "Its request may have been carried out late."
    return f"Possibly {verb} by {other.person}'s attempt at {at}. {why}"


def _read_at(entry: AuditEntry, found: ReadingResult) -> list[str]:
    """Times of the readings with this result. Readings changed in the database are skipped."""
    times = []
    for reading in entry.evidence:
        with suppress(KeyError, TypeError, ValueError):
            if reading["found"] == found:
                times.append(_time(datetime.fromisoformat(reading["read_at"]), entry))
    return times


def _time(moment: datetime, entry: AuditEntry) -> str:
    """In the reader's time zone; with the date if it is not the date of the attempt."""
    is_same_day = time_zones.text_of(moment, "date") == time_zones.text_of(entry.created_at, "date")
    return time_zones.text_of(moment, "time") if is_same_day else time_zones.text_of(moment)
