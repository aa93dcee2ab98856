"""Numbers for people, and what comes by the hundred: the bars of a chart, the options of a list."""

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


@register.filter
def percent(share: float | None) -> str:
    """`97.3 %`; 100 and 0 only where it is all or none. Nothing for None."""
    if share is None:
        return ""
    if 0 < share < 0.001:
        return "< 0.1 %"
    if 0.999 < share < 1:
        return "> 99.9 %"
    return f"{share * 100:.1f}".removesuffix(".0") + " %"


@register.simple_tag
def bars(chart: Chart) -> SafeString:
    """A link for each bar that has attempts. Not written in the template, where hundreds of
    rectangles would take as long as the rest of the page."""
    drawn = "".join(_bar(column, chart) for column in chart.columns if column.href)
    return mark_safe(drawn)  # noqa: S308  numbers, and what `_bar` escapes


def _bar(column: Column, chart: Chart) -> str:
    segments = "".join(
        f'<rect class="segment" data-outcome="{segment.outcome}" x="{column.x}%" y="{segment.y}"'
        f' width="{column.width}%" height="{segment.height}"/>'
        for segment in column.segments
    )
    return (
        f'<a href="{escape(column.href)}" aria-label="{escape(column.label)}">'
        f'<rect class="hit" x="{column.left}%" y="{chart.top}" width="{column.span}%"'
        f' height="{chart.plot}"/>{segments}'
        f'<text class="when" y="12">{escape(column.when)}</text>'
        f'<text class="parts" x="100%" y="12">{escape(column.parts)}</text></a>'
    )


@register.simple_tag
def options(terms: Iterable[AuditValueCounter], without: str = "") -> SafeString:
    """Of a `<select>`; all but one that stands there already. Like the bars, too many for a
    template."""
    made = (
        f'<option value="{escape(term.value)}">{escape(term.title)}</option>'
        for term in terms
        if term.value != without
    )
    return mark_safe("".join(made))  # noqa: S308  everything is escaped


@register.simple_tag
def names(terms: Iterable[AuditValueCounter]) -> SafeString:
    """Of a `<datalist>`."""
    made = (f'<option value="{escape(term.title)}">' for term in terms)
    return mark_safe("".join(made))  # noqa: S308  everything is escaped
