"""The tokens that the sandbox knows, and their rate limits.

`T` may do everything its scopes allow; `T-read-only`, `T-expired` and so on reach the documented
errors without any fault. The ledger shows labels and fingerprints, never secrets.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

READ_SCOPES = frozenset({"ip_addresses:read", "organizations:read", "virtual_machines:read"})
ALL_SCOPES = READ_SCOPES | {"ip_addresses"}
OAUTH_PREFIX = "api.katapult.io/core/v1/"  # how OAuth2 names the same scopes [doc]


@dataclass(frozen=True, slots=True)
class Token:
    label: str
    scopes: frozenset[str] = ALL_SCOPES
    owners: tuple[int, ...] = (0, 1)  # which organizations of the world it sees
    has_user: bool = True
    may_write: bool = True
    refused: str | None = None  # the code every call of it is answered with
    permitted: int | None = None  # calls a minute, if fewer than those of others


SPECIAL = (
    Token("read-only", READ_SCOPES),
    Token("no-organizations", frozenset({"ip_addresses"}), (0,), has_user=False),
    Token("no-scopes", frozenset()),
    Token("no-machines", ALL_SCOPES - {"virtual_machines:read"}),
    Token("second", owners=(1,)),
    Token("denied", may_write=False),
    Token("suspended", owners=(2,)),
    Token("not-activated", owners=(3,)),
    Token("empty", owners=(4,)),
    Token("low-limit", permitted=200),  # [seen]
    Token("other-network", refused="unauthorized_network_for_api_token"),
    Token("expired", refused="invalid_api_token"),
    Token("bad-capabilities", refused="invalid_capabilities_token"),
)


def known_tokens(secrets: str, scopes: str) -> dict[str, Token]:
    """Each known secret and its token. `secrets` is one, or several with commas, each of which may
    do everything that `scopes` allow."""
    names = (scope.removeprefix(OAUTH_PREFIX) for scope in scopes.split(","))
    everything = Token("everything", frozenset(names))
    tokens = dict.fromkeys(secrets.split(","), everything)
    first = next(iter(tokens))
    return tokens | {f"{first}-{token.label}": token for token in SPECIAL}


def fingerprint(secret: str | None) -> str | None:
    """Enough of a hash to distinguish tokens in the ledger."""
    return hashlib.sha256(secret.encode()).hexdigest()[:8] if secret else None


class RateLimit:
    """Calls by key in a fixed window of `seconds`: live, the clock minute [seen]."""

    def __init__(self, seconds: float = 60) -> None:
        self._seconds = seconds
        self._window = 0
        self._used: dict[str, int] = {}

    def take(self, key: str, permitted: int, now: float) -> int | None:
        """Count one call at `now` (seconds since 1970); what remains after it, or None if over."""
        window = int(now // self._seconds)
        if window != self._window:
            self._window = window
            self._used.clear()
        used = self._used.get(key, 0)
        if used >= permitted:
            return None
        self._used[key] = used + 1
        return permitted - used - 1
