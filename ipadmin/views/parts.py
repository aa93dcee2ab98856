"""Which of the two shapes of a page a request asks for."""

from __future__ import annotations

from ipadmin.access import SignedInRequest


def wants_part(request: SignedInRequest) -> bool:
    """Whether htmx asks for the part alone. Boosted links and restored history get the page."""
    htmx = request.htmx
    return bool(htmx) and not htmx.boosted and not htmx.history_restore_request
