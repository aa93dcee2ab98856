"""Small histories and questions to them, at random, with the answers found in the plainest way."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any
from unittest import mock
from uuid import UUID

from hypothesis import strategies as st

from ipadmin.audit import entries
from ipadmin.audit.search import pages, people, plan, summary
from ipadmin.audit.search.query import Search, interpret
from ipadmin.models import AuditEntry, Outcome, User
from ipadmin.models.search_keys import folded, reason_words
from tests.history import attempt, id_of, undone

NOW = datetime(2026, 11, 23, 14, 5, 9, 123456, tzinfo=UTC)
TOKENS = [UUID(int=number, version=4) for number in (1, 2)]
ACCOUNTS = ["alice", "Bob", "ali%"]
PEOPLE = [*ACCOUNTS, "Straße"]
OPEN = {Outcome.PENDING, Outcome.UNKNOWN}
ERRORS = ["", "", "no_allocation", "answer_lost"]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# Some at the same moment, some hours, days, months and years apart; one on the first of a month.
AGES = [0 * HOUR, HOUR, 2 * HOUR, 30 * HOUR, 5 * DAY, 40 * DAY, 83 * DAY, 100 * DAY, 800 * DAY]
ADDRESSES = ["10.0.0.1", "10.0.0.2", "10.0.1.1", "10.1.0.1", "2001:db8::1", "no address"]

fields = st.fixed_dictionaries(
    {
        "created_at": st.sampled_from([NOW - HOUR - age for age in AGES]),
        "user_name": st.sampled_from(PEOPLE),
        "token_id": st.sampled_from(TOKENS),
        "organization_id": st.sampled_from(["org_1", "org_2"]),
        "environment": st.sampled_from(["live", "sandbox"]),
        "address": st.sampled_from(ADDRESSES),
        "allocation_id": st.sampled_from(["", "vm_0001", "vm_0002"]),
        "allocation_name": st.sampled_from(["", "web-1", "WEB-2", "alice-box"]),
        "reverse_dns": st.sampled_from(["", "web-1.example.net"]),
        "reason": st.sampled_from(["", "Moved web, OPS-7", "OPS-70 moved", "opposed"]),
        "outcome": st.sampled_from([*Outcome.values, Outcome.SUCCEEDED]),
        "error_code": st.sampled_from(ERRORS),
        "duration_us": st.sampled_from([None, 0, 100_000, 250_000, 10_000_000]),
        "is_open": st.booleans(),
    }
)
histories = st.lists(fields, max_size=24) | st.lists(fields, min_size=12, max_size=30)


@contextmanager
def kept(many: list[dict[str, Any]]) -> Iterator[list[AuditEntry]]:
    """The entries, newest first, for a while."""
    made = []
    for each in many:
        values = dict(each)
        if values["user_name"] not in ACCOUNTS and values["outcome"] in OPEN:
            # The open entries of a deleted account are not found by its name.
            values["outcome"] = Outcome.SUCCEEDED
        if values.pop("is_open", False) and values["outcome"] == Outcome.UNKNOWN:
            values["finished_at"] = None
        made.append(attempt(**values))
    with undone():
        User.objects.bulk_create(User(pk=id_of(name), username=name) for name in ACCOUNTS)
        for entry in made:
            if entry.is_open:
                entries.open(entry)
        entries.add_finished([entry for entry in made if not entry.is_open])
        yield list(AuditEntry.objects.all())


# Questions


def _is_address(e: AuditEntry, is_it: Callable[[Any], bool]) -> bool:
    try:
        return is_it(ipaddress.ip_address(e.address))
    except ValueError:
        return False


def _is_in_reason(e: AuditEntry, text: str) -> bool:
    words, typed = reason_words(e.reason), reason_words(text)
    is_begun = typed and any(word.startswith(typed[-1]) for word in words)
    return bool(is_begun) and {*typed[:-1]} <= {*words}


def _named(text: str) -> Callable[[AuditEntry], bool]:
    def is_named(e: AuditEntry) -> bool:
        names = (e.user_name, e.allocation_name, e.reverse_dns)
        wholes = (e.allocation_id, e.organization_id, e.error_code)
        is_name = any(folded(name).startswith(folded(text)) for name in names) or text in wholes
        return is_name or _is_in_reason(e, text)

    return is_named


TYPED: dict[str, Callable[[AuditEntry], bool]] = {
    "10.0.0.1": lambda e: e.address == "10.0.0.1",
    "2001:DB8:0::1": lambda e: e.address == "2001:db8::1",
    "10.0.": lambda e: e.address.startswith("10.0."),
    "2001:db8:": lambda e: e.address.startswith("2001:db8:"),
    "10.0.0.9/23": lambda e: _is_address(e, lambda a: a in ipaddress.ip_network("10.0.0.0/23")),
    "::/0": lambda e: _is_address(e, lambda a: a.version == 6),
    "vm_0001": lambda e: e.allocation_id == "vm_0001",
    "no_allocation": _named("no_allocation"),
    "ALI": _named("ali"),
    "ali%": _named("ali%"),
    "STRASSE": _named("Straße"),
    "web": _named("web"),
    str(TOKENS[0]): lambda e: e.token_id == TOKENS[0],
    "nobody has this": _named("nobody has this"),
    "OPS-7": _named("OPS-7"),
    "moved ops-7": _named("moved ops-7"),
    "moved": _named("moved"),
}


@dataclass
class Question:
    """A search, and what it typed."""

    given: dict[str, Any]
    typed: str = ""
    is_narrowed: bool = False

    def search(self) -> Search:
        is_narrowed = self.is_narrowed and self.given["organizations"] is not None
        text = interpret(self.typed, people.beginning) if self.typed else None
        asked = [id_of(name) for name in self.given["people"]] or None
        given = self.given | {"people": asked, "is_narrowed": is_narrowed}
        return Search(**given, interpretation=text)

    def matches(self, e: AuditEntry) -> bool:
        given = self.given
        return (
            (not given["since"] or e.created_at >= given["since"])
            and (not given["until"] or e.created_at < given["until"])
            and (not given["people"] or e.user_name in given["people"])
            and (not given["tokens"] or e.token_id in given["tokens"])
            and (given["organizations"] is None or e.organization_id in given["organizations"])
            and (not given["environment"] or e.environment == given["environment"])
            and (not given["outcomes"] or e.outcome in given["outcomes"])
            and (not given["error_code"] or e.error_code == given["error_code"])
            and (not self.typed or TYPED[self.typed](e))
        )


def _some(values: list[Any]) -> list[list[Any]]:
    """Mostly nothing: what is asked for by every filter at once hardly ever exists."""
    pairs = [[one, other] for one, other in combinations(values, 2)]
    return [[]] * 2 * (len(values) + len(pairs)) + [[value] for value in values] + pairs


AROUND_ENTRIES = [NOW - HOUR - age + more for age in AGES for more in (0 * HOUR, HOUR, DAY)]
MOMENTS = [None] * 60 + AROUND_ENTRIES
questions = st.builds(
    Question,
    st.fixed_dictionaries(
        {
            "since": st.sampled_from(MOMENTS),
            "until": st.sampled_from(MOMENTS),
            "people": st.sampled_from(_some(PEOPLE)),
            "tokens": st.sampled_from(_some(TOKENS)),
            "organizations": st.sampled_from([None] * 7 + [[], ["org_1"], ["org_1", "org_2"]]),
            "environment": st.sampled_from(["", "", "live"]),
            "outcomes": st.sampled_from(_some(Outcome.values)),
            "error_code": st.sampled_from(["", "", *ERRORS]),
        }
    ),
    st.sampled_from([""] * 10 + ["ALI", "10.0.0.1", "moved"] * 4 + list(TYPED)),
    st.booleans(),
)


# Bounds so small that little histories go beyond them


@contextmanager
def bounds(seed: int) -> Iterator[None]:
    """As they are, or tiny ones."""
    rng = random.Random(seed)
    many, few = rng.choice((0, 1, 3, 8)), rng.choice((0, 1, 8))
    look = rng.choice((1, 2, 4))
    tiny = [
        (plan, "MAX_SORTED_ENTRIES", many),
        (pages, "MAX_SORTED_ENTRIES", max(many, 1)),
        (plan, "MAX_SEPARATE_VALUES", few),
        (pages, "SEARCHED_ENTRIES", (look, look + rng.choice((1, 3)))),
        (pages, "PER_PAGE", rng.choice((1, 2, 5))),
        (summary, "MAX_ACTORS", rng.choice((1, 5_000))),
    ]
    with ExitStack() as stack:
        if seed:
            for module, name, value in tiny:
                stack.enter_context(mock.patch.object(module, name, value))
            longest = {"hour": rng.choice((1, 2)) * DAY, "day": rng.choice((3, 92)) * DAY}
            stack.enter_context(mock.patch.dict(summary.LONGEST, longest))
        yield
