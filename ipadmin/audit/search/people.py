"""People of the history, by name. Their entries are found by the id of the account: the name in an
entry says only what the account was called at the time, and accounts could be renamed once."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from django.db.models import CharField
from django.db.models.functions import Cast

from ipadmin.models import AuditValueCounter, User
from ipadmin.models.search_keys import folded

MAX_NAMES = 20


def named(name: str) -> list[int]:
    """The id of the account with this name, in any case. Without such an account, those of deleted
    accounts whose newest entry has the name."""
    found = list(User.objects.filter(username__iexact=name).values_list("pk", flat=True))
    return found or [id for id, text in _deleted() if folded(text) == folded(name)]


def beginning(text: str) -> list[int]:
    """The ids of all accounts whose names begin with a text, deleted ones too."""
    found = User.objects.filter(username__istartswith=text).values_list("pk", flat=True)
    return [*found, *(id for id, name in _deleted() if folded(name).startswith(folded(text)))]


def in_history(ids: Sequence[int]) -> list[str]:
    """The names of those with finished entries, the most frequent first."""
    values = [str(each) for each in ids]
    counters = AuditValueCounter.objects.filter(field="user_id", value__in=values)
    found = counters.order_by("-attempts").values_list("value", "label")[:MAX_NAMES]
    names = present_names(ids)
    return [names.get(int(value), label) or value for value, label in found]


def present_names(ids: Collection[int]) -> dict[int, str]:
    """The names of those accounts that exist, by id."""
    accounts = User.objects.filter(pk__in=ids).values_list("pk", "username") if ids else ()
    return dict(accounts)


def _deleted() -> list[tuple[int, str]]:
    """Id and last recorded name of those with finished entries whose account no longer exists."""
    ids = User.objects.annotate(text=Cast("pk", CharField())).values("text")
    counters = AuditValueCounter.objects.filter(field="user_id").exclude(value__in=ids)
    rows = counters.values_list("value", "label")
    return [(int(value), name) for value, name in rows if value.isdecimal()]
