"""Answers of the token endpoint, and what of them may reach an error."""

from __future__ import annotations

import traceback
from typing import Any

import httpx
import pytest

from ipadmin.katapult.errors import ConnectAgain, IdentityUnavailable, NotSent
from ipadmin.katapult.oauth import LONGEST_LIFETIME, Endpoints, Grant, OAuthClient
from ipadmin.katapult.types import Secret

ENDPOINTS = Endpoints("https://id.test/auth", "https://id.test/token", "https://id.test/revoke")
REFRESH, ACCESS = "refresh-CANARY-0123456789", "access-CANARY-0123456789"
GOOD = {"access_token": ACCESS, "token_type": "Bearer"}


def client(answer: httpx.Response | Exception, requests: list[httpx.Request]) -> OAuthClient:
    def respond(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    transport = httpx.MockTransport(respond)
    return OAuthClient(ENDPOINTS, "ipadmin", Secret("client-CANARY"), transport=transport)


def refreshed(answer: httpx.Response | Exception) -> Grant:
    return client(answer, []).refresh(Secret(REFRESH))


def test_the_client_authenticates_in_the_header_and_sends_a_form() -> None:
    requests: list[httpx.Request] = []
    client(httpx.Response(200, json=GOOD), requests).refresh(Secret(REFRESH))
    [request] = requests
    assert (request.method, str(request.url)) == ("POST", ENDPOINTS.token)
    assert request.headers["Authorization"].startswith("Basic ")
    assert request.content == f"grant_type=refresh_token&refresh_token={REFRESH}".encode()


def test_an_answer_with_little_in_it() -> None:
    # Authlib keeps the refresh token where the answer has none. [RFC 6749, 6]
    grant = refreshed(httpx.Response(200, json=GOOD))
    assert (grant.access_token, grant.refresh_token) == (Secret(ACCESS), Secret(REFRESH))
    assert (grant.lifetime, grant.scopes) == (None, ())


@pytest.mark.parametrize(
    ("given", "lifetime"), [(60, 60), ("60", 60), (-5, 0), (1e300, LONGEST_LIFETIME)]
)
def test_lifetimes(given: object, lifetime: int) -> None:
    assert refreshed(httpx.Response(200, json=GOOD | {"expires_in": given})).lifetime == lifetime


def test_scopes_are_without_prefix() -> None:
    scope = "api.katapult.io/core/v1/ip_addresses openid"
    grant = refreshed(httpx.Response(200, json=GOOD | {"scope": scope}))
    assert grant.scopes == ("ip_addresses", "openid")


def quoting(status: int, **body: Any) -> httpx.Response:
    return httpx.Response(status, json=body)


BAD: dict[str, httpx.Response | Exception] = {
    "empty": httpx.Response(200),
    "HTML": httpx.Response(200, html=f"<p>{REFRESH} {ACCESS}"),
    "a list": httpx.Response(200, json=[ACCESS]),
    "nothing": quoting(200),
    "null": quoting(200, access_token=None, token_type="Bearer"),
    "a number": quoting(200, access_token=7, token_type="Bearer"),
    "a line break": quoting(200, access_token=f"{ACCESS}\r\nX: y", token_type="Bearer"),
    "not ASCII": quoting(200, access_token=f"{ACCESS}é", token_type="Bearer"),
    "another type": quoting(200, access_token=ACCESS, token_type="mac"),
    "no type": quoting(200, access_token=ACCESS),
    "a wrong refresh token": quoting(200, **GOOD, refresh_token=[ACCESS]),
    "a wrong lifetime": quoting(200, **GOOD, expires_in="soon"),
    "an endless lifetime": httpx.Response(
        200, content=b'{"access_token":"a","token_type":"bearer","expires_in":1e999}'
    ),
    "an error object": quoting(400, error={"code": ACCESS}),
    "a quoting error": quoting(400, error="x", error_description=f"“{REFRESH}”"),
    "invalid_client": quoting(401, error="invalid_client"),
    "500": httpx.Response(500, text=REFRESH),
    "429": httpx.Response(429, text="slow down"),
    "a redirect": httpx.Response(302, headers={"Location": "https://evil.test/"}),
    "a wrong redirect": httpx.Response(302, headers={"Location": "https://[oops"}),
    "too large": httpx.Response(200, content=b" " * 70_000 + b"{}"),
    "compressed": httpx.Response(200, headers={"Content-Encoding": "x"}, content=b"{}"),
    "no connection": httpx.ConnectError(REFRESH),
    "lost": httpx.ReadTimeout(REFRESH),
    "anything": RuntimeError(REFRESH),
}


@pytest.mark.parametrize("name", BAD)
def test_another_answer_can_be_tried_again_and_no_secret_is_shown(name: str) -> None:
    with pytest.raises(IdentityUnavailable) as caught:
        refreshed(BAD[name])
    shown = "".join(traceback.format_exception(caught.value))
    assert "CANARY" not in shown + repr(vars(caught.value))
    assert caught.value.is_definite


def test_invalid_grant_is_final() -> None:
    with pytest.raises(ConnectAgain):
        refreshed(quoting(400, error="invalid_grant", error_description="expired"))


def test_a_redirect_is_not_followed() -> None:
    requests: list[httpx.Request] = []
    with pytest.raises(NotSent):
        client(BAD["a redirect"], requests).refresh(Secret(REFRESH))
    assert len(requests) == 1


def test_nothing_is_revoked_without_an_endpoint() -> None:
    none = OAuthClient(Endpoints("https://id.test/a", "https://id.test/t"), "x", Secret("y"))
    none.revoke(Secret(REFRESH))


@pytest.mark.parametrize("status", [200, 204])
def test_revoked(status: int) -> None:
    requests: list[httpx.Request] = []
    client(httpx.Response(status), requests).revoke(Secret(REFRESH))
    assert requests[0].content == f"token={REFRESH}".encode()
    with pytest.raises(IdentityUnavailable):
        client(httpx.Response(503), []).revoke(Secret(REFRESH))
