"""The filters of the audit history: a form whose values stand in the URL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils import timezone

from ipadmin.audit.search import pages
from ipadmin.audit.search.query import Search, Understood, understand
from ipadmin.audit.search.summary import Bar
from ipadmin.models import AuditEntry, Outcome
from ipadmin.models.search_keys import address_of, folded, ranges_in
from ipadmin.ui import time_zones
from ipadmin.ui.fields import ListField, NameField, TokenField, unique
from ipadmin.ui.time_zones import DAY, SECOND, MomentField, ZoneField

# Where in the list one is, not what is asked.
PAGES = ("before", "after")
# A filter that is set at once for another: of the times only one counts.
TIMES = ("when", "since", "until", "at")
# What somebody who remembers a moment may be off by.
AROUND = timedelta(minutes=5)
DEFAULT_PERIOD = "30d"
# Days in UTC, the present one included.
PERIODS = {"today": 1, "7d": 7, "30d": 30, "90d": 90, "365d": 365}
PERIOD_NAMES = {
    "today": "Today",
    "7d": "Last 7 days",
    "30d": "Last 30 days",
    "90d": "Last 90 days",
    "365d": "Last 365 days",
    "all": "All time",
}
ENVIRONMENTS = {"live": "Live", "sandbox": "Sandbox"}


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is applied, and the URL without it."""

    label: str
    text: str
    url: str


