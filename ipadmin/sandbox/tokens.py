"""The tokens the sandbox knows: those it is started with, and special ones derived from the first.

`T` may do everything its scopes allow; `T-read-only`, `T-expired` and so on reach the documented
errors without any fault. A secret never leaves this module but in the line printed at the start.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .world import World

ALL_SCOPES = frozenset({"ip_addresses", "ip_addresses:read", "organizations:read"})
READ_SCOPES = frozenset({"ip_addresses:read", "organizations:read"})
OAUTH_PREFIX = "api.katapult.io/core/v1/"  # how OAuth2 names the same scopes [doc]
LOW_LIMIT = 200  # permitted calls a minute of some live tokens [seen]


@dataclass(frozen=True, slots=True)
class Token:
    label: str
    scopes: frozenset[str] = ALL_SCOPES
    owners: tuple[int, ...] = (0, 1)  # which organizations of the world it sees
    has_user: bool = True
    may_write: bool = True
    refused: str | None = None  # the code every call of it is answered with
    low_limit: bool = False


SPECIAL = (
    Token("read-only", READ_SCOPES),
    Token("no-organizations", frozenset({"ip_addresses"}), (0,), has_user=False),
    Token("no-scopes", frozenset()),
    Token("second", owners=(1,)),
    Token("denied", may_write=False),
    Token("suspended", owners=(2,)),
    Token("not-activated", owners=(3,)),
    Token("empty", owners=(4,)),
    Token("low-limit", low_limit=True),
    Token("other-network", refused="unauthorized_network_for_api_token"),
    Token("expired", refused="invalid_api_token"),
    Token("bad-capabilities", refused="invalid_capabilities_token"),
)


def parse_scopes(text: str) -> frozenset[str]:
    """Scopes from a list with commas or spaces, with or without OAuth2's prefix."""
    return frozenset(
        scope.removeprefix(OAUTH_PREFIX) for scope in text.replace(",", " ").split() if scope
    )


def known_tokens(secrets: str, scopes: Iterable[str]) -> dict[str, Token]:
    """Each secret the sandbox accepts, or refuses in its own way, and the token it stands for.

    `secrets` is one, or several with commas, each of which may do everything.
    """
    everything = Token("everything", frozenset(scopes))
    first, *others = secrets.split(",")
    tokens = {first: everything}
    tokens |= {f"{first}-{token.label}": token for token in SPECIAL}
    tokens |= dict.fromkeys(others, everything)
    return tokens


def fingerprint(secret: str | None) -> str | None:
    """Enough of a hash to tell tokens apart in the ledger, and nothing of the secret."""
    return hashlib.sha256(secret.encode()).hexdigest()[:8] if secret else None


def organization_ids(token: Token, world: World) -> frozenset[str]:
    return frozenset(world.organizations[owner].id for owner in token.owners)
