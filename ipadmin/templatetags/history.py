"""Markup that repeats hundreds of times on the page of the history: a template would take as long
for it as for the rest of the page."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, tzinfo
from functools import cache
from html import escape

from django import template
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe

from ipadmin.audit.search.choices import Choice
from ipadmin.audit.search.pages import ListedEntry
from ipadmin.models import Action, Outcome
from ipadmin.templatetags.icons import icon
from ipadmin.templatetags.ipadmin import OUTCOMES, outcome_tone
from ipadmin.ui import markup, tickets, time_zones
from ipadmin.ui.charts import Chart, Column
from ipadmin.ui.history_form import ENVIRONMENTS, HistoryFilters

register = template.Library()
MAX_REASON = 60
NOTHING = '<span class="quiet">Nothing</span>'


@register.simple_tag
@cache
def outcome_symbols() -> SafeString:
    """The icons of outcomes, drawn once, for all rows to use."""
    drawn = "".join(
        icon(name, 13).replace("<svg", f'<symbol id="o-{outcome}"').replace("</svg", "</symbol")
        for outcome, (_, name) in OUTCOMES.items()
    )
    return mark_safe(f'<svg width="0" height="0" hidden>{drawn}</svg>')  # noqa: S308  of our own


@register.simple_tag
def entry_rows(
    entries: Iterable[ListedEntry], environment: str, is_absolute: bool, list_query: str
) -> SafeString:
    """Rows of the history. `environment`: the usual one, which is not shown; `list_query`: the
    query string with which the page of an entry knows the list."""
    base, query = reverse("audit"), escape(list_query)
    zone, now = timezone.get_current_timezone(), None if is_absolute else timezone.now()
    rows = (
        f'<tr><td><a class="whole-row" href="{base}{each.attempt_id}/?{query}"'
        f"{_time(each.created_at, zone, now)}</a>{_cells(each, environment)}"
        for each in entries
    )
    return mark_safe("".join(rows))  # noqa: S308  `_cells` escapes


def _time(moment: datetime, zone: tzinfo, now: datetime | None) -> str:
    """The end of a tag, and its text: how long before `now` a time was; without, the time."""
    exact = time_zones.text_of(moment, zone=zone)
    clock, _, name = exact.rpartition(" ")
    shown = markup.ago(moment, now) if now else f'{clock}<span class="zone"> {name}</span>'
    return f' title="{exact}">{shown}'


def _cells(entry: ListedEntry, environment: str) -> str:
    action = "" if entry.action == Action.UNALLOCATE else _action(entry.action)
    held = entry.allocation_name or markup.kind(entry.allocation_type) or entry.allocation_id
    where = escape(entry.organization_title)
    if entry.environment != environment:
        name = escape(entry.environment)
        where += f' <span class="chip" data-environment="{name}">{name.upper()}</span>'
    return (
        f'<td>{_outcome(entry.outcome)}<th scope="row">{escape(entry.address)}'
        f"<td>{escape(held) or NOTHING}{action}<td>{_person(entry)}<td>{where}"
        f"<td>{tickets.linked(entry.reason, MAX_REASON)}"
    )


@cache
def _action(action: str) -> str:
    """The action in a row, if it is not the usual one."""
    name = dict(Action.choices).get(action, action)
    return f'<span class="second">{escape(name)}</span>'


def _person(entry: ListedEntry) -> str:
    recorded = escape(entry.recorded_as)
    note = f'<span class="second">recorded as {recorded}</span>' if recorded else ""
    return escape(entry.person) + note


@cache
def _outcome(outcome: str) -> str:
    tone, text = outcome_tone(outcome), escape(markup.outcome_name(outcome))
    use = f'<svg><use href="#o-{escape(outcome)}"/></svg>'
    return f'<span class="badge" data-tone="{tone}">{use} {text}</span>'


@register.simple_tag
def bars(chart: Chart) -> SafeString:
    """The segments of bars by outcome, and a link over each bar that has attempts."""
    shown = [column for column in chart.columns if column.href]
    drawn = [_segments(outcome, shown) for outcome, _ in chart.legend]
    links = (
        f'<a href="{escape(column.href)}"><rect x="{column.left:g}%" width="{column.span:g}%"/>'
        f'<text y="12">{column.when} </text><text x="100%" y="12">{column.parts}</text></a>'
        for column in shown
    )
    return mark_safe("".join([*drawn, *links]))  # noqa: S308  numbers, and what is escaped


def _segments(outcome: str, columns: Iterable[Column]) -> str:
    drawn = (
        f'<rect x="{column.x:g}%" y="{segment.y:g}" width="{column.width:g}%"'
        f' height="{segment.height:g}"/>'
        for column in columns
        for segment in column.segments
        if segment.outcome == outcome
    )
    return f'<g class="segment" data-outcome="{outcome}">{"".join(drawn)}</g>'


@register.simple_tag
def bar_rows(chart: Chart) -> SafeString:
    """The chart as rows of a table, one for each bar that has attempts."""
    rows = (
        f'<tr><th scope="row">{column.when}' + "".join(f"<td>{count}" for count in column.counts)
        for column in chart.columns
        if column.href
    )
    return mark_safe("".join(rows))  # noqa: S308  numbers, and escaped texts


@register.simple_tag
def outcome_boxes(filters: HistoryFilters) -> SafeString:
    return _boxes(filters, "outcome", Outcome.choices)


@register.simple_tag
def action_boxes(filters: HistoryFilters) -> SafeString:
    return _boxes(filters, "action", Action.choices)


def _boxes(filters: HistoryFilters, name: str, choices: Iterable[tuple[str, str]]) -> SafeString:
    """A box for each choice, checked if it is chosen. Django's widgets render a template each."""
    chosen = filters[name].value() or []
    made = (
        f'<label><input type="checkbox" name="{name}" value="{value}"'
        f"{' checked' if value in chosen else ''}> <span>{text}</span></label>"
        for value, text in choices
    )
    return mark_safe(" ".join(made))  # noqa: S308  words of our own


@register.simple_tag
def environment_options(filters: HistoryFilters) -> SafeString:
    chosen = filters["environment"].value()
    made = (
        f'<option value="{value}"{" selected" if value == chosen else ""}>{name}</option>'
        for value, name in {"": "Live and sandbox", **ENVIRONMENTS}.items()
    )
    return mark_safe("".join(made))  # noqa: S308  words of our own


@register.simple_tag
def options(values: Iterable[Choice], selected: tuple[str, str] | None) -> SafeString:
    """The options of a `<select>`, the selected one (value and name) first."""
    value, name = selected or ("", "")
    made = [f'<option value="{escape(value)}" selected>{escape(name)}</option>'] if value else []
    made += (
        f'<option value="{escape(each.value)}">{escape(each.title)}</option>'
        for each in values
        if each.value != value
    )
    return mark_safe("".join(made))  # noqa: S308  everything is escaped


@register.simple_tag
def names(values: Iterable[Choice]) -> SafeString:
    """The options of a `<datalist>`."""
    made = (f'<option value="{escape(each.title)}">' for each in values)
    return mark_safe("".join(made))  # noqa: S308  everything is escaped