class HistoryFilters(forms.Form):
    """Every filter may be left out; one that can't be understood is said and not applied."""

    q = forms.CharField(max_length=200, required=False, strip=True, label="Search")
    when = forms.ChoiceField(choices=[*PERIOD_NAMES.items()], required=False)
    since = MomentField(required=False)
    until = MomentField(is_end=True, required=False)
    at = MomentField(required=False, label="Around")
    zone = ZoneField()
    outcome = forms.MultipleChoiceField(
        choices=Outcome.choices, required=False, widget=forms.CheckboxSelectMultiple
    )
    person = NameField(required=False)
    token = TokenField(required=False)
    organization = ListField(required=False)
    environment = forms.ChoiceField(
        choices=[("", "Live and sandbox"), *ENVIRONMENTS.items()], required=False, label="Katapult"
    )
    error = forms.CharField(max_length=100, required=False, strip=True)

    NAMES: ClassVar = {**PERIOD_NAMES, **ENVIRONMENTS, **dict(Outcome.choices)}

    def __init__(self, data: QueryDict, within: Sequence[str] | None = None) -> None:
        """`within`: keys of the organizations that the reader may see; None for all."""
        super().__init__(data)
        self.within = within
        self.now = timezone.now()
        time_zones.settle_zone(self)

    def clean(self) -> dict[str, Any]:
        since, until = self.cleaned_data.get("since"), self.cleaned_data.get("until")
        if since and until and until < since:
            self.add_error("until", "That lies before the beginning.")
            self.cleaned_data.pop("since")
        return self.cleaned_data

    @cached_property
    def chosen(self) -> dict[str, Any]:
        """What is applied, by filter; of the times the most exact. Where neither a time nor a
        search is given, the last days."""
        self.is_valid()
        chosen = {name: value for name, value in self.cleaned_data.items() if value}
        chosen.pop("zone", None)
        if "at" in chosen:
            superseded = {"when", "since", "until"}
        elif "since" in chosen or "until" in chosen:
            superseded = {"when"}
        else:
            superseded = set()
            if not (chosen.keys() & {"when", "q"} or self.errors.keys() & {*TIMES}):
                chosen["when"] = DEFAULT_PERIOD
        return {name: value for name, value in chosen.items() if name not in superseded}

    @cached_property
    def understood(self) -> Understood | None:
        """What was made of the search."""
        return understand(self.chosen["q"]) if "q" in self.chosen else None

    @cached_property
    def search(self) -> Search:
        chosen, understood = self.chosen, self.understood
        since, until = self._period()
        return Search(
            since=since,
            until=until,
            people=unique(folded(name) for name in chosen.get("person", [])),
            tokens=[UUID(id) for id in chosen.get("token", [])],
            organizations=self._organizations(),
            is_narrowed=self.within is not None,
            environment=chosen.get("environment", ""),
            outcomes=chosen.get("outcome", []),
            error_code=chosen.get("error", ""),
            typed=understood.condition if understood else None,
        )

    def apply(self, entries: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        return entries.filter(self.search.q)

    def criteria(self) -> dict[str, list[str]]:
        """What is asked for, in words that stay true: moments, not "today"."""
        since, until = self._period()
        asked = {
            name: [str(each) for each in (value if isinstance(value, list) else [value])]
            for name, value in self.chosen.items()
            if name not in TIMES
        }
        if since:
            asked["since"] = [since.isoformat()]
        if until:
            asked["before"] = [until.isoformat()]
        if self.within is not None:
            asked["within"] = [*self.within]
        return asked

    def chips(self) -> list[Chip]:
        return [
            Chip(self._label(name), self._text(name, each), self._without(name, each))
            for name, value in self.chosen.items()
            if not (name == "when" and value == "all")
            for each in (value if isinstance(value, list) else [value])
        ]

    def url(self, **changes: Any) -> str:
        """The page with other values: None removes a filter. It begins at the newest entry."""
        query = self.data.copy()  # type: ignore[attr-defined]
        for name in PAGES:
            query.pop(name, None)
        if changes.keys() & {*TIMES}:
            for name in TIMES:
                query.pop(name, None)
        for name, value in changes.items():
            query.pop(name, None)
            if value is not None:
                is_moment = isinstance(value, datetime)
                query[name] = f"{value:%Y-%m-%dT%H:%M:%SZ}" if is_moment else value
        for name in [name for name, values in query.lists() if not any(values)]:
            del query[name]
        return f"?{query.urlencode()}"

    def page_url(self, **place: pages.Place | None) -> str:
        """The same question on another page; nothing when there is no such page."""
        ((name, where),) = place.items()
        if where is None:
            return ""
        query = QueryDict(self.url()[1:], mutable=True)
        query[name] = pages.cursor(where)
        return f"?{query.urlencode()}"

    def bar_url(self, bar: Bar) -> str:
        return self.url(since=bar.since, until=bar.until - SECOND)

    def query(self) -> list[tuple[str, str]]:
        """Everything asked for, as a form carries it along."""
        given = QueryDict(self.url()[1:])
        return [(name, value) for name, values in given.lists() for value in values]

    def hidden(self) -> list[tuple[str, str]]:
        """Filters that the panel keeps and does not show."""
        names = {"error", *(["when"] if self.data.get("when") else [])}
        return [(name, self.chosen[name]) for name in sorted(names) if name in self.chosen]

    @property
    def moments(self) -> list[forms.BoundField]:
        return [self[name] for name in ("since", "until", "at")]

    @property
    def folded(self) -> int:
        """How many filters are applied that stand behind "Filter" on the page."""
        return len(self.chosen.keys() - {"q", "when", "error"})

    @property
    def firsts(self) -> dict[str, tuple[str, str]]:
        """The first chosen value, and how people know it, of what one is chosen of from a list:
        the list need not have it."""
        return {
            name: (chosen[0], self._first_name(name, chosen[0]))
            for name in ("token", "organization")
            if (chosen := self.chosen.get(name))
        }

    @property
    def timeline(self) -> str:
        """The address that was typed, if it was a whole one."""
        ranges = ranges_in(self.chosen.get("q", ""))
        return address_of(ranges[0][0]) if len(ranges) == 1 and len(set(ranges[0])) == 1 else ""

    @property
    def is_limited_in_time(self) -> bool:
        return any(self._period())

    def all_time_url(self) -> str:
        return self.url(when="all")

    def period_links(self) -> list[tuple[str, str, bool]]:
        """(name, URL, whether it is chosen) of each preset."""
        now = self.chosen.get("when") or ("" if self.chosen.keys() & {*TIMES} else "all")
        return [(text, self.url(when=key), key == now) for key, text in PERIOD_NAMES.items()]

    def _period(self) -> tuple[datetime | None, datetime | None]:
        chosen = self.chosen
        if at := chosen.get("at"):
            return at - AROUND, at + AROUND + SECOND
        if days := PERIODS.get(chosen.get("when", "")):
            today = self.now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
            return today - (days - 1) * DAY, None
        until = chosen.get("until")
        # The last second is included, whatever its fraction.
        return chosen.get("since"), until and until.replace(microsecond=0) + SECOND

    def _organizations(self) -> list[str] | None:
        asked = unique(folded(key) for key in self.chosen.get("organization", []))
        if self.within is None:
            return asked or None
        return [key for key in asked if key in self.within] if asked else [*self.within]

    def _label(self, name: str) -> str:
        return str(self.fields[name].label or {"when": "Time"}.get(name, name.capitalize()))

    def _first_name(self, name: str, value: str) -> str:
        """Several tokens can have the same name."""
        text = self._text(name, value)
        return f"{text} · {value[:8]}" if name == "token" else text

    @cached_property
    def _labels(self) -> dict[tuple[str, str], str]:
        return pages.labels(self.search, self.within)

    def _text(self, name: str, value: Any) -> str:
        if name == "at":
            return f"{time_zones.stamp(value)} ± {AROUND.seconds // 60} min"
        if isinstance(value, datetime):
            return time_zones.stamp(value)
        if name in {"when", "environment", "outcome"}:
            return str(self.NAMES.get(value, value))
        return self._labels.get((name, value)) or str(value)

    def _without(self, name: str, value: Any) -> str:
        if name == "when":
            return self.url(when="all")
        query = self.data.copy()  # type: ignore[attr-defined]
        chosen = self.chosen[name]
        kept = [each for each in chosen if each != value] if isinstance(chosen, list) else []
        query.setlist(name, kept)
        for page in PAGES:
            query.pop(page, None)
        if not kept:
            query.pop(name, None)
        return f"?{query.urlencode()}"
