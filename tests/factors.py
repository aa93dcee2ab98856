"""Codes of an authenticator app."""

from __future__ import annotations

import time

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value

PERIOD = 30


def code_of(secret: str) -> str:
    """The code of now; of the next period, if this one ends before the code is used."""
    if time.time() % PERIOD > PERIOD - 5:
        time.sleep(PERIOD - time.time() % PERIOD)
    return format_hotp_value(hotp_value(secret, int(time.time()) // PERIOD))
