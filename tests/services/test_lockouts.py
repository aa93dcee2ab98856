"""The counts of guessed passwords when several processes count at the same time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings
from django.db import connection
from django.test import override_settings

from ipadmin.services import lockouts

ADDRESS = "198.51.100.1"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _shared_cache(transactional_db: None) -> Iterator[None]:
    with override_settings(CACHES=settings.CACHES | {"default": settings.DATABASE_CACHE}):
        yield


def guess_wrong(_: int) -> str:
    try:
        guess = lockouts.begin("alice", ADDRESS)
        return "began a lock-out" if lockouts.fail(guess) else "checked"
    except lockouts.TooMany:
        return "refused"
    finally:
        connection.close()


def test_simultaneous_guesses_do_not_exceed_the_limit() -> None:
    with ThreadPoolExecutor(8) as threads:
        found = Counter(threads.map(guess_wrong, range(24)))
    assert found == {"refused": 19, "checked": 4, "began a lock-out": 1}
