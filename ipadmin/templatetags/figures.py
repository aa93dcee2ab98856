"""Numbers, and markup that repeats hundreds of times: bars of a chart, options of a list."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from django import template
from django.utils.safestring import SafeString, mark_safe

from ipadmin.models import AuditValueCounter
from ipadmin.ui.charts import Chart, Column

register = template.Library()


@register.filter
def thousands(number: int) -> str:
    """`1,234,567`."""
    return f"{number:,}"


@register.simple_tag
def bars(chart: Chart) -> SafeString:
    """A link for each bar that has attempts. Built here because a template would take as long for
    hundreds of rectangles as for the rest of the page."""
    drawn = "".join(_bar(column, chart) for column in chart.columns if column.href)
    return mark_safe(drawn)  # noqa: S308  numbers, and what `_bar` escapes


def _bar(column: Column, chart: Chart) -> str:
    segments = "".join(
        f'<rect class="segment" data-outcome="{segment.outcome}" x="{column.x}%" y="{segment.y}"'
        f' width="{column.width}%" height="{segment.height}"/>'
        for segment in column.segments
    )
    return (
        f'<a href="{escape(column.href)}" aria-label="{escape(column.when)} (UTC): {escape(column.parts)}">'
        f'<rect class="hit" x="{column.left}%" y="{chart.top}" width="{column.span}%"'
        f' height="{chart.plot}"/>{segments}'
        f'<text class="when" y="12">{escape(column.when)}</text>'
        f'<text class="parts" x="100%" y="12">{escape(column.parts)}</text></a>'
    )


@register.simple_tag
def bar_rows(chart: Chart) -> SafeString:
    """The chart as rows of a table, one for each bar that has attempts."""
    rows = (
        f'<tr><th scope="row"><a href="{escape(column.href)}">{escape(column.when)}</a></th>'
        + "".join(f"<td>{count}</td>" for count in column.counts)
        + "</tr>"
        for column in chart.columns
        if column.href
    )
    return mark_safe("".join(rows))  # noqa: S308  numbers, and escaped texts


@register.simple_tag
def options(values: Iterable[AuditValueCounter], selected: tuple[str, str] | None) -> SafeString:
    """The options of a `<select>`, the selected one (value and name) first. Built here because
    there can be hundreds."""
    value, name = selected or ("", "")
    made = [f'<option value="{escape(value)}" selected>{escape(name)}</option>'] if value else []
    made += (
        f'<option value="{escape(each.value)}">{escape(each.title)}</option>'
        for each in values
        if each.value != value
    )
    return mark_safe("".join(made))  # noqa: S308  everything is escaped


@register.simple_tag
def names(values: Iterable[AuditValueCounter]) -> SafeString:
    """The options of a `<datalist>`."""
    made = (f'<option value="{escape(each.title)}">' for each in values)
    return mark_safe("".join(made))  # noqa: S308  everything is escaped
