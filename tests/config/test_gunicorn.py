"""The site as it runs for real, on gunicorn: with an API that never answers, and told to stop."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx
import pytest

from config.gunicorn import threads
from config.worker import HEAD_SECONDS
from ipadmin.sandbox import Sandbox
from tests.soak.forms import find_form
from tests.soak.processes import Web, free_port, manage

PASSWORD = "a-password-for-processes"
TOKEN = "token-of-processes-0123456789"
STUCK = 16


@dataclass
class Site:
    web: Web
    sandbox: Sandbox
    env: dict[str, str]
    people: list[httpx.Client] = field(default_factory=list)

    def sign_in(self, name: str) -> httpx.Client:
        person = httpx.Client(base_url=self.web.url, timeout=60, follow_redirects=True)
        self.people.append(person)
        form = find_form(person.get("/accounts/login/").text, "password")
        assert form
        answer = person.post(form.action, data=form.fields | {"login": name, "password": PASSWORD})
        assert "Sign out" in answer.text
        return person

    def received(self, call: str) -> int:
        return len(self.sandbox.ledger(call))

    def wait_until_received(self, call: str, number: int) -> None:
        deadline = time.monotonic() + 30
        while self.received(call) < number:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture(scope="module")
def _started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    with Sandbox(addresses=40, token=TOKEN, seed=1) as sandbox:
        env = os.environ | {
            "KATAPULT_API_URL": sandbox.url,
            "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
            "ALLOWED_HOSTS": "127.0.0.1",
            # Long enough for two people to look around meanwhile.
            "KATAPULT_READ_TIMEOUT": "6",
            "DEMO_PASSWORD": PASSWORD,
            "SANDBOX_TOKEN": TOKEN,
        }
        manage(env, "migrate", "-v", "0")
        manage(env, "prepare_demo")
        web = Web(env, folder, free_port())
        site = Site(web, sandbox, env)
        try:
            yield site
        finally:
            web.kill()
            for person in site.people:
                person.close()


@pytest.fixture
def site(_started: Site) -> Site:
    """One for the module, started again if a test stopped it."""
    _started.sandbox.set_faults([])
    if _started.web.has_ended():
        _started.web.start()
    return _started


def an_address(site: Site, page: str) -> tuple[str, str]:
    """The id and text of one on the page that a virtual machine holds."""
    return next(
        (each["id"], each["address"])
        for each in site.sandbox.world()["ip_addresses"]
        if f"row-{each['id']}" in page and each["allocation_type"] == "VirtualMachine"
    )


def test_a_slow_api_does_not_slow_other_pages(site: Site) -> None:
    operator = site.sign_in("operator")
    base = str(operator.get("/addresses/").url)
    before = site.received("get")
    site.sandbox.set_faults([{"call": "get", "kind": "no_answer"}])
    with ThreadPoolExecutor(STUCK) as pool:
        ids = [each["id"] for each in site.sandbox.world()["ip_addresses"][:STUCK]]
        stuck: list[Future[httpx.Response]] = [
            pool.submit(operator.get, f"{base}{id}/") for id in ids
        ]
        site.wait_until_received("get", before + STUCK)
        assert operator.get("/healthz").text == "ok\n"
        assert "History" in operator.get("/audit/").text
        site.sign_in("auditor")
        assert not any(future.done() for future in stuck)
        answers = [future.result() for future in stuck]
    assert {answer.status_code for answer in answers} == {200}
    assert all("Katapult did not answer" in answer.text for answer in answers)


def test_a_client_cannot_set_the_script_name(site: Site) -> None:
    answer = httpx.get(f"{site.web.url}/evil/accounts/login/", headers={"SCRIPT_NAME": "/evil"})
    assert answer.status_code == 404


def test_clients_that_never_finish_their_headers_do_not_stop_the_site(site: Site) -> None:
    url = httpx.URL(site.web.url)
    slow = [socket.create_connection((url.host, url.port)) for _ in range(threads + 5)]
    try:
        for each in slow:
            each.sendall(b"GET /healthz HTTP/1.1\r\nX-Slow: ")
        answer = httpx.get(f"{site.web.url}/healthz", timeout=HEAD_SECONDS * 4)
        assert answer.text == "ok\n"
        for each in slow[:threads]:
            each.settimeout(HEAD_SECONDS * 4)
            assert each.recv(100) == b""
    finally:
        for each in slow:
            each.close()


def test_a_stopping_server_lets_an_attempt_finish(site: Site) -> None:
    operator = site.sign_in("operator")
    home = operator.get("/addresses/")
    listed = operator.get(f"{home.url}?wait=1")
    id, address = an_address(site, listed.text)
    form = find_form(operator.get(f"{home.url}{id}/unallocate/").text, "confirmation")
    assert form
    fields = form.fields | {"typed_address": address}
    site.sandbox.set_faults([{"call": "unallocate", "kind": "delay", "seconds": 3}])
    with ThreadPoolExecutor(1) as pool:
        clicked = pool.submit(operator.post, form.action, data=fields, follow_redirects=False)
        site.wait_until_received("unallocate", 1)
        site.web.stop()
        assert clicked.result().status_code == 302
    ask = "from ipadmin.models import AuditEntry; print(AuditEntry.objects.get().outcome)"
    assert manage(site.env, "shell", "-v", "0", "-c", ask).strip() == "succeeded"
