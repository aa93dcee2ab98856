"""Sentences of the timeline."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils.html import strip_tags

from ipadmin.audit.search.observations import Answer, Change, Holding, Observation, Source
from ipadmin.katapult.types import Allocation
from ipadmin.models import AuditEntry
from ipadmin.ui import timeline_texts

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
WEB = Holding(Allocation(id="vm_1", type="VirtualMachine", name="web-1"))
DB = Holding(Allocation(id="vm_2", type="VirtualMachine", name="db-2"))
NOBODY, GONE = Holding(), Holding(is_gone=True)


def entry(**fields: Any) -> AuditEntry:
    return AuditEntry(attempt_id=uuid4(), user_name="bob", outcome="unknown", **fields)


def seen(holding: Holding, hours: float = 0, by: AuditEntry | None = None) -> Observation:
    return Observation(NOON + timedelta(hours=hours), holding, Source.READ, "ip_1", by)


def answer(**parts: Any) -> str:
    nothing = Answer(NOON, None, (), None, None)
    return strip_tags(timeline_texts.answer(replace(nothing, **parts)).sentence)


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"within": (seen(WEB),)}, "It was allocated to web-1 vm_1: it was read in that second."),
        (
            {"within": (seen(WEB), seen(NOBODY))},
            "It changed in that second: allocated to web-1 vm_1, then unallocated.",
        ),
        (
            {"before": seen(WEB, -1), "under_way": entry()},
            (
                "It was being unallocated from web-1 vm_1: bob&#x27;s attempt had sent "
                "its request, and the outcome was not known yet."
            ),
        ),
        (
            {"before": seen(WEB, -1), "after": seen(WEB, 1)},
            "It was allocated to web-1 vm_1, both before and after that time.",
        ),
        (
            {"before": seen(WEB, -1), "after": seen(NOBODY, 1)},
            (
                "Not known. It was allocated to web-1 vm_1 before that time, and "
                "unallocated after it. This site did not see what happened in between."
            ),
        ),
        (
            {"before": seen(GONE, -1)},
            (
                "It was no longer this organization&#x27;s when last seen. This site has "
                "not read it since."
            ),
        ),
        (
            {"before": seen(WEB, -1, entry())},
            (
                "It was allocated to web-1 vm_1 when last seen. This site has not read it "
                "since. The outcome of bob&#x27;s attempt is not known yet."
            ),
        ),
        (
            {"after": seen(NOBODY, 1)},
            "Not known: this site first read the address later. It was unallocated then.",
        ),
    ],
)
def test_who_had_an_address_at_a_given_time(parts: dict[str, Any], sentence: str) -> None:
    assert answer(**parts) == sentence


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        (WEB, NOBODY, "was unallocated from web-1 vm_1"),
        (NOBODY, WEB, "was allocated to web-1 vm_1"),
        (WEB, DB, "was reallocated from web-1 vm_1 to db-2 vm_2"),
        (WEB, GONE, "was removed from this organization"),
        (GONE, WEB, "returned to this organization and was allocated to web-1 vm_1"),
    ],
)
def test_change_outside_this_site(before: Holding, after: Holding, what: str) -> None:
    found = timeline_texts.change(Change(seen(before), seen(after, 1)))
    start = "Between 2026-01-02 12:00:00 UTC and now it"
    assert strip_tags(found) == f"{start} {what} outside this site."


def test_change_that_an_attempt_may_have_made() -> None:
    found = timeline_texts.change(Change(seen(WEB), seen(NOBODY, 1), suspect=entry()))
    assert strip_tags(found).endswith(
        "by bob&#x27;s attempt, whose outcome is not known, or outside this site."
    )


def test_who_can_check_the_address_now() -> None:
    latest = entry(organization_name="Acme")
    assert timeline_texts.who_can_check(None, latest) == (
        "Only an operator with a token of Acme can check the address now."
    )
