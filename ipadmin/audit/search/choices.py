"""Values to choose from in the filters of the history: people, tokens and organizations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from django.db.models import Q

from ipadmin.audit.search import people
from ipadmin.audit.search.query import Search, any_of
from ipadmin.models import AuditValueCounter

# Filters whose values are offered in the form, and how many values in total.
FIELD_OF_FILTER = {
    "person": "user_id",
    "token": "token_id",
    "organization": "organization_key",
}
FILTER_OF_FIELD = {field: name for name, field in FIELD_OF_FILTER.items()}
MAX_VALUES = 40


class Choice(NamedTuple):
    """A value to choose from in a filter: a field of `FILTER_OF_FIELD`, the value and its name."""

    field: str
    value: str
    label: str

    @property
    def title(self) -> str:
        """The name in a list. Tokens of several people may have the same label."""
        if self.field == "token_id":
            return f"{self.label} · {self.value[:8]}"
        return self.label or self.value


def labels(search: Search, within: Sequence[str] | None) -> dict[tuple[str, str], str]:
    """Names of the chosen tokens and organizations, by filter and id. `within`: as for
    `vocabulary`."""
    chosen = {
        "token": search.tokens if within is None else (),
        "organization": search.organizations,
    }
    conditions = [
        Q(field=FIELD_OF_FILTER[name], value__in=[str(each) for each in values])
        for name, values in chosen.items()
        if values
    ]
    if not conditions:
        return {}
    counters = AuditValueCounter.objects.filter(any_of(conditions))
    return {(FILTER_OF_FIELD[each.field], each.value): each.label for each in counters}


def vocabulary(within: Sequence[str] | None) -> dict[str, list[Choice]]:
    """People, tokens and organizations to choose from, by filter, the most frequent first.

    `within`: keys of the organizations that the reader may see, None for all. If given, people and
    tokens are left out, because they may be those of other organizations.
    """
    counters = AuditValueCounter.objects.filter(field__in=FIELD_OF_FILTER.values())
    if within is not None:
        counters = counters.filter(field=FIELD_OF_FILTER["organization"], value__in=within)
    found: dict[str, list[Choice]] = {name: [] for name in FIELD_OF_FILTER}
    choices = counters.order_by("-attempts").values_list(*Choice._fields)
    for each in map(Choice._make, choices[:MAX_VALUES]):
        found[FILTER_OF_FIELD[each.field]].append(each)
    names = people.present_names({int(each.value) for each in found["person"]})
    found["person"] = [
        each._replace(label=names.get(int(each.value), each.label)) for each in found["person"]
    ]
    return found
