"""One refresh at a time, however many threads and processes ask for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any, TypeVar

import pytest
from django.conf import settings as django_settings
from django.db import connection as database
from django.utils import timezone

from ipadmin.katapult.errors import ConnectAgain, IdentityUnavailable
from ipadmin.models import ApiToken, User
from ipadmin.models.cache_entry import CacheEntry
from ipadmin.sandbox import Sandbox
from ipadmin.services import api, inventory, oauth
from tests.oauth import connected, refreshes

pytestmark = pytest.mark.django_db(transaction=True)

T = TypeVar("T")
AT_ONCE = 6


@pytest.fixture
def connection(alice: User, identity: Sandbox) -> ApiToken:
    made = connected(alice)
    ApiToken.objects.update(expires_at=timezone.now())
    return made


def at_once(work: Callable[[], T], times: int = AT_ONCE) -> list[T]:
    """The results of threads with connections of their own that begin together."""
    barrier = Barrier(times)

    def one(_: int) -> T:
        try:
            barrier.wait()
            return work()
        finally:
            database.close()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))


def use() -> str:
    """Use the connection as a request does; the fingerprint that it is used with."""
    with api.using(ApiToken.objects.get()) as secret:
        assert api.client().organizations(secret).value
        return secret.newest.fingerprint


def test_threads_that_find_it_expired_refresh_once(connection: ApiToken, identity: Sandbox) -> None:
    identity.behave(seconds=0.3)
    used = at_once(use)
    assert refreshes(identity) == ["200"]
    assert set(used) == {ApiToken.objects.get().fingerprint}
    # The new refresh token was stored, not one that was overwritten.
    ApiToken.objects.update(expires_at=timezone.now())
    use()
    assert refreshes(identity) == ["200", "200"]


def test_threads_whose_reads_are_refused_refresh_once(
    connection: ApiToken, identity: Sandbox
) -> None:
    ApiToken.objects.update(expires_at=timezone.now() + timedelta(hours=1))
    identity.engine.tokens.pop(connection.decrypt_secret().reveal())
    identity.behave(seconds=0.3)
    at_once(use)
    assert refreshes(identity) == ["200"]


def test_the_pages_of_a_list_refresh_once(connection: ApiToken, identity: Sandbox) -> None:
    identity.reset(addresses=2500)
    token = connected(connection.owner)
    first = inventory.read(token)
    identity.engine.tokens.pop(token.decrypt_secret().reveal())
    again = inventory.read(token)
    assert again.is_complete
    assert len(again.addresses) == len(first.addresses) > 1000
    assert again.has_names
    assert refreshes(identity) == ["200"]


def test_a_refused_refresh_is_asked_for_once(connection: ApiToken, identity: Sandbox) -> None:
    identity.behave(seconds=0.2, error="invalid_grant")

    def refused() -> bool:
        with pytest.raises(ConnectAgain):
            use()
        return True

    assert all(at_once(refused))
    assert refreshes(identity) == ["invalid_grant"]


PROCESS = """
import django
django.setup()
from tests.services.test_oauth_at_once import at_once, use
print(*at_once(use, 3))
"""


def test_processes_refresh_once(connection: ApiToken, identity: Sandbox) -> None:
    identity.behave(seconds=0.5)
    environment = os.environ | {
        "DATABASE_URL": database_url(database.settings_dict),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "KATAPULT_API_URL": identity.url,
        **{
            name: str(getattr(django_settings, name))
            for name in dir(django_settings)
            if name.startswith("KATAPULT_OAUTH_")
        },
    }
    arguments = [sys.executable, "-W", "ignore", "-c", PROCESS]
    processes = [
        subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    results = [process.communicate(timeout=60)[0].splitlines()[-1] for process in processes]
    assert refreshes(identity) == ["200"]
    fingerprint = ApiToken.objects.get().fingerprint
    assert results == [" ".join([fingerprint] * 3)] * 3


def database_url(parts: dict[str, Any]) -> str:
    if database.vendor == "sqlite":
        return f"sqlite:///{parts['NAME']}"
    host = f"{parts['HOST']}:{parts['PORT']}" if parts["PORT"] else parts["HOST"]
    return f"postgresql://{parts['USER']}:{parts['PASSWORD']}@{host}/{parts['NAME']}"


def lease(token: ApiToken, seconds: float) -> None:
    """As another process has it."""
    ends = timezone.now() + timedelta(seconds=seconds)
    CacheEntry.objects.create(cache_key=f"refresh:{token.pk}", value="other", expires=ends)


def test_the_lease_of_a_process_that_died_expires(connection: ApiToken, identity: Sandbox) -> None:
    lease(connection, -1)
    use()
    assert refreshes(identity) == ["200"]
    assert not CacheEntry.objects.exists()


def test_it_does_not_wait_for_ever_nor_take_away_a_lease(
    connection: ApiToken, identity: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease(connection, 60)
    monkeypatch.setattr(oauth, "LEASE", timedelta(seconds=0.2))
    with pytest.raises(IdentityUnavailable):
        use()
    assert refreshes(identity) == []
    assert CacheEntry.objects.get().value == "other"
