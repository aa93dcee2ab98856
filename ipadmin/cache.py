"""Caches that all processes share, with values as JSON.

Django's own caches unpickle what they read, so that anyone who can write to the table, or to Redis,
can run code in the site, which has the keys. Values are numbers, texts and lists of these.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.db import IntegrityError, transaction
from django.utils import timezone

from ipadmin.models import CacheEntry


class DatabaseCache(BaseCache):
    """In the table of `CacheEntry`. The worker deletes expired rows."""

    def __init__(self, _location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        return self.get_many([key], version).get(key, default)

    def get_many(self, keys: Iterable[str], version: int | None = None) -> dict[str, Any]:
        names = {self.make_and_validate_key(key, version=version): key for key in keys}
        rows = CacheEntry.objects.filter(cache_key__in=names, expires__gt=timezone.now())
        found = {names[name]: _read(text) for name, text in rows.values_list("cache_key", "value")}
        return {key: value for key, value in found.items() if value is not None}

    def set(
        self,
        key: str,
        value: Any,
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> None:
        name = self.make_and_validate_key(key, version=version)
        CacheEntry.objects.update_or_create(cache_key=name, defaults=self._row(value, timeout))

    def add(
        self,
        key: str,
        value: Any,
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> bool:
        """Atomic: of several processes, one gets True."""
        name = self.make_and_validate_key(key, version=version)
        CacheEntry.objects.filter(cache_key=name, expires__lte=timezone.now()).delete()
        try:
            with transaction.atomic():
                CacheEntry.objects.create(cache_key=name, **self._row(value, timeout))
        except IntegrityError:
            return False
        return True

    def touch(self, key: str, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        name = self.make_and_validate_key(key, version=version)
        rows = CacheEntry.objects.filter(cache_key=name, expires__gt=timezone.now())
        return rows.update(expires=self._expires(timeout)) == 1

    def delete(self, key: str, version: int | None = None) -> bool:
        name = self.make_and_validate_key(key, version=version)
        return CacheEntry.objects.filter(cache_key=name).delete()[0] == 1

    def clear(self) -> None:
        CacheEntry.objects.all().delete()

    def _row(self, value: Any, timeout: Any) -> dict[str, Any]:
        return {"value": json.dumps(value), "expires": self._expires(timeout)}

    def _expires(self, timeout: Any) -> datetime:
        seconds = self.get_backend_timeout(timeout)
        if seconds is None:
            return datetime.max.replace(tzinfo=UTC)
        return datetime.fromtimestamp(seconds, UTC)


class JsonSerializer:
    """For Django's RedisCache."""

    def dumps(self, value: Any) -> bytes:
        return json.dumps(value).encode()

    def loads(self, data: bytes) -> Any:
        return _read(data)


def _read(data: bytes | str) -> Any:
    """None for what this module has not written."""
    try:
        return json.loads(data)
    except ValueError:
        return None


def delete_expired() -> None:
    CacheEntry.objects.filter(expires__lte=timezone.now()).delete()
