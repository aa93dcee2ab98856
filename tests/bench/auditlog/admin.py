"""LogEntry in the admin: as django-auditlog ships it, and as somebody who knows Django's admin well
makes it fast without touching the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from auditlog.admin import LogEntryAdmin  # type: ignore[import-untyped]
from auditlog.filters import CIDFilter  # type: ignore[import-untyped]
from auditlog.models import LogEntry  # type: ignore[import-untyped]
from django.contrib.admin import AdminSite, display
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

if TYPE_CHECKING:
    Entries = QuerySet[Any]

# As far as one can page through what a filter found.
MOST = 10_000

stock = AdminSite("stock")
stock.register(LogEntry, LogEntryAdmin)

tuned = AdminSite("tuned")


class EstimatingPaginator(Paginator[Any]):
    """Counts nothing where nothing is filtered: entries are never deleted, so that the last id is
    their number. What a filter finds is counted up to a limit."""

    @cached_property
    def count(self) -> int:
        entries: Entries = self.object_list  # type: ignore[assignment]
        if not entries.query.where:
            return int(entries.order_by("-pk").values_list("pk", flat=True).first() or 0)
        return entries.order_by().values("pk")[:MOST].count()


class TunedAdmin(LogEntryAdmin):  # type: ignore[misc]
    """No MIN and MAX over the table for a hierarchy of dates, no DISTINCT for a filter by type, no
    second count, no search inside texts, and nothing read that is not shown."""

    date_hierarchy = None
    show_full_result_count = False
    paginator = EstimatingPaginator
    list_select_related: ClassVar = ["actor"]
    list_display: ClassVar = ["created", "address", "action", "msg_short", "user_url", "cid_url"]
    list_filter: ClassVar = ["action", "actor", CIDFilter]
    search_fields: ClassVar = ["object_repr__exact", "object_pk__exact"]

    def get_queryset(self, request: HttpRequest) -> Entries:
        entries: Entries = super().get_queryset(request)
        return entries.defer("additional_data", "serialized_data", "changes_text")

    @display(description="Address")
    def address(self, entry: Any) -> str:
        return str(entry.object_repr)


tuned.register(LogEntry, TunedAdmin)

# What the tuned admin's own questions want, for those who may touch the table.
INDEXES = {
    "bench_newest": "timestamp, id",
    "bench_actor": "actor_id, timestamp, id",
    "bench_address": "object_repr, timestamp, id",
}
