"""The integrity pages in words: results of verifications, the hash chain, and the stream."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from django.conf import settings

from ipadmin.audit.integrity.status import MOST_BEHIND, Acknowledgement, Chain, StreamState
from ipadmin.models import AuditVerification
from ipadmin.ui.components import Badge, Fact, Notice

ABOUT_CHECKPOINTS = (
    "A checkpoint is the number and the seal of the last record. It also detects deleted recent "
    "records, and a chain that was rewritten by someone who has the key. Run manage.py "
    "audit_checkpoint every day, and store what it prints on another system."
)


class ResultText(NamedTuple):
    """The result of a verification. `link` is the label of the link to its page."""

    badge: Badge
    sentence: str = ""
    link: str = "Details"


def result(verification: AuditVerification) -> ResultText:
    if verification.is_running:
        return ResultText(Badge("info", "clock", "Running"))
    if not verification.holds:
        badge = Badge("danger", "shield-alert", "Tampering detected")
        return ResultText(badge, verification.finding, "What to do now")
    sentence = "No checkpoint was compared."
    if verification.checkpoint:
        sentence = (
            "The checkpoint is part of the chain: no records before it were deleted or rewritten."
        )
    return ResultText(Badge("success", "shield-check", "Verified"), sentence)


def schedule() -> str:
    """When verifications run by themselves."""
    if settings.VERIFY_AT is None:
        return "Not verified by itself: VERIFY_AT is “never”."
    return f"Verified every night at {settings.VERIFY_AT:%H:%M} UTC."


def verification_facts(
    verification: AuditVerification, acknowledged: Acknowledgement | None
) -> Iterator[Fact]:
    if verification.finding and acknowledged and acknowledged.covers(verification):
        note = f"{acknowledged.note} ({acknowledged.user_name})"
        yield Fact("Acknowledged", at=acknowledged.at, note=note)
    yield Fact("Requested by", verification.user_name)
    yield Fact("Requested", at=verification.requested_at)
    if verification.finished_at:
        yield Fact("Finished", at=verification.finished_at)
    yield Fact("Records", f"{verification.links_total:,}")
    if verification.holds:
        yield Fact("Entries", f"{verification.entries:,}", note="unchanged since they were sealed")
    if verification.holds and verification.pruned:
        yield Fact("Removed entries", f"{verification.pruned:,}", note="removed by retention")
    yield Fact(
        "Checkpoint compared",
        code=verification.checkpoint,
        none="None. Deleted recent records may not be detected.",
    )


def chain_facts(chain: Chain | None, checkpoint_at: datetime | None) -> Iterator[Fact]:
    if chain:
        yield Fact("Records", f"{chain.links:,}")
        yield Fact("Last record", at=chain.at, none="Unreadable")
        yield Fact("Key ID", code=chain.key_id, none="Unreadable")
    else:
        yield Fact("Records", none="None yet: the first attempt adds the first record")
    yield Fact("Last checkpoint", at=checkpoint_at, none="Never")


def chain_notices(chain: Chain | None, checkpoint_warning: str) -> Iterator[Notice]:
    if chain and not chain.key_id:
        text = "It was changed in the database. Verify the history to find out more."
        yield Notice("danger", "The last record cannot be read", (text,))
    elif chain and not chain.has_key:
        text = "Records that were sealed with a key that is not configured cannot be verified."
        yield Notice("warning", "The key of the last record is not in AUDIT_KEYS", (text,))
    if checkpoint_warning:
        yield Notice("warning", checkpoint_warning, (ABOUT_CHECKPOINTS,))


def stream_badge(stream: StreamState) -> Badge:
    if stream.failing_since:
        return Badge("danger", "circle-x", "Failing")
    if stream.is_far_behind:
        return Badge("warning", "clock", "Far behind")
    if stream.behind:
        return Badge("info", "clock", "Sending")
    return Badge("success", "circle-check", "Up to date")


def stream_facts(stream: StreamState) -> Iterator[Fact]:
    yield Fact("Target", code=stream.target)
    yield Fact("Last delivery", at=stream.taken_at, none="None yet")
    waiting = f"{stream.behind:,} {'record' if stream.behind == 1 else 'records'}"
    if stream.is_far_behind:
        waiting = f"More than {MOST_BEHIND:,} records"
    yield Fact("Not delivered yet", waiting if stream.behind else "", none="None")
    if stream.failing_since:
        yield Fact("Failing since", at=stream.failing_since)
        yield Fact(
            "Error", stream.error, note="No entry is lost: delivery resumes where it stopped."
        )
