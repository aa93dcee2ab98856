"""The cache that processes share: atomic, expiring, and never unpickled."""

from __future__ import annotations

import base64
import pickle
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.conf import settings
from django.core.cache import cache
from django.test import override_settings
from django.utils import timezone

from ipadmin.cache import JsonSerializer, delete_expired
from ipadmin.models import CacheEntry

pytestmark = pytest.mark.django_db


class Planted:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return pytest.fail, ("a value was unpickled",)


@pytest.fixture(autouse=True)
def _in_the_database() -> Iterator[None]:
    with override_settings(CACHES=settings.CACHES | {"default": settings.DATABASE_CACHE}):
        yield


def expire() -> None:
    CacheEntry.objects.update(expires=timezone.now() - timedelta(seconds=1))


def test_a_value_is_kept_until_it_expires() -> None:
    cache.set("history", [1.5, 2], 60)
    assert cache.get("history") == [1.5, 2]
    assert cache.get_many(["history", "other"]) == {"history": [1.5, 2]}
    expire()
    assert cache.get("history", "none") == "none"


def test_only_one_adds_a_value() -> None:
    assert cache.add("lock", 1, 60)
    assert not cache.add("lock", 2, 60)
    assert cache.get("lock") == 1
    expire()
    assert cache.add("lock", 3, 60)


def test_touching_and_deleting() -> None:
    cache.set("a", 1, 1)
    assert cache.touch("a", 600)
    assert not cache.touch("b", 600)
    assert CacheEntry.objects.get().expires > timezone.now() + timedelta(seconds=500)
    assert cache.delete("a")
    assert not cache.delete("a")


def test_a_value_without_a_timeout_stays() -> None:
    cache.set("a", 1, None)
    delete_expired()
    assert cache.get("a") == 1
    cache.clear()
    assert cache.get("a") is None


def test_expired_rows_are_deleted() -> None:
    cache.set("a", 1, 60)
    expire()
    delete_expired()
    assert not CacheEntry.objects.exists()


def test_a_planted_pickle_is_not_read() -> None:
    planted = base64.b64encode(pickle.dumps(Planted())).decode()
    cache.set("a", 1, 60)
    CacheEntry.objects.update(value=planted)
    assert cache.get("a") is None
    assert JsonSerializer().loads(pickle.dumps(Planted())) is None
    assert JsonSerializer().loads(JsonSerializer().dumps([1, "x"])) == [1, "x"]
