"""Katapult's OAuth2 in tests: the sandbox as the identity provider, and a person who decides."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qsl, urlsplit

import httpx
from pytest_django import Settings

from ipadmin.audit.activity import Actor
from ipadmin.katapult.oauth import Grant
from ipadmin.models import ApiToken, User
from ipadmin.sandbox import Sandbox
from ipadmin.services import connections, oauth

BACK = "http://testserver/tokens/connected/"
CLIENT_SECRET = "planted-client-secret-CANARY"
CLIENT = f"ipadmin:{CLIENT_SECRET}"


@contextmanager
def provider(box: Sandbox, settings: Settings) -> Iterator[Sandbox]:
    """The site uses the sandbox as its identity provider."""
    settings.KATAPULT_OAUTH_CLIENT_ID, _, secret = box.options.oauth_client.partition(":")
    settings.KATAPULT_OAUTH_CLIENT_SECRET = secret
    settings.KATAPULT_OAUTH_AUTHORIZE_URL = f"{box.url}/oauth2/auth"
    settings.KATAPULT_OAUTH_TOKEN_URL = f"{box.url}/oauth2/token"
    settings.KATAPULT_OAUTH_REVOKE_URL = f"{box.url}/oauth2/revoke"
    oauth.client.cache_clear()
    yield box
    oauth.client.cache_clear()


def decide(url: str, decision: str = "allow", organization: int = 0) -> dict[str, str]:
    """The query that the provider sends the browser back with."""
    parts = urlsplit(url)
    assert httpx.get(url).status_code == 200
    form = dict(parse_qsl(parts.query)) | {
        "decision": decision,
        "organization": str(organization),
    }
    answer = httpx.post(f"{parts.scheme}://{parts.netloc}{parts.path}", data=form)
    assert answer.status_code == 303
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))


def allowed(organization: int = 0) -> Grant:
    """A grant that a person has just allowed."""
    url, _, verifier = oauth.client().authorize_url(BACK)
    return oauth.client().exchange(decide(url, organization=organization)["code"], verifier, BACK)


def connected(owner: User, organization: int = 0) -> ApiToken:
    return connections.connect(owner, allowed(organization), Actor(user_id=owner.pk))


def refreshes(box: Sandbox) -> list[str]:
    """The answers to the requests to refresh."""
    return [str(e["answer"]) for e in box.oauth_ledger() if e["request"] == "refresh_token"]
