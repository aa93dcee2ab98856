"""`make load`: 50 operators at once on two gunicorn processes, who read, search and unallocate.

Everything runs on one machine: site, PostgreSQL (or SQLite), the sandbox with 3,000 addresses and
50 ms a call, and the operators. Each has a token of their own and thinks between two pages. They
arrive one after another; what they see first is counted apart, because their lists are not read
yet. Prints pages per second once all have arrived, times, errors, and the memory of the site.

    make load                            50 operators, 60 s after 10 s, thinking for 2 s
    make load ARGS="--think 0.2"         until the site is the bottleneck
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from html import unescape
from pathlib import Path
from statistics import quantiles

import httpx

from tests.bench.stage import ENVIRONMENT, TOKEN, database, free_port, wait_for

CONFIRMATION = re.compile(r'name="confirmation" value="([^"]+)"')
HTMX = {"HX-Request": "true"}
# How often each step is chosen, in percent.
STEPS = {"list": 35, "search": 30, "address": 10, "history": 15, "unallocate": 10}
# In a process of its own, with the settings of the site: users, tokens, and their sessions.
PREPARE = """
import json, sys, django
django.setup()
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.test import Client
from django.conf import settings
from ipadmin.katapult.types import Secret
from ipadmin.models import User
from ipadmin.services import tokens
from tests.conftest import prove_identity
call_command("migrate", verbosity=0)
made = []
for number in range(int(sys.argv[1])):
    user = User.objects.create_user(f"operator-{number}")
    user.groups.add(Group.objects.get(name="operator"))
    token = tokens.add(owner=user, label="Load", secret=Secret(sys.argv[2]))
    if not token.is_ready:
        found = {each.sub_domain: each for each in tokens.organizations(token)}
        tokens.choose_organization(token, found["northwind"])
    client = Client()
    client.force_login(user)
    prove_identity(client, user)
    made.append([str(token.pk), client.cookies[settings.SESSION_COOKIE_NAME].value])
