"""The page of one audit entry in words: its facts, its readings, and its seal."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import reverse

from ipadmin.audit.integrity.entry_seal import EntrySeal, Standing
from ipadmin.models import AuditEntry, Outcome
from ipadmin.ui import action_texts, markup, tickets, time_zones
from ipadmin.ui.components import Badge, Fact
from ipadmin.ui.markup import duration, kind

SEALS = {
    Standing.HOLDS: Badge("", "shield-check", "Sealed as record {}"),
    Standing.OPEN: Badge("", "shield", "Sealed again when it finishes"),
    Standing.BROKEN: Badge(
        "danger",
        "shield-alert",
        "Seal doesn't match",
        "The entry, its seal or the record before it was changed or removed after it was sealed. "
        "Verify the whole history to find out more.",
    ),
    Standing.UNCHECKED: Badge(
        "warning",
        "shield-alert",
        "Seal can't be checked",
        "It was sealed with a key that is not in AUDIT_KEYS.",
    ),
    Standing.MISSING: Badge("warning", "shield-alert", "Not sealed", "{}"),
}


def seal_badge(seal: EntrySeal) -> Badge:
    """Whether the seal of an entry is intact; `note` says more where it is not."""
    found = SEALS[seal.standing]
    why = "This entry has no seal."
    if seal.first:
        why = "This entry was sealed when it was opened, but not when it finished."
    number = f"{seal.last.sequence:,}" if seal.last else ""
    return found._replace(text=found.text.format(number), note=found.note.format(why))


def summary(entry: AuditEntry) -> Iterator[Fact]:
    """What people ask first."""
    yield Fact("Person", entry.person, note=markup.recorded(entry))
    yield Fact("Time", at=entry.created_at)
    yield Fact("Reason", tickets.linked(entry.reason), none="None given")
    yield Fact(
        action_texts.of(entry).holder,
        entry.allocation_name,
        note=kind(entry.allocation_type),
        code=entry.allocation_id,
        none="Nothing",
    )
    yield Fact("Reverse DNS", code=entry.reverse_dns, none="None")
    if entry.requested_reverse_dns:
        yield Fact("Requested reverse DNS", code=entry.requested_reverse_dns)
    yield Fact(
        "Organization",
        entry.organization_title,
        note=entry.organization_sub_domain,
        code=entry.organization_id,
    )


def ticket(entry: AuditEntry, url: str) -> str:
    """An attempt as text for a ticket. `url` is that of its page."""
    held = (entry.allocation_name, kind(entry.allocation_type), entry.allocation_id)
    at = time_zones.text_of(entry.finished_at or entry.created_at)
    words = action_texts.of(entry)
    what = words.done if entry.outcome == Outcome.SUCCEEDED else f"attempt to {words.tried}"
    lines = [
        f"{entry.address}: {what} ({entry.get_outcome_display()}, {entry.environment})",
        f"{words.holder}: {' '.join(filter(None, held)) or 'nothing'}",
        f"Reverse DNS was: {entry.reverse_dns or 'none'}",
        f"Organization: {entry.organization_title}",
        f"By {entry.person} at {at}",
        f"Reason: {entry.reason}" if entry.reason else "",
        f"Audit entry: {url}",
    ]
    return "\n".join(filter(None, lines))


def _yes_or_no(value: bool | None) -> str:
    return "" if value is None else "Yes" if value else "No"


def cards(entry: AuditEntry) -> list[tuple[str, list[Fact]]]:
    """Titles and facts of the cards about the request, the address and the token."""
    request = [
        Fact("Request sent", at=entry.sent_at, none="Not sent"),
        Fact("Finished", at=entry.finished_at, none="Not yet"),
        Fact(
            "From", code=entry.source_ip or "", note=f"user ID {entry.user_id}", none="Not recorded"
        ),
    ]
    if entry.run_id:
        request.append(Fact("Run", "Open the run", url=reverse("run", args=[entry.run_id])))
    address = [
        Fact("Address ID", code=entry.address_id),
        Fact("VIP", "Yes" if entry.vip else "No"),
        Fact("Last of its family", _yes_or_no(entry.last_of_family), none="Not known"),
        Fact("Label", entry.address_label, none="None"),
    ]
    activity = f"{reverse('audit')}?when=all&token={entry.token_id}"
    credentials = [
        Fact("Token", entry.token_label, none="No label"),
        Fact("Fingerprint", code=entry.token_fingerprint),
        Fact("API", code=entry.api_url),
        Fact("History", "All activity of this token", url=activity),
    ]
    return [("Request", request), ("Address at the time", address), ("Credentials", credentials)]


def response(entry: AuditEntry) -> Iterator[Fact]:
    """What Katapult answered."""
    no_status = "No response" if entry.sent_at else "No request was sent"
    left, permitted = entry.rate_limit_remaining, entry.rate_limit_permitted
    requests = f"{left}{f' of {permitted} per minute' if permitted else ''}"
    if entry.basis:
        yield Fact("Outcome based on", entry.get_basis_display())
    yield Fact("Status", str(entry.http_status or ""), none=no_status)
    if entry.error_code:
        yield Fact("Error code", code=entry.error_code)
    if entry.error_description:
        label = "Katapult says" if entry.http_status else "Technical detail"
        yield Fact(label, entry.error_description)
    yield Fact("Katapult request ID", code=entry.katapult_request_id, none="None")
    yield Fact("Requests left", "" if left is None else requests, none="Not reported")
    yield Fact("Duration", duration(entry.duration_us), none="No request was sent")


def record(entry: AuditEntry, seal: EntrySeal) -> Iterator[Fact]:
    """The entry in the audit log, and its records in the hash chain."""
    yield Fact("Attempt ID", code=str(entry.attempt_id))
    if entry.request_id:
        yield Fact("IP admin request ID", code=entry.request_id)
    if seal.first:
        yield Fact("Opened", f"Record {seal.first.sequence:,}")
    if seal.last:
        yield Fact("Sealed", f"Record {seal.last.sequence:,}")
    if link := seal.last or seal.first:
        yield Fact("Key ID", code=link.key_id)


def readings(entry: AuditEntry) -> Iterator[tuple[dict[str, str], str, str]]:
    """The evidence: each reading, its holder in words, and a CSS class of it: `strong` or `quiet`.
    A reading that was changed in the database may lack any of its parts."""
    for reading in entry.evidence:
        if reading.get("allocation_id"):
            name = reading.get("allocation_name") or kind(reading.get("allocation_type"))
            yield reading, name, "strong"
        else:
            holder = "Could not be read" if reading.get("error_code") else "Unallocated"
            yield reading, holder, "quiet"
