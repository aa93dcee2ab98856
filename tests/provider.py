"""A small OpenID Connect provider: real HTTP in a thread, ID tokens signed with RS256."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests
from joserfc import jwt
from joserfc.jwk import RSAKey
from pytest_django import Settings

CLIENT_ID, CLIENT_SECRET = "ip-admin", "planted-oidc-secret-CANARY"
KEY = RSAKey.generate_key(2048, {"kid": "1", "use": "sig", "alg": "RS256"})
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "1", "use": "sig", "alg": "RS256"})
PERSON: dict[str, Any] = {
    "sub": "248289761001",
    "preferred_username": "carol",
    "given_name": "Carol",
    "family_name": "Danvers",
    "email": "carol@example.com",
    "email_verified": True,
    "groups": ["ops", "everyone"],
}


class Provider(ThreadingHTTPServer):
    """`person` is who is signed in there. Its claims are in the answer of `userinfo`, those of
    `id_token` in the ID token as well; None removes one."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.person = dict(PERSON)
        self.id_token: dict[str, Any] = {}
        self.key = KEY
        self.answers: dict[str, Any] = {}  # by path, instead of the usual one
        self.asked: list[dict[str, str]] = []  # at the sign-in page
        self.codes: dict[str, dict[str, str]] = {}
        self.tokens: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def code(self, asked: dict[str, str]) -> dict[str, str]:
        """What the browser is sent back with."""
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return {"code": code, "state": asked["state"]}

    def signed(self, asked: dict[str, str]) -> str:
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "sub": self.person["sub"],
            "iat": now,
            "exp": now + 300,
            "auth_time": now,
            "nonce": asked.get("nonce"),
            **self.id_token,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode({"alg": "RS256", "kid": "1"}, claims, self.key)

    def token(self, form: dict[str, str]) -> dict[str, Any]:
        asked = self.codes.pop(form.get("code", ""), {})
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        is_client = (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        if not asked or not is_client or challenge != asked["code_challenge"]:
            return {"error": "invalid_grant"}
        self.tokens.append(secrets.token_urlsafe(16))
        answer = {"access_token": self.tokens[-1], "token_type": "Bearer", "expires_in": 300}
        return answer | {"id_token": self.signed(asked)}


class Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        url = self.server.url
        match parts.path:
            case "/.well-known/openid-configuration":
                ends = ("authorization", "token", "userinfo")
                found = {f"{name}_endpoint": f"{url}/{name}" for name in ends}
                methods = ["client_secret_post"]
                found |= {"issuer": url, "jwks_uri": f"{url}/jwks"}
                self.answer(found | {"token_endpoint_auth_methods_supported": methods})
            case "/jwks":
                self.answer({"keys": [KEY.as_dict(private=False)]})
            case "/userinfo":
                assert self.headers["Authorization"].split()[-1] in self.server.tokens
                self.answer({k: v for k, v in self.server.person.items() if v is not None})
            case "/authorization":
                self.server.asked.append(query)
                back = query["redirect_uri"]
                allow = f"{back}?{urlencode(self.server.code(query))}"
                denied = {"error": "access_denied", "state": query["state"]}
                deny = f"{back}?{urlencode(denied)}"
                page = f"<title>P</title><h1>Provider</h1><a href='{allow}'>Sign in as Carol</a>"
                self.answer(f"{page} <a href='{deny}'>Cancel</a>".replace("&", "&amp;"))
            case _:
                self.send_error(404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.answer(self.server.token(dict(parse_qsl(body))))

    def answer(self, body: object) -> None:
        body = self.server.answers.get(urlsplit(self.path).path, body)
        is_page = isinstance(body, str)
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(400 if isinstance(body, dict) and "error" in body else 200)
        self.send_header("Content-Type", "text/html" if is_page else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Not to stderr."""


@contextmanager
def running(settings: Settings) -> Iterator[Provider]:
    """The provider that the site uses, for people of example.com."""
    with Provider() as provider:
        thread = threading.Thread(target=provider.serve_forever, args=(0.05,))
        thread.start()
        settings.OIDC_DISCOVERY_URL = f"{provider.url}/.well-known/openid-configuration"
        settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = CLIENT_ID, CLIENT_SECRET
        settings.OIDC_NAME, settings.OIDC_ALLOWED_DOMAIN = "Example ID", "example.com"
        settings.OIDC_ROLES = {"ops": "operator", "sec": "auditor", "boss": "administrator"}
        yield provider
        provider.shutdown()
        thread.join()


def visit(url: str) -> None:
    """The sign-in page, as a browser opens it."""
    assert requests.get(url, timeout=5).status_code == 200
