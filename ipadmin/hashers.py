"""Password hashes with argon2: OWASP's smaller parameters, and few at once.

A hash takes memory on purpose: with Django's parameters 100 MiB, so that a few simultaneous
sign-ins exhausted the machine. Older hashes still verify, and are replaced at the next sign-in.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from django.contrib.auth import hashers

Result = TypeVar("Result")

# Of this process.
HASHES_AT_ONCE = 2
# Several times as long as a full process of simultaneous sign-ins takes.
LONGEST_WAIT_SECONDS = 15.0


class Busy(Exception):
    """Too many passwords are being checked. Nothing was checked; try again later."""


class Argon2PasswordHasher(hashers.Argon2PasswordHasher):
    """https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#argon2id"""

    memory_cost = 19456  # KiB
    time_cost = 2
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        return _one_of_few(lambda: super(Argon2PasswordHasher, self).encode(password, salt))

    def verify(self, password: str, encoded: str) -> bool:
        return _one_of_few(lambda: super(Argon2PasswordHasher, self).verify(password, encoded))


def _one_of_few(compute: Callable[[], Result]) -> Result:
    """Raises Busy if it does not end in time."""
    future = _pool().submit(compute)
    try:
        return future.result(timeout=LONGEST_WAIT_SECONDS)
    except TimeoutError as error:
        raise Busy from error
    finally:
        future.cancel()


@cache
def _pool() -> ThreadPoolExecutor:
    """Threads of their own rather than a semaphore: each thread keeps some memory that it used."""
    return ThreadPoolExecutor(HASHES_AT_ONCE, thread_name_prefix="hasher")


# A forked process has none of the threads of its parent.
os.register_at_fork(after_in_child=_pool.cache_clear)
