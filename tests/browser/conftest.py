"""Fixtures of the browser tests: the site on a real port, the sandbox as its API, and browsers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client, override_settings
from playwright.sync_api import Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from ipadmin.katapult.types import Secret
from ipadmin.models import ApiToken, User
from ipadmin.sandbox import Sandbox
from ipadmin.services import api, inventory, tokens
from tests.browser.chromium import find_chromium
from tests.browser.steps import TIMEOUT_MILLISECONDS
from tests.browser.witness import PLANTED, witness
from tests.conftest import prove_identity

Browse = Callable[..., Page]

expect.set_options(timeout=TIMEOUT_MILLISECONDS)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """The system's Chromium. Without one, the tests fail in CI and are skipped elsewhere."""
    chromium = find_chromium()
    if chromium is None:
        complain = pytest.fail if os.environ.get("CI") else pytest.skip
        complain("No Chromium found: scripts/install_chromium installs one.")
    # Chromium's own sandbox does not work as root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    return {**browser_type_launch_args, "executable_path": chromium, "args": arguments}


@pytest.fixture(scope="session")
def live_server(request: pytest.FixtureRequest) -> LiveServer:
    """pytest-django's server, with the witness as its outermost middleware."""
    middleware = ["tests.browser.witness.recording", *django_settings.MIDDLEWARE]
    with override_settings(MIDDLEWARE=middleware):
        server: LiveServer = request.getfixturevalue("live_server")
    return server


@pytest.fixture(scope="session")
def base_url(live_server: LiveServer) -> str:
    """The URL that paths in tests are relative to."""
    return live_server.url


@pytest.fixture(scope="session")
def katapult() -> Iterator[Sandbox]:
    with Sandbox(token=PLANTED) as box:
        yield box


@pytest.fixture
def box(katapult: Sandbox, settings: Settings) -> Iterator[Sandbox]:
    """The sandbox that the site calls, with a new world."""
    katapult.reset(addresses=40)
    katapult.set_faults([])
    settings.KATAPULT_API_URL = katapult.url
    # Stored here, because a test may replace `api.client`.
    client = api.client
    client.cache_clear()
    yield katapult
    # A list may still be read for a page that was closed.
    for lock in list(inventory._locks.values()):
        if lock.acquire(timeout=10):
            lock.release()
    client().close()
    client.cache_clear()


@pytest.fixture
def token(alice: User, box: Sandbox) -> ApiToken:
    """alice's token, for Northwind."""
    return add_token(alice, PLANTED)


def add_token(owner: User, secret: str, label: str = "Main") -> ApiToken:
    token = tokens.add(owner=owner, label=label, secret=Secret(secret))
    if not token.is_ready:
        found = tokens.organizations(token)
        tokens.choose_organization(token, next(o for o in found if o.sub_domain == "northwind"))
    return token


@pytest.fixture
def browse(
    new_context: Callable[..., Any], live_server: LiveServer, transactional_db: None, box: Sandbox
) -> Iterator[Browse]:
    """Opens a new browser: `browse()`, or `browse(alice)` signed in as her."""
    witness.begin()
    contexts = []

    def open_browser(user: User | None = None, **options: Any) -> Page:
        context = new_context(reduced_motion="reduce", **options)
        context.set_default_timeout(TIMEOUT_MILLISECONDS)
        contexts.append(context)
        witness.watch(context)
        if user:
            context.add_cookies([session(user, live_server.url)])
        page: Page = context.new_page()
        return page

    yield open_browser
    for context in contexts:
        witness.keeps_no_secret(context)
        context.close()
    witness.testify()


def session(user: User, url: str) -> dict[str, str]:
    """The session cookie of a signed-in user."""
    client = Client()
    client.force_login(user)
    prove_identity(client, user)
    name = django_settings.SESSION_COOKIE_NAME
    return {"name": name, "value": client.cookies[name].value, "url": url}


@pytest.fixture
def page(browse: Browse, alice: User, token: ApiToken) -> Page:
    """alice's browser, signed in."""
    return browse(alice)
