"""A person at a browser, as an HTTP client that expects the site to be killed at any time."""

from __future__ import annotations

import random
import re
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.soak.forms import find_form
from tests.soak.records import Observation

PASSWORD = "a long enough sample password"
PAGE_TIMEOUT_SECONDS = 60.0
RESTART_TIMEOUT_SECONDS = 90.0


class Lost(Exception):
    """The connection was lost. The request may have been handled."""


@dataclass(slots=True)
class Shared:
    """State that all operators share. `pool` has the shared addresses, id to text."""

    url: str
    pool: dict[str, str]
    wanted: int
    seed: int
    attempt_ids: set[str] = field(default_factory=set)
    observations: list[Observation] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    did: Counter[str] = field(default_factory=Counter)
    slowest: tuple[float, str] = (0.0, "")
    stop: threading.Event = field(default_factory=threading.Event)
    begun: float = field(default_factory=time.monotonic)

    @property
    def is_enough(self) -> bool:
        return len(self.attempt_ids) >= self.wanted or self.stop.is_set()

    def note(self, answer: httpx.Response, page: str, seconds: float) -> None:
        self.statuses[answer.status_code] += 1
        self.slowest = max(self.slowest, (seconds, page))
        if answer.status_code not in {200, 204, 302, 422, 503}:
            self.problems.append(f"{page} answered {answer.status_code}")


class Person(threading.Thread):
    """One person with one token. `mine` has the attempt ids that the person knows of."""

    password = PASSWORD

    def __init__(self, shared: Shared, name: str, token_id: str) -> None:
        super().__init__(name=name, daemon=True)
        self.shared, self.token_id = shared, token_id
        self.rng = random.Random(f"{shared.seed} {name}")
        # A new connection for each request: restarts would break idle ones.
        self.http = httpx.Client(
            base_url=shared.url,
            timeout=PAGE_TIMEOUT_SECONDS,
            verify=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        )
        self.mine: set[str] = set()

    def sign_in(self) -> None:
        form = find_form(self.get("/accounts/login/").text, "password")
        assert form
        fields = form.fields | {"login": self.name, "password": self.password}
        while True:
            try:
                answer = self.request("POST", "/accounts/login/", data=fields)
                break
            except Lost:
                self.did["signed in again"] += 1
        assert answer.status_code == 302, answer.text

    def note_attempts(self, attempt_ids: Iterable[str]) -> None:
        found = set(attempt_ids)
        self.mine |= found
        self.shared.attempt_ids |= found

    @property
    def did(self) -> Counter[str]:
        return self.shared.did

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def request(self, method: str, url: str, *, htmx: bool = False, **more: Any) -> httpx.Response:
        """Raises Lost."""
        headers = {"HX-Request": "true", "HX-Current-URL": self.shared.url} if htmx else {}
        page = re.sub(r"[0-9a-f-]{36}|ip_\w+|\?.*", "…", f"{method} {url}")
        started = time.monotonic()
        try:
            answer = self.http.request(method, url, headers=headers, **more)
        except httpx.TimeoutException:
            self.shared.problems.append(f"{page} did not answer in {PAGE_TIMEOUT_SECONDS} s")
            raise Lost from None
        except httpx.TransportError:
            self.did["connection lost"] += 1
            raise Lost from None
        self.shared.note(answer, page, time.monotonic() - started)
        return answer

    def get(self, url: str, *, htmx: bool = False) -> httpx.Response:
        """Repeat until the page comes. Raises TimeoutError."""
        deadline = time.monotonic() + RESTART_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            try:
                return self.request("GET", url, htmx=htmx)
            except Lost:
                time.sleep(0.1)
        raise TimeoutError(url)
