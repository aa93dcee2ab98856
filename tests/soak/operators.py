"""Operators as HTTP clients: they sign in, confirm, click twice, cancel, and submit old forms.
After a lost connection they try again or look at the history.

An operator never has two open attempts on one address, so that each POST belongs to one entry.
Different operators often have.
"""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx

from ipadmin.models import AuditEntry
from tests.soak.forms import Form, find_form
from tests.soak.person import Lost, Person, Shared
from tests.soak.records import Observation
from tests.soak.runs import Runs

ENTRY = re.compile(r"/audit/([0-9a-f-]{36})/")
ROW = re.compile(r'class="whole-row" href="/audit/([0-9a-f-]{36})/')
# The button of a result that links to its entry; other links may be to other entries.
RESULT = re.compile(r'data-result.*? id="entry-([0-9a-f-]{36})"', re.DOTALL)
BADGE = re.compile(r'class="badge" data-tone="\w+">.*?</svg>\s*(\w+)</span>', re.DOTALL)
UNALLOCATE = re.compile(r"/addresses/(ip_\w+)/unallocate/")
REASONS = ("", "", "moved to web-02", "clean-up <b>&amp; more</b>", "Grüße, 引っ越し")


@dataclass(slots=True)
class Kept:
    """A form that an operator has in a tab, which is at `url`."""

    ip: str
    form: Form
    htmx: bool
    url: str
    action: str = "unallocate"
    attempt_id: str = ""


class Operator(Person):
    """An operator, who submits forms."""

    def __init__(self, shared: Shared, name: str, token_id: str) -> None:
        super().__init__(shared, name, token_id)
        self.runs = Runs(self)
        self.drawer: list[Kept] = []  # forms that were not submitted
        self.sent: list[Kept] = []
        self.open: dict[str, str] = {}  # address id to the attempt that may be open

    def run(self) -> None:
        try:
            self.sign_in()
            while not self.shared.is_enough:
                self.turn()
        except Exception as error:  # noqa: BLE001 - a broken operator must fail the soak
            self.shared.problems.append(f"{self.name} stopped: {error!r}")
        finally:
            self.http.close()

    # What an operator does

    def turn(self) -> None:
        if self.chance(0.2):
            self.runs.turn([ip for ip in self.shared.pool if not self.is_under_way(ip)])
            return
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
            if kept_now.attempt_id and self.chance(0.5):
                self.put_back(kept_now)

    def choose(self) -> str | None:
        """One of the shared addresses, mostly one on the list page."""
        links = set(self.shared.pool)
        if self.chance(0.6):
            query = self.rng.choice(("", "?wait=1&state=allocated", "?wait=1&sort=allocation"))
            url = f"/tokens/{self.token_id}/addresses/{query}"
            shown = set(UNALLOCATE.findall(self.get(url, htmx=self.chance(0.3)).text))
            links = links & shown or links
        # Most attempts compete on the first few addresses. The others stay allocated longer, for
        # requests that are carried out late.
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
        return Kept(ip, form, htmx, url) if form else None

    def put_back(self, kept: Kept) -> None:
        """Undo an attempt, if it has succeeded and the address is still unallocated."""
        if self.is_under_way(kept.ip):
            return
        url = f"/audit/{kept.attempt_id}/undo/"
        form = find_form(self.get(url).text, "confirmation")
        self.did["asked to undo" if form else "asked to undo in vain"] += 1
        if form is None:
            return
        if "set_reverse_dns" in form.fields:
            form.fields["set_reverse_dns"] = "on" if self.chance(0.7) else ""
        undo = Kept(kept.ip, form, False, url, "allocate")
        if self.chance(0.1):
            self.drawer.append(undo)
        else:
            self.confirm(undo)

    def fill(self, kept: Kept) -> dict[str, str]:
        fields = kept.form.fields | {"reason": self.rng.choice(REASONS)}
        if "typed_address" in fields:
            is_wrong = self.chance(0.02)
            fields["typed_address"] = "192.0.2.1" if is_wrong else self.shared.pool[kept.ip]
        return fields

    def confirm(self, kept: Kept) -> None:
        """Submit a form for the first time, until its attempt is known."""
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
        """Submit a form once, or several times at once. The answers that came."""
        url = (kept.form.hx_post if kept.htmx else kept.form.action) or kept.url

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
        """The attempt id of a result page; empty for any other page."""
        if answer.status_code == 302:
            shown = ENTRY.search(answer.headers["Location"])
        else:
            shown = RESULT.search(answer.text)
        return shown[1] if shown else ""

    def look_for(self, kept: Kept) -> None:
        """Find the attempt in the history: it is the only one that is not known."""
        self.did["looked at the history"] += 1
        query = f"q={kept.ip}&person={self.name}&action={kept.action}"
        page = self.get(f"/audit/?{query}").text
        # Not the links of the banner, which names open attempts on any address.
        for attempt_id in dict.fromkeys(ROW.findall(page)):
            if attempt_id not in self.mine:
                self.follow(kept, attempt_id)

    def send_again(self, kept: Kept) -> None:
        """Submit an old form again: the page must show the same attempt."""
        if self.is_under_way(kept.ip):
            return
        self.did["sent an old form again"] += 1
        for answer in self.send(kept, self.fill(kept), 1):
            shown = self.attempt_of(answer)
            if shown != kept.attempt_id:
                self.shared.problems.append(f"{kept.attempt_id} sent again showed {shown or '?'}")

    def follow(self, kept: Kept, attempt_id: str) -> None:
        """Reload the result a few times, as the page does. The attempt may stay open."""
        self.note_attempts([attempt_id])
        kept.attempt_id = attempt_id
        self.sent = [*self.sent[-100:], kept]
        self.open[kept.ip] = attempt_id
        for _ in range(self.rng.randrange(3)):
            if not self.is_under_way(kept.ip):
                break
            time.sleep(0.2)

    def is_under_way(self, ip: str) -> bool:
        """Whether an attempt of this operator on the address may be open."""
        attempt_id = self.open.get(ip)
        if attempt_id is None:
            # Nor one of a run, or of a host name, which its person did not see.
            open_ones = AuditEntry.objects.filter(finished_at=None, token_id=self.token_id)
            return self.runs.has(ip) or open_ones.filter(address_id=ip).exists()
        page = self.get(f"/audit/{attempt_id}/").text
        badge = BADGE.search(page)
        outcome = badge[1].lower() if badge else "not shown"
        if "data-open-entry" in page or outcome == "pending":
            return True
        del self.open[ip]
        self.shared.observations.append(Observation(attempt_id, outcome))
        return False
