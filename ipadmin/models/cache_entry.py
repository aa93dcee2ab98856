from __future__ import annotations

from django.conf import settings
from django.db import models


class CacheEntry(models.Model):
    """A value of the cache that all processes share (`ipadmin/cache.py`), unless CACHE_URL names a
    Redis server. `services/oauth.py` keeps its leases here in any case."""

    cache_key = models.CharField(max_length=255, primary_key=True)
    value = models.TextField()
    expires = models.DateTimeField(db_index=True)

    class Meta:
        db_table = settings.CACHE_TABLE
        default_permissions = ()

    def __str__(self) -> str:
        return self.cache_key
