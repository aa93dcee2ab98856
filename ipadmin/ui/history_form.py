"""The filters of the audit history: a form whose values are in the URL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils import timezone
from django.utils.timezone import get_current_timezone

from ipadmin.audit.search import choices, pages, people
from ipadmin.audit.search.query import Search, interpret
from ipadmin.audit.search.summary import Bar
from ipadmin.models import Action, AuditEntry, Outcome
from ipadmin.models.search_keys import address_of, folded, key_ranges
from ipadmin.ui import time_presets, time_zones
from ipadmin.ui.history_fields import ListField, NameField, TokenField
from ipadmin.ui.time_zones import SECOND, MomentField, ZonedForm

# Parameters with a cursor.
PAGES = ("before", "after")
# Parameters with a time. A link that sets one removes the others.
TIMES = ("when", "since", "until", "at")
# "Around" a time: from 5 minutes before to 5 minutes after.
AROUND = timedelta(minutes=5)
ENVIRONMENTS = {"live": "Live", "sandbox": "Sandbox"}
VALUE_NAMES: dict[str, dict[str, str]] = {
    "when": time_presets.NAMES,
    "environment": ENVIRONMENTS,
    "action": dict(Action.choices),
    "outcome": {outcome.value: outcome.label for outcome in Outcome},
}


class Chip(NamedTuple):
    """An applied filter, and the URL without it."""

    label: str
    text: str
    url: str


class HistoryFilters(ZonedForm):
    """All filters are optional. An invalid one is reported on the page and not applied."""

    q = forms.CharField(max_length=200, required=False, strip=True, label="Search")
    when = forms.ChoiceField(choices=[*time_presets.NAMES.items()], required=False, label="Time")
    since = MomentField(required=False)
    until = MomentField(is_end=True, required=False)
    at = MomentField(required=False, label="Around")
    outcome = forms.MultipleChoiceField(
        choices=Outcome.choices, required=False, widget=forms.CheckboxSelectMultiple
    )
    action = forms.MultipleChoiceField(choices=Action.choices, required=False)
    run = forms.UUIDField(required=False)
    person = NameField(required=False)
    token = TokenField(required=False)
    organization = ListField(required=False)
    environment = forms.ChoiceField(
        choices=[("", "Live and sandbox"), *ENVIRONMENTS.items()], required=False, label="Katapult"
    )
    error = forms.CharField(max_length=100, required=False, strip=True)

    def __init__(self, data: QueryDict, within: Sequence[str] | None = None) -> None:
        """`within`: keys of the organizations whose entries the reader may see; None for all."""
        super().__init__(data)
        self.within = within
        self.now = timezone.now()

    def clean(self) -> dict[str, Any]:
        since, until = self.cleaned_data.get("since"), self.cleaned_data.get("until")
        if since and until and until < since:
            self.add_error("until", "That lies before the beginning.")
            self.cleaned_data.pop("since")
        return self.cleaned_data

    @cached_property
    def chosen(self) -> dict[str, Any]:
        """The applied values by filter. Of the times, the most exact; without a time and a search
        text, the last 30 days."""
        self.is_valid()
        chosen = {name: value for name, value in self.cleaned_data.items() if value}
        chosen.pop("zone", None)
        if "at" in chosen:
            ignored = {"when", "since", "until"}
        elif "since" in chosen or "until" in chosen:
            ignored = {"when"}
        else:
            ignored = set()
            if not (chosen.keys() & {"when", "q", "run"} or self.errors.keys() & {*TIMES}):
                chosen["when"] = time_presets.DEFAULT
        return {name: value for name, value in chosen.items() if name not in ignored}

    @cached_property
    def search(self) -> Search:
        chosen = self.chosen
        since, until = self._period()
        return Search(
            since=since,
            until=until,
            people=self._people(),
            tokens=[UUID(id) for id in chosen.get("token", [])],
            organizations=self._organizations(),
            is_narrowed=self.within is not None,
            environment=chosen.get("environment", ""),
            actions=chosen.get("action", []),
            run=chosen.get("run"),
            outcomes=chosen.get("outcome", []),
            error_code=chosen.get("error", ""),
            interpretation=interpret(chosen["q"], people.beginning) if "q" in chosen else None,
        )

    def apply(self, entries: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        return entries.filter(self.search.q)

    def criteria(self) -> dict[str, list[str]]:
        """The filters as the audit log keeps them for an export: times instead of "today"."""
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

    @property
    def is_everything(self) -> bool:
        """Whether no filter narrows it to some address, person, token or organization."""
        return not self.criteria().keys() & {"q", "person", "token", "organization", "run"}

    def chips(self) -> list[Chip]:
        return [
            Chip(str(self[name].label), self._text(name, each), self._without(name, each))
            for name, value in self.chosen.items()
            if name != "when"
            for each in (value if isinstance(value, list) else [value])
        ]

    def given(self) -> QueryDict:
        """All parameters but cursors and empty ones."""
        query: QueryDict = self.data.copy()  # type: ignore[attr-defined]
        for name, values in [*query.lists()]:
            if name in PAGES or not any(values):
                del query[name]
        return query

    def url(self, **changes: str) -> str:
        """The first page with changed filters."""
        query = self.given()
        if changes.keys() & {*TIMES}:
            for name in TIMES:
                query.pop(name, None)
        for name, value in changes.items():
            query[name] = value
        return f"?{query.urlencode(safe=':')}"

    def page_url(self, name: str, cursor: pages.Cursor | None) -> str:
        """The same filters on the page `before` or `after` a cursor; empty without one."""
        return self.url(**{name: pages.cursor_text(cursor)}) if cursor else ""

    def bar_url(self, bar: Bar) -> str:
        since, until = (time_zones.text_of(each, "url") for each in (bar.since, bar.until - SECOND))
        return f"{self._url_of_bars}since={since}&until={until}"

    @cached_property
    def _url_of_bars(self) -> str:
        query = urlencode(self.other_than_times())
        return f"?{query}&" if query else "?"

    def query(self) -> list[tuple[str, str]]:
        """All parameters but cursors, for hidden fields of another form."""
        return [(name, value) for name, values in self.given().lists() for value in values]

    def hidden(self) -> list[tuple[str, str]]:
        """Filters that the panel keeps and does not show."""
        names = {"error", "run", *(["when"] if self.data.get("when") else [])}
        return [(name, self.chosen[name]) for name in sorted(names) if name in self.chosen]

    @property
    def moments(self) -> list[forms.BoundField]:
        return [self[name] for name in ("since", "until", "at")]

    @property
    def panel_count(self) -> int:
        """The number of applied filters that are in the "Filter" panel."""
        return len(self.chosen.keys() - {"q", "when", "error", "run"})

    @property
    def firsts(self) -> dict[str, tuple[str, str]]:
        """The first chosen token and organization, with their names, for the lists to choose from,
        which need not have them."""
        firsts = {}
        for name in ("token", "organization"):
            if chosen := self.chosen.get(name):
                firsts[name] = chosen[0], self._text(name, chosen[0])
        if "token" in firsts:
            # Several tokens can have the same name.
            id, text = firsts["token"]
            firsts["token"] = id, f"{text} · {id[:8]}"
        return firsts

    @property
    def timeline(self) -> str:
        """The address in the search text, if it is a complete one."""
        match key_ranges(self.chosen.get("q", "")):
            case [(first, last)] if first == last:
                return address_of(first)
        return ""

    def all_time_url(self) -> str:
        """Empty where the filters do not limit the time."""
        return self.url(when="all") if any(self._period()) else ""

    def period_links(self) -> list[tuple[str, str, bool]]:
        """Name and URL of each preset period, and whether it is chosen."""
        now = self.chosen.get("when") or ("" if self.chosen.keys() & {*TIMES} else "all")
        names = time_presets.NAMES.items()
        return [(text, self.url(when=key), key == now) for key, text in names]

    @property
    def period_text(self) -> str:
        """The name of the chosen period."""
        if not self.chosen.keys() & {"since", "until", "at"}:
            return time_presets.NAMES[self.chosen.get("when", "all")]
        return "Around a time" if "at" in self.chosen else "Range"

    @property
    def days(self) -> tuple[str, str]:
        """First and last day of the period, each empty if it has none."""
        since, until = self._period()
        last = until and until - SECOND
        first, last_day = (each and time_zones.text_of(each, "date") for each in (since, last))
        return first or "", last_day or ""

    def other_than_times(self) -> list[tuple[str, str]]:
        """All parameters but cursors and times, for hidden fields of another form."""
        return [each for each in self.query() if each[0] not in (*TIMES, "zone")]

    @property
    def is_default(self) -> bool:
        """Whether there is nothing to clear."""
        return not self.given().keys() - {"zone"}

    def _period(self) -> tuple[datetime | None, datetime | None]:
        chosen = self.chosen
        if at := chosen.get("at"):
            return at - AROUND, at + AROUND + SECOND
        if when := chosen.get("when"):
            return time_presets.period(when, self.now, get_current_timezone())
        until = chosen.get("until")
        # The whole last second is included.
        return chosen.get("since"), until and until.replace(microsecond=0) + SECOND

    def _people(self) -> list[int] | None:
        """The accounts with the chosen names."""
        asked = self.chosen.get("person")
        return asked and sorted({id for name in asked for id in people.named(name)})

    def _organizations(self) -> list[str] | None:
        asked = sorted({folded(key) for key in self.chosen.get("organization", [])})
        if self.within is None:
            return asked or None
        return [key for key in asked if key in self.within] if asked else [*self.within]

    @cached_property
    def _labels(self) -> dict[tuple[str, str], str]:
        return choices.labels(self.search, self.within)

    def _text(self, name: str, value: Any) -> str:
        if isinstance(value, datetime):
            text = time_zones.text_of(value)
            return f"{text} ± {AROUND.seconds // 60} min" if name == "at" else text
        if name in VALUE_NAMES:
            return VALUE_NAMES[name].get(value, str(value))
        return self._labels.get((name, value)) or str(value)

    def _without(self, name: str, value: Any) -> str:
        query, chosen = self.given(), self.chosen[name]
        kept = [each for each in chosen if each != value] if isinstance(chosen, list) else []
        query.setlist(name, kept)
        return f"?{query.urlencode(safe=':')}"
