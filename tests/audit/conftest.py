"""Fixtures of the services' tests, for tests of what an attempt leaves behind."""

from tests.services.conftest import attempt, box, confirmed, katapult, seen, token

# Used by name only, as fixtures are.
__all__ = ["attempt", "box", "confirmed", "katapult", "seen", "token"]
