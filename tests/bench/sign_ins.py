"""Simultaneous sign-ins on one gunicorn process: seconds of each, and the memory of the process.

python -m tests.bench.sign_ins 18 50
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import httpx

from tests.bench.load import memory
from tests.bench.stage import ENVIRONMENT, database, free_port, wait_for

PASSWORD = "only for measuring, and long"
# In a process of its own. `old`: hashes with the parameters of Django.
PREPARE = """
import sys, django
django.setup()
from django.contrib.auth.hashers import Argon2PasswordHasher, make_password
from django.core.management import call_command
from ipadmin.models import User
call_command("migrate", verbosity=0)
old = Argon2PasswordHasher().encode(sys.argv[2], "0123456789abcdefghijkl")
hash = old if sys.argv[3] == "old" else make_password(sys.argv[2])
for number in range(int(sys.argv[1])):
    User.objects.create(username=f"person-{number}", password=hash)
"""


def sign_in(
    url: str, number: int, barrier: threading.Barrier, found: list[tuple[str, float]]
) -> None:
    with httpx.Client(base_url=url, timeout=120) as client:
        client.get("/accounts/login/")
        form = {"login": f"person-{number}", "password": PASSWORD}
        form["csrfmiddlewaretoken"] = client.cookies.get("sandbox_csrf") or ""
        barrier.wait()
        started = time.monotonic()
        answer = client.post("/accounts/login/", data=form)
        found.append((str(answer.status_code), time.monotonic() - started))


def measure(people: int, hashes: str) -> None:
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        environment = (
            os.environ
            | ENVIRONMENT
            | {
                "ALLOWED_HOSTS": "127.0.0.1",
                "DATABASE_URL": database(Path(name), "sign_ins"),
                "STATIC_HASHED": "false",
                "PORT": str(port),
            }
        )
        prepare = [sys.executable, "-c", PREPARE, str(people), PASSWORD, hashes]
        subprocess.run(prepare, env=environment, check=True)
        server = [sys.executable, "-m", "gunicorn", "-c", "python:config.gunicorn", "config.wsgi"]
        site = subprocess.Popen(server, env=environment, stdout=subprocess.DEVNULL)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(f"{url}/healthz")
            found: list[tuple[str, float]] = []
            barrier = threading.Barrier(people)
            threads = [
                threading.Thread(target=sign_in, args=(url, number, barrier, found))
                for number in range(people)
            ]
            before = peak = memory(site.pid)
            for each in threads:
                each.start()
            while any(each.is_alive() for each in threads):
                peak = max(peak, memory(site.pid))
                time.sleep(0.02)
            after = memory(site.pid)
        finally:
            site.terminate()
            site.wait()
    times = sorted(seconds for _, seconds in found)
    answers = dict(Counter(status for status, _ in found))
    figures = {"people": people, "hashes": hashes, "answers": answers}
    figures |= {"median": round(times[len(times) // 2], 2), "slowest": round(times[-1], 2)}
    print(json.dumps(figures | {"MiB": [round(before), round(peak), round(after)]}))


if __name__ == "__main__":
    for people in sys.argv[1:]:
        for hashes in ("old", "new"):
            measure(int(people), hashes)
