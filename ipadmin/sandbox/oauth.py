"""The sandbox as Katapult's identity provider: OAuth2 with a consent page, below `/oauth2/`.

Its refresh tokens are accepted once. Its access tokens are accepted by the API until they expire.
`Behaviour` says what goes wrong at the token endpoint.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from html import escape
from urllib.parse import parse_qsl, urlencode

import orjson

from .arguments import Request
from .tokens import ALL_SCOPES, OAUTH_PREFIX, Token, fingerprint
from .world import Organization

PREFIX = "/oauth2/"
CODE_SECONDS = 60
LOST = "lost"  # the request takes effect, and its answer does not arrive
JSON, HTML = "application/json", "text/html; charset=utf-8"
Form = dict[str, str]


@dataclass(slots=True)
class Behaviour:
    """`lifetime` of access tokens in seconds. The next `times` requests for tokens (all, if None)
    are answered after `seconds`, and with `error`, if there is one: an error code of OAuth2, `500`,
    or `lost`."""

    lifetime: float = 3600.0
    seconds: float = 0.0
    error: str = ""
    times: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """None for `status`: the connection is closed without an answer."""

    status: int | None
    content_type: str = JSON
    body: bytes = b""
    location: str = ""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person allowed. `owner` is the number of the organization."""

    owner: int
    scopes: frozenset[str]
    redirect_uri: str = ""
    challenge: str = ""
    expires_at: float = 0.0
    access_token: str = ""


class Refused(Exception):
    """The request is refused with this error code."""


def refusal(error: str) -> Answer:
    if error == "500":
        return Answer(500, HTML, b"<h1>500</h1>")
    body = orjson.dumps({"error": error})
    return Answer(401 if error == "invalid_client" else 400, body=body)


