"""Measures the confirmation, the attempt and the pages around it."""

from __future__ import annotations

import logging
import os
import re
import sys
from html import unescape
from statistics import median

import django

django.setup()

import httpx  # noqa: E402
from django.contrib.auth.models import Group  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import override_settings  # noqa: E402

from ipadmin.katapult.client import KatapultClient  # noqa: E402
from ipadmin.katapult.errors import KatapultError  # noqa: E402
from ipadmin.katapult.types import Exchange, Secret  # noqa: E402
from ipadmin.models import ApiToken, AuditEntry, User  # noqa: E402
from ipadmin.services import api, tokens  # noqa: E402
from tests.bench import connections  # noqa: E402
from tests.bench.stage import TOKEN, Figures, stopwatch  # noqa: E402
from tests.conftest import prove_identity  # noqa: E402

TIMES = 100
HTMX = {"HX-Request": "true"}
PLAIN = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
CONFIRMATION = re.compile(r'name="confirmation" value="([^"]+)"')
CALLS: list[float] = []


def run(sandbox: str) -> None:
    """Measure and print; `sandbox` is the URL of a sandbox with 800 addresses."""
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    logging.disable(logging.INFO)
    call_command("migrate", verbosity=0)
    listen()
    user = User.objects.create_user("bench")
    user.groups.add(Group.objects.get(name="operator"))
    client = Client()
    client.force_login(user)
    prove_identity(client, user)
    with override_settings(STORAGES=PLAIN):
        print(f"{'median of each, in ms':<44}{'whole':>10} {'API':>9} {'ours':>9}  ratio")
        token = token_for(user, "Small")
        click = _the_click(client, token, allocated(sandbox, token))
        _the_history(client)
        _pooled_and_not(sandbox)
        connections.compare(sandbox, click)
        _large(client, user, sandbox)


def clicks(client: Client, token: ApiToken, addresses: dict[str, str]) -> tuple[Figures, Figures]:
    """Confirm and unallocate the addresses; the figures of the confirmations and the attempts."""
    base = f"/tokens/{token.id}/addresses/"
    asked, acted = Figures(), Figures()
    for id, address in addresses.items():
        url = f"{base}{id}/unallocate/?table=1"
        with stopwatch(asked, CALLS):
            page = client.get(url, headers=HTMX)
        found = CONFIRMATION.search(page.content.decode())
        assert found, page.content.decode()
        form = {"confirmation": unescape(found[1]), "typed_address": address}
        with stopwatch(acted, CALLS):
            page = client.post(url, form, headers=HTMX)
        assert b'data-tone="success"' in page.content, page.content.decode()
    return asked, acted


def _the_click(client: Client, token: ApiToken, addresses: dict[str, str]) -> float:
    """Return the median seconds of an attempt."""
    base = f"/tokens/{token.id}/addresses/"
    asked, acted = clicks(client, token, dict(list(addresses.items())[:TIMES]))
    print(asked.row("Confirmation (GET)"))
    print(acted.row("Act and result (POST)"))
    print_page(client, "Addresses, 600 of them, read anew", f"{base}?wait=1")
    print_page(client, "Addresses, 600 of them, stored", base)
    return median(acted.whole)


def _the_history(client: Client) -> None:
    print_page(client, f"History, {AuditEntry.objects.count()} entries", "/audit/")
    entry = AuditEntry.objects.first()
    assert entry
    print_page(client, "One entry", entry.get_absolute_url())


def _large(client: Client, user: User, sandbox: str) -> None:
    """The list of an organization with 100,000 addresses, which are 500 pages of the API."""
    httpx.post(f"{sandbox}/_sandbox/reset", json={"addresses": 133_334}, timeout=60)
    # The same secret is not added twice.
    user.api_tokens.all().delete()
    base = f"/tokens/{token_for(user, 'Large').id}/addresses/"
    print_page(client, "Addresses of 100,000, read anew", f"{base}?wait=1", times=3)
    print_page(client, "  a search in them, from the snapshot", f"{base}?q=web-1", part=True)
    print_page(
        client,
        "  the last page, sorted by host name",
        f"{base}?sort=reverse_dns&page=9999",
        part=True,
    )


def print_page(client: Client, name: str, url: str, *, part: bool = False, times: int = 20) -> None:
    figures = Figures()
    for _ in range(times):
        with stopwatch(figures, CALLS):
            page = client.get(url, headers=HTMX if part else None)
        assert page.status_code == 200
    print(figures.row(name))


def _pooled_and_not(sandbox: str) -> None:
    """One client for the process, compared with one for each call."""
    pooled, fresh = Figures(), Figures()
    for _ in range(TIMES):
        with stopwatch(pooled, CALLS):
            api.client().user_organizations(Secret(TOKEN))
        with stopwatch(fresh, CALLS):
            one = KatapultClient(sandbox, user_agent="bench", observe=_count)
            one.user_organizations(Secret(TOKEN))
            one.close()
    print(pooled.row("A call with the pooled client"))
    print(fresh.row("A call with a client of its own"))


def listen() -> None:
    """Add the duration of each API call to the figures, besides the usual observer."""
    tell = api.client()._observe
    assert tell

    def told(exchange: Exchange, error: KatapultError | None) -> None:
        _count(exchange, error)
        tell(exchange, error)

    api.client()._observe = told


def _count(exchange: Exchange, _error: KatapultError | None) -> None:
    CALLS.append(exchange.duration)


def token_for(user: User, label: str) -> ApiToken:
    """A token for the largest organization of the sandbox."""
    token = tokens.add(owner=user, label=label, secret=Secret(TOKEN))
    tokens.choose_organization(token, tokens.organizations(token)[-1])
    return token


def allocated(sandbox: str, token: ApiToken) -> dict[str, str]:
    """Id to text of the addresses that are allocated to virtual machines of the organization."""
    world = httpx.get(f"{sandbox}/_sandbox/world").json()
    return {
        each["id"]: each["address"]
        for each in world["ip_addresses"]
        if each["organization"] == token.organization_id
        and each["allocation_type"] == "VirtualMachine"
    }


if __name__ == "__main__":
    run(sys.argv[1])