print(json.dumps({"cookie": settings.SESSION_COOKIE_NAME, "operators": made}))
"""


class Operator(threading.Thread):
    """One person at a browser; remembers the seconds of each page."""

    def __init__(self, site: str, cookie: dict[str, str], token: str, think: float):
        super().__init__(daemon=True)
        # gunicorn closes idle connections after two seconds.
        limits = httpx.Limits(keepalive_expiry=1)
        self.client = httpx.Client(
            base_url=site, cookies=cookie, timeout=60, limits=limits, follow_redirects=True
        )
        self.base = f"/tokens/{token}/addresses/"
        self.think = think
        self.begins = self.counts_from = self.until = 0.0
        self.pages = 0
        self.times: dict[str, list[float]] = defaultdict(list)
        self.errors: list[str] = []
        self.ids: list[str] = []
        self.random = random.Random(token)

    def run(self) -> None:
        time.sleep(max(0, self.begins - time.monotonic()))
        names, weights = zip(*STEPS.items(), strict=True)
        self.list("first ")
        while time.monotonic() < self.until:
            time.sleep(self.think * self.random.uniform(0.5, 1.5))
            step = self.random.choices(names, weights)[0]
            try:
                getattr(self, step)()
            except (httpx.HTTPError, AssertionError) as error:
                self.errors.append(f"{step}: {error!r}"[:200])

    def get(self, step: str, url: str, headers: dict[str, str] | None = None) -> str:
        started = time.perf_counter()
        answer = self.client.get(url, headers=headers)
        self.note(step, started)
        assert answer.is_success, f"{url} answered {answer.status_code}"
        return answer.text

    def note(self, step: str, started: float) -> None:
        self.times[step].append(time.perf_counter() - started)
        self.pages += self.counts_from <= time.monotonic() <= self.until

    def list(self, which: str = "") -> None:
        page = self.get(f"{which}list", self.base)
        # As the script of the page does, where the list is older than a minute.
        if reading := re.search(r'data-read-now="([^"]+)"', page):
            page = self.get(f"{which}reading", reading[1])
        self.ids = re.findall(r'id="unallocate-(\w+)"', page) or self.ids

    def search(self) -> None:
        text = self.random.choice(["web", "198.18.1.", "db-0", "cache", "198.18.0.0/24"])
        self.get("search", f"{self.base}?q={text}", HTMX)

    def address(self) -> None:
        if self.ids:
            self.get("address", f"{self.base}{self.random.choice(self.ids)}/")

    def history(self) -> None:
        self.get("history", "/audit/")

    def unallocate(self) -> None:
        if not self.ids:
            return
        url = f"{self.base}{self.random.choice(self.ids)}/unallocate/?table=1"
        page = self.get("confirm", url, HTMX)
        found = CONFIRMATION.search(page)
        if not found:
            return  # Another operator was faster.
        csrf = self.client.cookies.get("sandbox_csrf") or ""
        form = {"confirmation": unescape(found[1]), "csrfmiddlewaretoken": csrf}
        typed = re.search(r"198\.18\.\d+\.\d+|2001:db8[0-9a-f:]+", page)
        form["typed_address"] = typed[0] if typed else ""
        started = time.perf_counter()
        headers = HTMX | {"X-CSRFToken": csrf}
        answer = self.client.post(url, data=form, headers=headers)
        self.note("unallocate", started)
        assert answer.status_code in {200, 422}, f"POST answered {answer.status_code}"


def work(operators: list[Operator], ramp: float, seconds: float) -> None:
    begins = time.monotonic()
    for index, each in enumerate(operators):
        each.begins = begins + ramp * index / len(operators)
        each.counts_from, each.until = begins + ramp, begins + ramp + seconds
        each.start()
    for each in operators:
        each.join()


def memory(pid: int) -> float:
    """MiB of a process and its children."""
    command = ["ps", "-o", "rss=", "--pid", str(pid), "--ppid", str(pid)]
    return sum(map(int, subprocess.check_output(command).split())) / 1024


def report(operators: list[Operator], seconds: float, megabytes: float) -> None:
    times: dict[str, list[float]] = defaultdict(list)
    for each in operators:
        for step, values in each.times.items():
            times[step] += values
    pages = sum(each.pages for each in operators)
    errors = [error for each in operators for error in each.errors]
    print(f"{len(operators)} operators, {seconds:.0f} s: {pages / seconds:.1f} pages a second")
    print(f"{'':<14}{'pages':>7}{'p50':>9}{'p95':>9}  in ms")
    for step, values in times.items():
        cuts = quantiles(values, n=20) if len(values) > 1 else values * 19
        print(f"{step:<14}{len(values):>7}{cuts[9] * 1000:>9.0f}{cuts[18] * 1000:>9.0f}")
    print(f"{len(errors)} errors; memory of the site {megabytes:.0f} MiB")
    for error in errors[:5]:
        print(f"  {error}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="make load")
    parser.add_argument("--operators", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--think", type=float, default=2.0, help="seconds between two pages")
    parser.add_argument("--ramp", type=float, default=10, help="seconds until all have arrived")
    parser.add_argument("--addresses", type=int, default=3000)
    arguments = parser.parse_args()
    box, port = free_port(), free_port()
    processes: list[subprocess.Popen[bytes]] = []
    nothing = subprocess.DEVNULL
    with tempfile.TemporaryDirectory() as name:
        environment = os.environ | ENVIRONMENT
        environment |= {
            "ALLOWED_HOSTS": "127.0.0.1,testserver",
            "KATAPULT_API_URL": f"http://127.0.0.1:{box}",
            "DATABASE_URL": database(Path(name), "load"),
            "STATIC_HASHED": "false",
            "STATIC_ROOT": f"{name}/static",
            "PORT": str(port),
            "WEB_CONCURRENCY": "2",
        }
        command = ["ipadmin.sandbox", "--port", str(box), "--token", TOKEN, "--latency-ms", "50"]
        command += ["--addresses", str(arguments.addresses), "--rate-limit", "1000000000"]
        try:
            processes.append(
                subprocess.Popen([sys.executable, "-m", *command], stdout=nothing, stderr=nothing)
            )
            wait_for(f"http://127.0.0.1:{box}/_sandbox/health")
            prepare = [sys.executable, "-c", PREPARE, str(arguments.operators), TOKEN]
            made = subprocess.check_output(prepare, env=environment, text=True)
            people = json.loads(made.splitlines()[-1])
            server = ["gunicorn", "-c", "python:config.gunicorn", "config.wsgi"]
            site = subprocess.Popen(
                [sys.executable, "-m", *server], env=environment, stdout=nothing, stderr=nothing
            )
            processes.append(site)
            url = f"http://127.0.0.1:{port}"
            wait_for(f"{url}/healthz")
            operators = [
                Operator(url, {people["cookie"]: session}, token, arguments.think)
                for token, session in people["operators"]
            ]
            work(operators, arguments.ramp, arguments.seconds)
            report(operators, arguments.seconds, memory(site.pid))
        finally:
            for process in processes:
                process.terminate()
                process.wait()


if __name__ == "__main__":
    main()
