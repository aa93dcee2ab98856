"""Operators as plain HTTP clients: they sign in, look, ask, confirm, click twice, give up, come
back to old forms, and when the site dies under their hands they try again or look at the history.

An operator never has two attempts on one address under way, so that a POST that the sandbox
received can belong to one entry only. Different operators do, all the time.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.soak.forms import Form, find_form
from tests.soak.records import Observation

PASSWORD = "a long enough sample password"
PAGE_PATIENCE = 60.0  # seconds until a page that does not come is a failure
RESTART_PATIENCE = 90.0  # seconds a person waits for a site that is down
ENTRY = re.compile(r"/audit/([0-9a-f-]{36})/")
# The button of a result that leads to its own entry; its sentences may link to others.
RESULT = re.compile(r'data-result.*? id="entry-([0-9a-f-]{36})"', re.DOTALL)
BADGE = re.compile(r'class="badge" data-tone="\w+">.*?</svg>\s*(\w+)</span>', re.DOTALL)
UNALLOCATE = re.compile(r"/addresses/(ip_\w+)/unallocate/")
REASONS = ("", "", "moved to web-02", "clean-up <b>&amp; more</b>", "Grüße, 引っ越し")


class Lost(Exception):
    """The connection broke: nobody knows whether the request was handled."""


@dataclass(slots=True)
class Shared:
    """What the operators have in common. `pool` is the addresses they fight for, id to text."""

    url: str
    pool: dict[str, str]
    wanted: int
    seed: int
    told: set[str] = field(default_factory=set)
    observations: list[Observation] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    did: Counter[str] = field(default_factory=Counter)
    slowest: tuple[float, str] = (0.0, "")
    stop: threading.Event = field(default_factory=threading.Event)
    begun: float = field(default_factory=time.monotonic)

    @property
    def is_enough(self) -> bool:
        return len(self.told) >= self.wanted or self.stop.is_set()

    def note(self, answer: httpx.Response, page: str, seconds: float) -> None:
        self.statuses[answer.status_code] += 1
        self.slowest = max(self.slowest, (seconds, page))
        if answer.status_code not in {200, 302, 422, 503}:
            self.problems.append(f"{page} answered {answer.status_code}")


@dataclass(slots=True)
class Kept:
    """A form an operator still has open in some tab."""

    ip: str
    form: Form
    htmx: bool
    attempt_id: str = ""


class Operator(threading.Thread):
    """One person with one token."""

    def __init__(self, shared: Shared, name: str, token_id: str) -> None:
        super().__init__(name=name, daemon=True)
        self.shared, self.token_id = shared, token_id
        self.rng = random.Random(f"{shared.seed} {name}")
        # A new connection each time: one kept alive would break with each restart.
        self.http = httpx.Client(
            base_url=shared.url,
            timeout=PAGE_PATIENCE,
            verify=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        )
        self.drawer: list[Kept] = []  # asked for, never confirmed
        self.sent: list[Kept] = []
        self.mine: set[str] = set()  # every attempt known to be this operator's
        self.open: dict[str, str] = {}  # address to the attempt that may be under way there

    def run(self) -> None:
        try:
            self.sign_in()
            while not self.shared.is_enough:
                self.turn()
        except Exception as error:  # noqa: BLE001 - a broken operator must fail the soak
            self.shared.problems.append(f"{self.name} gave up: {error!r}")
        finally:
            self.http.close()

    def sign_in(self) -> None:
        form = find_form(self.get("/accounts/login/").text, "password")
        assert form
        fields = form.fields | {"login": self.name, "password": PASSWORD}
        while True:
            try:
                answer = self.request("POST", "/accounts/login/", data=fields)
                break
            except Lost:
                self.did["signed in again"] += 1
        assert answer.status_code == 302, answer.text

    @property
    def did(self) -> Counter[str]:
        return self.shared.did

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    # Requests

    def request(self, method: str, url: str, *, htmx: bool = False, **more: Any) -> httpx.Response:
        """Raises Lost."""
        headers = {"HX-Request": "true", "HX-Current-URL": self.shared.url} if htmx else {}
        page = re.sub(r"[0-9a-f-]{36}|ip_\w+|\?.*", "…", f"{method} {url}")
        started = time.monotonic()
        try:
            answer = self.http.request(method, url, headers=headers, **more)
        except httpx.TimeoutException:
            self.shared.problems.append(f"{page} did not answer in {PAGE_PATIENCE} s")
            raise Lost from None
        except httpx.TransportError:
            self.did["connection lost"] += 1
            raise Lost from None
        self.shared.note(answer, page, time.monotonic() - started)
        return answer

    def get(self, url: str, *, htmx: bool = False) -> httpx.Response:
        """Reload until it comes. Raises TimeoutError when it does not."""
        deadline = time.monotonic() + RESTART_PATIENCE
        while time.monotonic() < deadline:
            try:
                return self.request("GET", url, htmx=htmx)
            except Lost:
                time.sleep(0.1)
        raise TimeoutError(url)

    # What an operator does

    def turn(self) -> None:
        if self.sent and self.chance(0.05):
            self.send_again(self.rng.choice(self.sent))
            return
        if self.drawer and self.chance(0.08):
            kept = self.drawer.pop(self.rng.randrange(len(self.drawer)))
            if not self.is_under_way(kept.ip):
                self.did["confirmed an old form"] += 1
                self.confirm(kept)
            return
        ip = self.choose()
        kept_now = self.ask(ip) if ip else None
        if kept_now is None:
            time.sleep(0.05)
        elif self.chance(0.08):
            self.did["kept it"] += 1
            self.drawer.append(kept_now)
        else:
            if self.chance(0.1):
                self.drawer.append(kept_now)
                kept_now = self.ask(kept_now.ip) or self.drawer.pop()
            self.confirm(kept_now)

    def choose(self) -> str | None:
        """One of the shared addresses: from the list, or from memory where it can't be read."""
        links = set(self.shared.pool)
        if self.chance(0.6):
            query = self.rng.choice(("", "?state=allocated", "?sort=allocation"))
            url = f"/tokens/{self.token_id}/addresses/{query}"
            shown = set(UNALLOCATE.findall(self.get(url, htmx=self.chance(0.3)).text))
            links = links & shown or links
        # Attempts compete on the first few addresses. The others stay allocated long enough for a
        # late request to free them.
        order = [ip for ip in self.shared.pool if ip in links]
        count = max(1, len(order) // 6) if self.chance(0.5) else len(order)
        ip = self.rng.choice(order[:count])
        return None if self.is_under_way(ip) else ip

    def ask(self, ip: str) -> Kept | None:
        htmx = self.chance(0.5)
        url = f"/tokens/{self.token_id}/addresses/{ip}/unallocate/"
        answer = self.get(url + ("?table=1" if htmx else ""), htmx=htmx)
        form = find_form(answer.text, "confirmation")
        self.did["asked" if form else "asked in vain"] += 1
        return Kept(ip, form, htmx) if form else None

    def fill(self, kept: Kept) -> dict[str, str]:
        fields = kept.form.fields | {"reason": self.rng.choice(REASONS)}
        if "typed_address" in fields:
            is_wrong = self.chance(0.02)
            fields["typed_address"] = "192.0.2.1" if is_wrong else self.shared.pool[kept.ip]
        return fields

    def confirm(self, kept: Kept) -> None:
        """Send a form for the first time, and stay with it until its attempt is known."""
        fields = self.fill(kept)
        times = 2 if self.chance(0.15) else 1
        answers = self.send(kept, fields, times)
        while not answers:
            time.sleep(0.2)
            if self.chance(0.4):
                self.look_for(kept)
                return
            self.did["sent again after a lost connection"] += 1
            answers = self.send(kept, fields, 1)
        found = {attempt for answer in answers if (attempt := self.attempt_of(answer))}
        if len(found) > 1:
            self.shared.problems.append(f"one form made several attempts: {found}")
        if not found and all(answer.status_code == 422 for answer in answers):
            self.did["asked once more"] += 1
        elif not found:
            self.look_for(kept)
        for attempt_id in found:
            self.follow(kept, attempt_id)

    def send(self, kept: Kept, fields: dict[str, str], times: int) -> list[httpx.Response]:
        """Send a form, or send it several times at the same instant; those that were answered."""
        url = kept.form.hx_post if kept.htmx else kept.form.action

        def once(_: int) -> httpx.Response | None:
            try:
                return self.request("POST", url, htmx=kept.htmx, data=fields)
            except Lost:
                return None

        if times == 1:
            answers = [once(0)]
        else:
            self.did["clicked twice"] += 1
            with ThreadPoolExecutor(times) as pool:
                answers = list(pool.map(once, range(times)))
        return [answer for answer in answers if answer is not None]

    def attempt_of(self, answer: httpx.Response) -> str:
        """The attempt whose result an answer shows; nothing for any other page."""
        if answer.status_code == 302:
            shown = ENTRY.search(answer.headers["Location"])
        else:
            shown = RESULT.search(answer.text)
        return shown[1] if shown else ""

    def look_for(self, kept: Kept) -> None:
        """Find in the history whether the attempt was made: it is the only one not known yet."""
        self.did["looked at the history"] += 1
        page = self.get(f"/audit/?address={kept.ip}&person={self.name}").text
        for attempt_id in dict.fromkeys(ENTRY.findall(page)):
            if attempt_id not in self.mine:
                self.follow(kept, attempt_id)

    def send_again(self, kept: Kept) -> None:
        """Back, and the same form once more: the same attempt has to be shown."""
        self.did["sent an old form again"] += 1
        for answer in self.send(kept, self.fill(kept), 1):
            shown = self.attempt_of(answer)
            if shown != kept.attempt_id:
                self.shared.problems.append(f"{kept.attempt_id} sent again showed {shown or '?'}")

    def follow(self, kept: Kept, attempt_id: str) -> None:
        """Watch the result for a while, as the page does; it may stay open longer than that."""
        self.shared.told.add(attempt_id)
        self.mine.add(attempt_id)
        kept.attempt_id = attempt_id
        self.sent = [*self.sent[-100:], kept]
        self.open[kept.ip] = attempt_id
        for _ in range(self.rng.randrange(3)):
            if not self.is_under_way(kept.ip):
                break
            time.sleep(0.2)

    def is_under_way(self, ip: str) -> bool:
        attempt_id = self.open.get(ip)
        if attempt_id is None:
            return False
        page = self.get(f"/audit/{attempt_id}/").text
        badge = BADGE.search(page)
        outcome = badge[1].lower() if badge else "not shown"
        if "data-open-entry" in page or outcome == "pending":
            return True
        del self.open[ip]
        self.shared.observations.append(Observation(attempt_id, outcome))
        return False