class Provider:
    """`tokens` are those that the API accepts."""

    def __init__(
        self, client: str, tokens: dict[str, Token], organizations: list[Organization]
    ) -> None:
        self.client_id, _, self.client_secret = client.partition(":")
        self.tokens, self.organizations = tokens, organizations
        self.behaviour = Behaviour()
        self.codes: dict[str, Grant] = {}
        self.grants: dict[str, Grant] = {}  # by refresh token
        self.expiry: dict[str, float] = {}  # by access token
        self.ledger: list[dict[str, str | None]] = []

    def expire(self) -> None:
        """Forget access tokens that have expired."""
        for token in [each for each, at in self.expiry.items() if at <= time.time()]:
            del self.expiry[token]
            self.tokens.pop(token, None)

    def answer(self, request: Request, authorization: str) -> tuple[float, Answer]:
        """Seconds to wait, and then the answer."""
        form = dict(parse_qsl(request.body.decode(errors="replace")))
        match request.method, request.path.removeprefix(PREFIX):
            case "GET", "auth":
                return 0, self.consent(dict(parse_qsl(request.query)))
            case "POST", "auth":
                return 0, self.decide(form)
            case "POST", "token":
                return self.behaving(lambda: self.token(form, authorization), form)
            case "POST", "revoke":
                return self.behaving(lambda: self.revoke(form, authorization), form)
        return 0, Answer(404, HTML, b"<h1>404</h1>")

    def behaving(self, act: Callable[[], Answer], form: Form) -> tuple[float, Answer]:
        behaviour = self.behaviour
        if behaviour.times == 0:
            behaviour = Behaviour(behaviour.lifetime)
        elif behaviour.times is not None:
            behaviour.times -= 1
        try:
            answer = act() if behaviour.error in {"", LOST} else refusal(behaviour.error)
        except Refused as error:
            answer = refusal(str(error))
        self.ledger.append(
            {
                "request": form.get("grant_type") or "revoke",
                "answer": behaviour.error or str(answer.status),
                "token_fingerprint": fingerprint(form.get("refresh_token") or form.get("token")),
            }
        )
        return behaviour.seconds, Answer(None) if behaviour.error == LOST else answer

    def consent(self, asked: Form) -> Answer:
        """The page that asks a person."""
        if problem := self.problem(asked):
            return Answer(400, HTML, f"<h1>{problem}</h1>".encode())
        hidden = "".join(
            f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
            for name, value in asked.items()
        )
        choices = "".join(
            f'<p><label><input type="radio" name="organization" value="{number}"'
            f"{' checked' * (number == 0)}> {escape(each.name)}</label></p>"
            for number, each in enumerate(self.organizations)
        )
        scopes = "".join(f"<li><code>{escape(s)}</code></li>" for s in asked["scope"].split())
        page = (
            '<!DOCTYPE html><html lang="en"><head><title>Katapult sandbox</title>'
            '<meta name="viewport" content="width=device-width"></head><body>'
            f"<h1>Allow access?</h1><p><b>{escape(self.client_id)}</b> asks for:</p>"
            f'<ul>{scopes}</ul><form method="post" action="{PREFIX}auth">{hidden}'
            f"<fieldset><legend>Organization</legend>{choices}</fieldset>"
            '<p><button name="decision" value="allow">Allow</button> '
            '<button name="decision" value="deny">Deny</button></p></form></body></html>'
        )
        return Answer(200, HTML, page.encode())

    def problem(self, asked: Form) -> str:
        if asked.get("client_id") != self.client_id:
            return "Unknown client"
        if not asked.get("redirect_uri", "").startswith(("http://", "https://")):
            return "No redirect URI"
        if asked.get("response_type") != "code" or asked.get("code_challenge_method") != "S256":
            return "Not a request for a code with PKCE"
        return "" if asked.get("code_challenge") and asked.get("scope") else "Something is missing"

    def decide(self, form: Form) -> Answer:
        if problem := self.problem(form):
            return Answer(400, HTML, f"<h1>{problem}</h1>".encode())
        query = {"state": form.get("state", "")}
        owners = {str(number): number for number in range(len(self.organizations))}
        owner = owners.get(form.get("organization", ""))
        if form.get("decision") == "allow" and owner is not None:
            names = {scope.removeprefix(OAUTH_PREFIX) for scope in form["scope"].split()}
            query["code"] = secrets.token_urlsafe(24)
            self.codes[query["code"]] = Grant(
                owner,
                ALL_SCOPES & names,
                form["redirect_uri"],
                form["code_challenge"],
                time.time() + CODE_SECONDS,
            )
        else:
            query["error"] = "access_denied"
        return Answer(303, HTML, location=f"{form['redirect_uri']}?{urlencode(query)}")

    def token(self, form: Form, authorization: str) -> Answer:
        """Access and refresh token for a code or a refresh token. Raises Refused."""
        self.authenticate(authorization)
        if form.get("grant_type") == "refresh_token":
            grant = self.grants.pop(form.get("refresh_token", ""), None)
        elif form.get("grant_type") == "authorization_code":
            grant = self.codes.pop(form.get("code", ""), None)
            digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            if grant and (
                grant.expires_at < time.time()
                or grant.redirect_uri != form.get("redirect_uri")
                or grant.challenge != challenge
            ):
                raise Refused("invalid_grant")
        else:
            raise Refused("unsupported_grant_type")
        if grant is None:
            raise Refused("invalid_grant")
        access, refresh = (f"{kind}-{secrets.token_urlsafe(24)}" for kind in ("at", "rt"))
        self.tokens[access] = Token("oauth", grant.scopes, (grant.owner,))
        self.expiry[access] = time.time() + self.behaviour.lifetime
        self.grants[refresh] = replace(grant, access_token=access)
        body = {
            "access_token": access,
            "refresh_token": refresh,
            "token_type": "Bearer",
            "expires_in": int(self.behaviour.lifetime),
            "scope": " ".join(sorted(OAUTH_PREFIX + scope for scope in grant.scopes)),
        }
        return Answer(200, body=orjson.dumps(body))

    def revoke(self, form: Form, authorization: str) -> Answer:
        """Of a refresh token, with its access token, or of an access token. [RFC 7009]"""
        self.authenticate(authorization)
        grant = self.grants.pop(form.get("token", ""), None)
        access = grant.access_token if grant else form.get("token", "")
        if self.expiry.pop(access, None) is not None:
            self.tokens.pop(access, None)
        return Answer(200, body=b"{}")

    def authenticate(self, authorization: str) -> None:
        given = authorization.removeprefix("Basic ")
        expected = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        if not hmac.compare_digest(given.encode(), expected.encode()):
            raise Refused("invalid_client")
