"""Limits for guessing passwords, counted in the cache that all processes share.

A guess takes slots: of its address with its account, and, unless somebody signed in to the account
from this address before, of the account and of the address. When all slots are taken, further
guesses are refused unchecked until the slots expire, all at once. So a colleague behind the same
address, or an attacker anywhere else, does not lock a person out where they usually sign in.
Sessions, passkeys and single sign-on take no slots.
"""

from __future__ import annotations

import ipaddress
import random
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from django.core.cache import cache
from django.utils.crypto import salted_hmac

from ipadmin.models import User

MINUTE, HOUR, DAY = 60, 3600, 86400
# How long an address counts as one that a person signs in from.
KNOWN_FOR = 90 * DAY
# An IPv6 client has a network of this size at least.
IPV6_PREFIX = 64


class Limit(NamedTuple):
    """Wrong passwords within so many seconds."""

    guesses: int
    seconds: int


PAIR = Limit(5, 15 * MINUTE)
# Together, of all addresses that nobody signed in to the account from.
ACCOUNT = Limit(20, HOUR)
# Of all accounts that nobody signed in to from this address.
ADDRESS = Limit(50, 15 * MINUTE)
# Recorded events about no account; further ones are in the request log only.
NO_ACCOUNT = Limit(60, HOUR)
LONGEST = max(each.seconds for each in (PAIR, ACCOUNT, ADDRESS))


class TooMany(Exception):
    """Further guesses are refused for so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Guess:
    """One password that is being checked; `slots` are those that it took."""

    name: str
    scopes: list[tuple[str, Limit]]
    slots: list[str] = field(default_factory=list)


def begin(name: str, address: str) -> Guess:
    """Take the slots of a guess before it is checked, so that simultaneous guesses can't exceed a
    limit. Raises TooMany."""
    name, address = name.casefold(), _network(address)
    account, known = _lifted_key(name), _known_key(name, address)
    found = cache.get_many([account, known])
    # A new scope after a lock-out was lifted.
    lifted = found.get(account, 0)
    account += f" {lifted}"
    guess = Guess(name, [(f"{account} at {address}", PAIR)])
    if known not in found:
        guess.scopes.append((account, ACCOUNT))
        if not lifted:
            guess.scopes.append((f"address {address}", ADDRESS))
    try:
        for scope, limit in guess.scopes:
            if limit == ADDRESS:
                _refuse_if_full(scope, limit)
            else:
                guess.slots.append(_take(scope, limit))
    except TooMany:
        withdraw(guess)
        raise
    return guess


def withdraw(guess: Guess) -> None:
    """Give the slots back: the password was right, or was not checked."""
    cache.delete_many(guess.slots)


def fail(guess: Guess) -> list[Limit]:
    """The limits that this wrong guess has reached. Of simultaneous ones, only one is told."""
    reached = []
    for scope, limit in guess.scopes:
        if limit == ADDRESS:
            # Only now: many people sign in from the address of an office at the same time.
            with suppress(TooMany):
                _take(scope, limit)
        taken = cache.get_many(_slots(scope, limit))
        if len(taken) < limit.guesses:
            continue
        until = min(taken.values())
        if cache.add(_key(f"reached {scope}"), 1, _seconds_to(until)):
            reached.append(limit)
        locked = _locked_key(guess.name)
        if limit != ADDRESS and until > cache.get(locked, 0):
            cache.set(locked, until, _seconds_to(until))
    return reached


def remember(user: User, address: str) -> None:
    """The user signed in from this address."""
    cache.add(_known_key(user.get_username().casefold(), _network(address)), 1, KNOWN_FOR)


def records_left_without_account() -> int:
    """How many events about no account may be recorded still, with this one, so that an attacker
    can't fill the audit log with made-up names."""
    try:
        _take("no account", NO_ACCOUNT)
    except TooMany:
        return 0
    return NO_ACCOUNT.guesses + 1 - len(cache.get_many(_slots("no account", NO_ACCOUNT)))


def is_locked(user: User) -> bool:
    """Whether passwords for the account are refused from some address."""
    return bool(locked_among([user]))


def locked_among(users: Iterable[User]) -> set[int]:
    """The ids of those who are locked."""
    keys = {_locked_key(each.get_username().casefold()): each.pk for each in users}
    return {keys[key] for key in cache.get_many(keys)}


def lift(user: User) -> None:
    """Accept passwords for the account again, from all addresses."""
    name = user.get_username().casefold()
    cache.set(_lifted_key(name), time.time_ns(), LONGEST)
    cache.delete(_locked_key(name))


def _take(scope: str, limit: Limit) -> str:
    """Take a free slot. Adding a key is atomic, so that no two guesses share one."""
    taken = _refuse_if_full(scope, limit)
    until = min(taken.values(), default=time.time() + limit.seconds)
    free = [slot for slot in _slots(scope, limit) if slot not in taken]
    random.shuffle(free)
    for slot in free:
        if cache.add(slot, until, _seconds_to(until)):
            return slot
    raise TooMany(_seconds_to(until))


def _refuse_if_full(scope: str, limit: Limit) -> dict[str, float]:
    """The slots that are taken, with the time at which they expire. Raises TooMany."""
    taken = cache.get_many(_slots(scope, limit))
    if len(taken) == limit.guesses:
        raise TooMany(_seconds_to(min(taken.values())))
    return taken


def _seconds_to(moment: float) -> float:
    return max(1.0, moment - time.time())


def _slots(scope: str, limit: Limit) -> list[str]:
    return [_key(f"{scope} {number}") for number in range(limit.guesses)]


def _lifted_key(name: str) -> str:
    return _key(f"lifted {name}")


def _locked_key(name: str) -> str:
    return _key(f"locked {name}")


def _known_key(name: str, address: str) -> str:
    return _key(f"known {name} {address}")


def _key(text: str) -> str:
    """Hashed under the secret key: what a person typed as their name may be a password."""
    return salted_hmac("ipadmin.lockouts", text, algorithm="sha256").hexdigest()


def _network(address: str) -> str:
    try:
        prefix = IPV6_PREFIX if ipaddress.ip_address(address).version == 6 else 32
    except ValueError:
        return address
    return str(ipaddress.ip_network(f"{address}/{prefix}", strict=False))
