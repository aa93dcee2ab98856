"""The words for each action of an attempt. `{holder}` is the resource of the entry, `{host}` its
requested host name, `{was}` the one that it had."""

from __future__ import annotations

from typing import NamedTuple

from ipadmin.models import Action, AuditEntry, Outcome
from ipadmin.ui.markup import KINDS


class ActionWords(NamedTuple):
    """`done` and `tried` are for titles and tickets, `changed` what a success changed, `maybe` what
    an unknown outcome may have changed; `shown` and `not_shown` are what readings showed."""

    done: str
    tried: str
    changed: str
    maybe: str
    shown: str
    not_shown: str
    not_sent: str
    by_another: str
    # Before the name of the allocation, by outcome; the last one is for all others.
    timeline: tuple[str, str, str, str]
    holder: str


WORDS = {
    Action.UNALLOCATE: ActionWords(
        "unallocated",
        "unallocate",
        "It was allocated to {holder}. Its reverse DNS was reset to Katapult's default.",
        "The address may or may not have been unallocated",
        "read as unallocated",
        "still allocated to {holder}",
        "This happened when the address was read before unallocating it. The request to unallocate "
        "was not sent.",
        "unallocated",
        (
            "Unallocated from",
            "Being unallocated from",
            "Possibly unallocated from",
            "Not unallocated from",
        ),
        "Was allocated to",
    ),
    Action.ALLOCATE: ActionWords(
        "allocated",
        "allocate",
        "It is allocated to {holder} again. Katapult chose the interface.",
        "The address may or may not have been allocated",
        "read as allocated to {holder}",
        "still unallocated",
        "This happened when the address was read before allocating it. The request to allocate was "
        "not sent.",
        "allocated",
        ("Allocated to", "Being allocated to", "Possibly allocated to", "Not allocated to"),
        "Allocated to",
    ),
    Action.SET_REVERSE_DNS: ActionWords(
        "given its reverse DNS",
        "set the reverse DNS",
        "Its reverse DNS is {host}. It was {was}.",
        "The reverse DNS may or may not have been set",
        "read with the reverse DNS {host}",
        "still without the reverse DNS {host}",
        "This happened when the address was read before setting its reverse DNS. The request to "
        "set it was not sent.",
        "changed",
        (
            "Reverse DNS set, on",
            "Reverse DNS being set, on",
            "Reverse DNS possibly set, on",
            "Reverse DNS not set, on",
        ),
        "Allocated to",
    ),
}
OUTCOMES = (Outcome.SUCCEEDED, Outcome.PENDING, Outcome.UNKNOWN)


def of(entry: AuditEntry) -> ActionWords:
    """The words with the names of an entry in them."""
    words = WORDS[entry.known_action]
    names = {
        "holder": allocation_text(entry),
        "host": entry.requested_reverse_dns,
        "was": entry.reverse_dns or "empty",
    }
    filled = ("changed", "shown", "not_shown")
    return words._replace(**{name: getattr(words, name).format(**names) for name in filled})


def in_timeline(entry: AuditEntry) -> str:
    """What an attempt did, before the name of its allocation."""
    texts = WORDS[entry.known_action].timeline
    outcome = Outcome(entry.outcome)
    return texts[OUTCOMES.index(outcome)] if outcome in OUTCOMES else texts[-1]


def allocation_text(entry: AuditEntry) -> str:
    """The resource of the entry: `virtual machine web-01`."""
    type = entry.allocation_type
    name = entry.allocation_name or entry.allocation_id or "an unnamed resource"
    return f"{KINDS[type].lower() if type in KINDS else type} {name}".strip()
