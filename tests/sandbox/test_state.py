"""The sandbox's world, ledger and persistence, and the process around them."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from ipadmin.sandbox import Sandbox, SandboxError
from tests.sandbox_client import Caller, code, machine, some

ROOT = Path(__file__).parents[2]


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(token="a-secret-token") as box:
        yield box


@pytest.fixture
def api(box: Sandbox) -> Iterator[Caller]:
    with Caller(box) as api:
        yield api


def test_a_world_of_forty_has_some_of_each_kind(api: Caller, box: Sandbox) -> None:
    world = box.world()
    addresses = world["ip_addresses"]
    owners = [each["organization"] for each in addresses]
    assert [owners.count(each["id"]) for each in world["organizations"]] == [30, 10, 0, 0, 0]
    for owner in world["organizations"][:2]:
        mine = [each for each in addresses if each["organization"] == owner["id"]]
        assert {each["version"] for each in mine} == {4, 6}
        assert {"VirtualMachine", "LoadBalancer", None} <= {x["allocation_type"] for x in mine}
        assert any(each["vip"] and each["label"] for each in mine)
    vips = [each["allocation_id"] for each in addresses if each["vip"]]
    assert None in vips
    assert any(vips)
    allocations = [api.read(each["id"])["allocation"] for each in addresses]
    assert {tuple(each) for each in allocations if each} == {("type", "value")}


def test_every_recorded_shape_of_an_address_is_there(api: Caller, box: Sandbox) -> None:
    bodies = [api.read(each["id"])["ip_address"] for each in box.world()["ip_addresses"]]
    shapes = {("subnet" in each, "default" in each["network"]) for each in bodies}
    assert shapes == {(True, True), (False, True), (False, False)}


def test_machines_hold_one_or_several_addresses(box: Sandbox) -> None:
    held: dict[str, list[int]] = {}
    for each in box.world()["ip_addresses"]:
        if each["allocation_type"] == "VirtualMachine":
            held.setdefault(each["allocation_id"], []).append(each["version"])
    assert {(4,), (6,), (4, 6), (4, 4)} <= {tuple(versions) for versions in held.values()}


def test_the_same_seed_gives_the_same_world(box: Sandbox) -> None:
    first = box.world()
    box.reset(seed=2)
    assert box.world()["ip_addresses"][0]["id"] != first["ip_addresses"][0]["id"]
    box.reset(seed=1)
    assert box.world() == first


@pytest.mark.parametrize("addresses", [0, 1, 2, 3, 200])
def test_a_world_has_the_given_number_of_addresses(addresses: int) -> None:
    with Sandbox(addresses=addresses) as box:
        texts = {each["address"] for each in box.world()["ip_addresses"]}
    assert len(texts) == addresses


def test_the_ledger_has_every_request_and_no_secret(api: Caller, box: Sandbox) -> None:
    address = some(box)["id"]
    answer = api.unallocate(address)
    api.get("/nowhere")
    answer_lines = httpx.get(f"{box.url}/_sandbox/ledger").text
    first, second = (json.loads(line) for line in answer_lines.splitlines())
    assert first["ip_address"] == address
    assert (first["request_id"], first["status"]) == (answer.headers["X-Request-Id"], 200)
    assert (first["method"], first["call"], first["acted"]) == ("POST", "unallocate", True)
    assert first["received_at"] <= first["acted_at"] <= first["answered_at"]
    assert (second["call"], second["code"]) == ("unknown", "route_not_found")
    assert box.token not in answer_lines
    assert first["token"] == "everything"


def test_the_ledger_can_be_asked_for_one_call(api: Caller, box: Sandbox) -> None:
    api.list()
    api.get("/organizations")
    assert [each["call"] for each in box.ledger("list")] == ["list"]


def test_a_reset_empties_the_ledger_and_restores_the_world(api: Caller, box: Sandbox) -> None:
    address = some(box)
    api.unallocate(address["id"])
    answer = httpx.post(f"{box.url}/_sandbox/reset", json={"addresses": 12})
    assert answer.json()["ok"] is True
    assert box.ledger() == []
    assert len(box.world()["ip_addresses"]) == 12
    assert httpx.post(f"{box.url}/_sandbox/reset", json={"addresses": -1}).status_code == 400
    httpx.post(f"{box.url}/_sandbox/reset", json={"addresses": 40})
    assert some(box) == address


def test_allocations_can_be_changed_without_a_request(api: Caller, box: Sandbox) -> None:
    address, spare = some(box)["id"], machine(box, "spare-01")
    body = {"ip_address": address, "virtual_machine": spare}
    named = body | {"reverse_dns": "mail.example.net"}
    assert httpx.post(f"{box.url}/_sandbox/allocate", json=named).status_code == 200
    found = api.read(address)["ip_address"]
    assert (found["allocation_id"], found["reverse_dns"]) == (spare, "mail.example.net")
    box.unallocate(address)
    assert api.read(address)["allocation"] is None
    for wrong in ({}, body | {"virtual_machine": "x"}, body | {"ip_address": "x"}):
        assert httpx.post(f"{box.url}/_sandbox/allocate", json=wrong).status_code == 400


def test_an_address_can_be_released_or_given_to_the_other_organization(
    api: Caller, box: Sandbox
) -> None:
    gone, sold = some(box), some(box, "LoadBalancer")
    box.release(gone["id"])
    httpx.post(f"{box.url}/_sandbox/release", json={"ip_address": sold["address"], "to": "other"})
    answer = api.get(f"/ip_addresses/{gone['id']}")
    assert (answer.status_code, code(answer)) == (404, "ip_address_not_found")
    assert api.list().json()["pagination"]["total"] == 28
    others = [row["id"] for row in api.list("harbour-labs").json()["ip_addresses"]]
    assert sold["id"] in others
    with Caller(box, "no-organizations") as first_only:
        assert code(first_only.get(f"/ip_addresses/{sold['id']}")) == "ip_address_not_found"


def test_what_the_sandbox_adds_is_its_own(box: Sandbox) -> None:
    assert httpx.get(f"{box.url}/_sandbox/health").json() == {"ok": True}
    assert httpx.get(f"{box.url}/_sandbox/moon").status_code == 404
    assert httpx.post(f"{box.url}/_sandbox/release", content="{").status_code == 400
    assert len(httpx.get(f"{box.url}/_sandbox/world").json()["ip_addresses"]) == 40
    assert box.ledger() == []


def test_requests_sent_at_once_are_answered_in_turn(box: Sandbox) -> None:
    host, port = box.url.removeprefix("http://").split(":")
    one = b"GET /_sandbox/health HTTP/1.1\r\nHost: x\r\n\r\n"
    last = one.replace(b"Host: x", b"Host: x\r\nConnection: close")
    received = b""
    with socket.create_connection((host, int(port))) as peer:
        peer.sendall(one + last)
        while data := peer.recv(1000):
            received += data
    assert received.count(b"HTTP/1.1 200 OK") == 2


def test_a_head_request_gets_no_body(box: Sandbox) -> None:
    with httpx.Client() as client:
        for _ in range(2):
            assert client.head(f"{box.url}/core/v1/organizations").content == b""


def test_the_world_outlives_a_restart(tmp_path: Path) -> None:
    state = str(tmp_path / "state.jsonl")
    with Sandbox(token="t", state=state) as box, Caller(box) as api:
        address = some(box)
        api.allocate(some(box, None)["id"], machine(box, "spare-01"))
        api.unallocate(address["id"])
        api.set_reverse_dns(some(box)["id"], "mail.example.net")
        box.release(some(box, "LoadBalancer")["id"])
        world = box.world()
    with Path(state).open("a") as journal:
        journal.write('["torn')
    with Sandbox(token="t", state=state) as box, Caller(box) as api:
        assert box.world() == world
        assert code(api.unallocate(address["id"])) == "no_allocation"
        box.reset()
    with Sandbox(token="t", state=state) as box:
        assert some(box) == address


def test_a_file_that_is_no_state_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "notes.json"
    other.write_text('{"mine": 1}\n')
    with pytest.raises(SandboxError, match="is not the state"):
        Sandbox(state=str(other))
    assert other.read_text() == '{"mine": 1}\n'


def test_faults_that_cannot_be_used_stop_the_start() -> None:
    for faults in ("nonsense", '[{"kind": "meteor"}]', "[1]"):
        with pytest.raises(SandboxError):
            Sandbox(faults=faults)


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(
        [sys.executable, *arguments],
        env={"PATH": os.environ["PATH"]},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        with started:
            yield started
    finally:
        started.kill()


def test_a_killed_process_comes_back_with_its_world(tmp_path: Path) -> None:
    arguments = ["-m", "ipadmin.sandbox", "--port=0", "--token=t", f"--state={tmp_path / 's'}"]
    shown = []
    for _ in range(2):
        with process(*arguments) as started:
            assert started.stdout
            url = started.stdout.readline().split()[3].removesuffix("/core/v1:")
            addresses = httpx.get(f"{url}/_sandbox/world").json()["ip_addresses"]
            shown.append(addresses[1])
            body = {"ip_address": addresses[1]["id"]}
            httpx.post(f"{url}/_sandbox/unallocate", json=body).raise_for_status()
            started.kill()
    assert [each["allocation_name"] for each in shown] == ["web-01", None]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_stops_at_a_signal(number: signal.Signals) -> None:
    with process("-m", "ipadmin.sandbox", "--port=0") as started:
        assert started.stdout
        line = started.stdout.readline()
        started.send_signal(number)
        assert started.wait(5) == 0
    assert "Northwind Hosting" in line
    assert "-read-only" in line


def test_a_taken_port_is_one_clear_line(box: Sandbox) -> None:
    port = box.url.rpartition(":")[2]
    with process("-m", "ipadmin.sandbox", f"--port={port}", "--token=t") as started:
        out, error = started.communicate(timeout=20)
    assert (started.returncode, out) == (1, "")
    assert error.strip().endswith(f"Port {port} on 127.0.0.1 is already taken.")
    assert error.count("\n") == 1


def test_several_tokens_are_told_apart_in_the_ledger() -> None:
    with Sandbox(token="first,second") as box:
        for token in ("first", "second"):
            headers = {"Authorization": f"Bearer {token}"}
            assert httpx.get(f"{box.url}/core/v1/organizations", headers=headers).is_success
        assert len({each["token_fingerprint"] for each in box.ledger()}) == 2
