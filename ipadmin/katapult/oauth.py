"""Katapult's OAuth2: authorization code with PKCE, refresh, revocation. Authlib has the protocol.

The access token of a grant is used as an API token is. [doc]
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
from authlib.common.security import generate_token
from authlib.oauth2 import OAuth2Client, OAuth2Error

from ipadmin.katapult.call import HEADER_VALUE, remove_tracebacks
from ipadmin.katapult.errors import ConnectAgain, IdentityUnavailable
from ipadmin.katapult.transport import Transport, deadline
from ipadmin.katapult.types import Exchange, Secret

T = TypeVar("T")

# Of each scope. [doc]
SCOPE_PREFIX = "api.katapult.io/core/v1/"
SCOPES = ("ip_addresses", "ip_addresses:read", "organizations:read", "virtual_machines:read")
# Seconds for one request, as long as a person waits for a page.
TOTAL_SECONDS = 10.0
MAX_ANSWER_BYTES = 64 * 1024
# Of an error answer. [RFC 6749, 5.2] Any other text might be a secret.
CODES = frozenset({"invalid_client", "invalid_grant", "invalid_scope", "unauthorized_client"})
# Longest lifetime that is believed, in seconds: a year.
LONGEST_LIFETIME = 366 * 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class Endpoints:
    """URLs of the provider; `revoke` is empty where it has none."""

    authorize: str
    token: str
    revoke: str = ""


@dataclass(frozen=True, slots=True)
class Grant:
    """An answer of the token endpoint. `scopes` are without prefix, and empty where it named none;
    `lifetime` of the access token is in seconds, None where it is not known."""

    access_token: Secret
    refresh_token: Secret | None
    lifetime: int | None
    scopes: tuple[str, ...]


class OAuthClient:
    """Safe to share between threads. Raises IdentityUnavailable, and ConnectAgain if the provider
    does not accept the code or the refresh token."""

    def __init__(
        self,
        endpoints: Endpoints,
        client_id: str,
        client_secret: Secret,
        *,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._endpoints, self._id = endpoints, client_id
        self._auth = httpx.BasicAuth(client_id, client_secret.reveal())
        self._http = httpx.Client(
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            timeout=TOTAL_SECONDS,
            trust_env=False,
            transport=_Limited(transport or Transport(max_connections=4, reuse=False)),
        )

    def authorize_url(self, redirect_uri: str) -> tuple[str, str, str]:
        """Where to send the browser, and the state and code verifier to keep for its return."""
        state, verifier = generate_token(43), generate_token(64)
        client = OAuth2Client(self._http, self._id, code_challenge_method="S256")
        url, _ = client.create_authorization_url(
            self._endpoints.authorize,
            state=state,
            code_verifier=verifier,
            redirect_uri=redirect_uri,
            scope=[SCOPE_PREFIX + scope for scope in SCOPES],
        )
        return url, state, verifier

    def exchange(self, code: str, verifier: str, redirect_uri: str) -> Grant:
        """The grant of an authorization code."""
        return self._grant(
            lambda client: client.fetch_token(
                self._endpoints.token,
                grant_type="authorization_code",
                auth=self._auth,
                code=code,
                code_verifier=verifier,
                redirect_uri=redirect_uri,
            )
        )

    def refresh(self, refresh_token: Secret) -> Grant:
        """The next grant. The provider may not accept the refresh token a second time."""
        return self._grant(
            lambda client: client.refresh_token(
                self._endpoints.token, refresh_token=refresh_token.reveal(), auth=self._auth
            )
        )

    def revoke(self, token: Secret) -> None:
        """Revoke a refresh token, or an access token, if the provider can."""
        url = self._endpoints.revoke

        def revoke(client: OAuth2Client) -> None:
            client.revoke_token(url, token=token.reveal(), auth=self._auth).raise_for_status()

        if url:
            self._request(url, revoke)

    def _grant(self, ask: Callable[[OAuth2Client], Mapping[str, Any]]) -> Grant:
        return self._request(self._endpoints.token, lambda client: _read(ask(client)))

    def _request(self, url: str, ask: Callable[[OAuth2Client], T]) -> T:
        started, failure = time.monotonic(), ""
        try:
            return ask(OAuth2Client(self._http, self._id))
        except OAuth2Error as error:
            code = failure = str(error.error) if str(error.error) in CODES else "another error"
        except Exception as error:  # noqa: BLE001 - one of two errors is raised for it below
            # Its text and its traceback may hold a secret.
            code, failure = "", type(error).__name__
            remove_tracebacks(error)
        exchange = Exchange("POST", urlsplit(url).path, time.monotonic() - started)
        kind = ConnectAgain if code == "invalid_grant" else IdentityUnavailable
        raise kind(failure, exchange)


def _read(answer: Mapping[str, Any]) -> Grant:
    """Raises an exception of any kind for an answer that is not as RFC 6749 describes it."""
    if str(answer["token_type"]).lower() != "bearer":
        raise ValueError("not a bearer token")
    access, refresh = answer["access_token"], answer.get("refresh_token")
    for token in (access, *([] if refresh is None else [refresh])):
        if not HEADER_VALUE.fullmatch(token):
            raise ValueError("not a token")
    lifetime = answer.get("expires_in")
    scopes = str(answer.get("scope") or "").split()
    return Grant(
        Secret(access),
        Secret(refresh) if refresh else None,
        None if lifetime is None else max(0, min(int(lifetime), LONGEST_LIFETIME)),
        tuple(scope.removeprefix(SCOPE_PREFIX)[:100] for scope in scopes[:50]),
    )


class _Limited(httpx.BaseTransport):
    """Limits time and size of an answer, and passes on its type and content only: redirects are not
    followed, no cookie is kept."""

    def __init__(self, transport: httpx.BaseTransport) -> None:
        self._transport = transport

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        content = bytearray()
        with deadline(TOTAL_SECONDS):
            answer = self._transport.handle_request(request)
            try:
                if "Content-Encoding" in answer.headers:
                    raise httpx.DecodingError("the answer is compressed, against our request")
                for chunk in answer.iter_bytes():
                    content += chunk
                    if len(content) > MAX_ANSWER_BYTES:
                        raise httpx.ReadError("the answer is too large")
            finally:
                answer.close()
        headers = {"Content-Type": answer.headers.get("Content-Type", "")}
        return httpx.Response(answer.status_code, headers=headers, content=bytes(content))
