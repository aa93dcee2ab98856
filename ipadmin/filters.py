"""The filters of the audit history: a form whose values stand in the URL."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.db.models import Q, QuerySet

from ipadmin import moments
from ipadmin.models import AuditEntry, Outcome
from ipadmin.moments import SECOND, MomentField, ZoneField


class HistoryFilters(forms.Form):
    """Every filter may be left out; one that can't be understood is said and not applied."""

    outcome = forms.MultipleChoiceField(
        choices=Outcome.choices, required=False, widget=forms.CheckboxSelectMultiple
    )
    person = forms.CharField(max_length=150, required=False, strip=True)
    address = forms.CharField(
        max_length=64,
        required=False,
        strip=True,
        label="Address or id",
        help_text="Or its beginning",
    )
    token = forms.CharField(
        max_length=60, required=False, strip=True, help_text="Label or fingerprint"
    )
    since = MomentField(required=False)
    until = MomentField(is_end=True, required=False)
    zone = ZoneField()

    QUERIES: ClassVar = {
        "outcome": lambda value: Q(outcome__in=value),
        "person": lambda value: Q(user_name__iexact=value),
        "address": lambda value: Q(address__startswith=value.lower()) | Q(address_id=value),
        "token": lambda value: Q(token_label__iexact=value) | Q(token_fingerprint=value.lower()),
        "since": lambda value: Q(created_at__gte=value),
        # The last second is included, whatever its fraction.
        "until": lambda value: Q(created_at__lt=value.replace(microsecond=0) + SECOND),
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        moments.settle_zone(self)

    def apply(self, entries: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        for name, value in self.chosen().items():
            entries = entries.filter(self.QUERIES[name](value))
        return entries

    def chosen(self) -> dict[str, Any]:
        self.is_valid()
        return {
            name: value for name, value in self.cleaned_data.items() if value and name != "zone"
        }

    def active(self) -> list[tuple[str, str, str]]:
        """(label, value, URL without it) of each filter that is applied, for removable chips."""
        chips = []
        for name, value in self.chosen().items():
            label = self.fields[name].label or name.replace("_", " ").capitalize()
            for each in value if isinstance(value, list) else [value]:
                text = moments.stamp(each) if isinstance(each, datetime) else str(each)
                chips.append((str(label), text, self._url_without(name, str(each))))
        return chips

    def _url_without(self, name: str, value: str) -> str:
        query = self.data.copy()  # type: ignore[attr-defined]
        kept = [each for each in query.getlist(name) if name == "outcome" and each != value]
        query.setlist(name, kept)
        for page in ("before", "after"):
            query.pop(page, None)
        return f"?{query.urlencode()}"
