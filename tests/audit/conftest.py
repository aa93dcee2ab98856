"""An attempt against a Katapult in memory, as the tests of the services make it."""

from __future__ import annotations

from tests.services.conftest import attempt, confirmed, katapult, seen, token

__all__ = ["attempt", "confirmed", "katapult", "seen", "token"]
