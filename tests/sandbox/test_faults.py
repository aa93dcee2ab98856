"""Each way a call can go wrong, whether it took effect, and what the client gets to see."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from ipadmin.sandbox import Sandbox
from ipadmin.sandbox.errors import CODES
from ipadmin.sandbox.faults import DRIPS, FOREIGN_BODIES, KINDS, Faults
from tests.sandbox_client import Caller, allocated, code, some, until


@pytest.fixture
def impatient(box: Sandbox) -> Iterator[Caller]:
    with Caller(box, timeout=0.2) as impatient:
        yield impatient


@pytest.mark.parametrize("acts", [True, False])
def test_a_call_without_an_answer_acts_or_not(box: Sandbox, impatient: Caller, acts: bool) -> None:
    box.set_faults([{"call": "unallocate", "kind": "no_answer", "acts": acts}])
    address = some(box)["id"]
    with pytest.raises(httpx.ReadTimeout):
        impatient.unallocate(address)
    assert allocated(box, address) is not acts
    (entry,) = box.ledger("unallocate")
    assert (entry["acted"], entry["status"], entry["fault"]) == (acts, None, "no_answer")


@pytest.mark.parametrize(("kind", "acts"), [("reset_before", False), ("reset_after", True)])
def test_a_connection_is_reset_before_or_after_the_call(
    box: Sandbox, api: Caller, kind: str, acts: bool
) -> None:
    box.set_faults([{"call": "unallocate", "kind": kind}])
    address = some(box)["id"]
    with pytest.raises(httpx.ReadError):
        api.unallocate(address)
    assert allocated(box, address) is not acts
    assert box.ledger("unallocate")[0]["acted"] is acts


def test_a_delay_is_waited(box: Sandbox, api: Caller) -> None:
    box.set_faults([{"call": "get", "kind": "delay", "seconds": 0.1}])
    start = time.monotonic()
    assert api.read(some(box)["id"])["allocation"]
    assert time.monotonic() - start >= 0.1


def test_a_late_request_still_acts(box: Sandbox, impatient: Caller) -> None:
    box.set_faults([{"call": "unallocate", "kind": "delay", "seconds": 0.6}])
    address = some(box)["id"]
    with pytest.raises(httpx.ReadTimeout):
        impatient.unallocate(address)
    assert allocated(box, address)
    until(lambda: not allocated(box, address))
    assert box.ledger("unallocate")[0]["acted"]


def test_a_call_may_act_at_once_and_answer_late(box: Sandbox, impatient: Caller) -> None:
    fault = {"call": "unallocate", "kind": "delay", "seconds": 2, "acts_at": "start"}
    box.set_faults([fault])
    address = some(box)["id"]
    with pytest.raises(httpx.ReadTimeout):
        impatient.unallocate(address)
    assert not allocated(box, address)


@pytest.mark.parametrize(
    ("rule", "status", "acts"),
    [
        ({"kind": "status"}, 500, False),
        ({"kind": "status", "status": 503, "acts": True}, 503, True),
        ({"kind": "status", "status": 502}, 502, False),
        ({"kind": "html"}, 502, False),
        ({"kind": "html", "status": 200, "acts": True}, 200, True),
        ({"kind": "empty"}, 200, True),
        ({"kind": "redirect"}, 302, False),
        ({"kind": "unknown_code"}, 422, False),
        ({"kind": "rate_limit"}, 429, False),
        ({"kind": "flat"}, 200, True),
        ({"kind": "foreign"}, 200, False),
        ({"kind": "foreign", "acts": True}, 200, True),
        ({"kind": "accepted"}, 202, False),
        ({"kind": "accepted", "acts": True}, 202, True),
        ({"kind": "two_answers"}, 200, True),
        ({"kind": "request_timeout"}, 408, True),
        ({"kind": "other_id"}, 200, True),
    ],
)
def test_a_fault_changes_the_status_and_decides_whether_the_call_acts(
    box: Sandbox, api: Caller, rule: dict[str, Any], status: int, acts: bool
) -> None:
    box.set_faults([{"call": "unallocate", **rule}])
    address = some(box)["id"]
    assert api.unallocate(address).status_code == status
    assert allocated(box, address) is not acts


def test_each_kind_of_fault_has_its_headers_and_body(box: Sandbox, api: Caller) -> None:
    def answer(**rule: Any) -> httpx.Response:
        box.set_faults([rule])
        return api.get("/organizations")

    assert answer(kind="html").headers["Content-Type"].startswith("text/html")
    assert "X-Request-Id" not in answer(kind="html").headers
    assert answer(kind="empty").content == b""
    assert answer(kind="redirect").headers["Location"] == "/core/v1/redirected"
    assert code(answer(kind="unknown_code", code="brand_new")) == "brand_new"
    limited = answer(kind="rate_limit", retry_after=30)
    assert (limited.headers["Retry-After"], limited.headers["X-Ratelimit-Remaining"]) == ("30", "0")
    crash = answer(kind="status", status=500)
    assert crash.json()["error"]["description"] is None
    assert "X-Ratelimit-Remaining" not in crash.headers


def test_faults_can_answer_like_a_gateway(box: Sandbox, api: Caller) -> None:
    def answer(**rule: Any) -> httpx.Response:
        box.set_faults([rule])
        return api.get("/organizations")

    assert answer(kind="foreign").text == FOREIGN_BODIES[0]
    assert answer(kind="foreign", body="[1]").text == "[1]"
    assert "X-Request-Id" not in answer(kind="foreign").headers
    assert answer(kind="accepted").text == "{}"
    timeout = answer(kind="request_timeout")
    assert timeout.json() == {"code": "request_timeout"}
    assert "X-Request-Id" not in timeout.headers


@pytest.mark.parametrize("version", [4, 6])
def test_an_answer_about_another_address(box: Sandbox, api: Caller, version: int) -> None:
    address = some(box, version=version)["id"]
    true = api.read(address)
    box.set_faults([{"kind": "other_id", "times": 1}])
    other = api.read(address)
    assert other["ip_address"].pop("id") != true["ip_address"]["id"]
    assert other["ip_address"].items() <= true["ip_address"].items()
    box.set_faults([{"kind": "other_id", "part": "address"}])
    other = api.read(address)
    assert other["ip_address"]["id"] == address
    assert other["ip_address"]["address"] != true["ip_address"]["address"]
    assert other["allocation"] == true["allocation"]


def test_a_list_is_never_about_another_address(box: Sandbox, api: Caller) -> None:
    true = api.list().json()
    box.set_faults([{"kind": "other_id"}])
    assert api.list().json() == true
    assert box.ledger("list")[-1]["fault"] is None
    assert api.read("ip_none")["error"]["code"] == "ip_address_not_found"


def test_a_truncated_answer_follows_a_call_that_acted(box: Sandbox, api: Caller) -> None:
    box.set_faults([{"call": "unallocate", "kind": "truncated"}])
    address = some(box)["id"]
    with pytest.raises(httpx.RemoteProtocolError):
        api.unallocate(address)
    assert not allocated(box, address)


def test_errors_may_come_flat(box: Sandbox, api: Caller) -> None:
    box.set_faults([{"kind": "flat"}])
    assert api.get("/ip_addresses/_").json()["code"] == "ip_address_not_found"


def test_a_fault_answers_with_any_documented_error(box: Sandbox, api: Caller) -> None:
    address = some(box)["id"]
    for wanted, (status, _description) in CODES.items():
        box.set_faults([{"call": "unallocate", "kind": "error", "code": wanted}])
        answer = api.unallocate(address)
        assert (answer.status_code, code(answer)) == (status, wanted)
        assert isinstance(answer.json()["error"]["detail"], dict)
    assert allocated(box, address)


def test_a_fault_of_one_address_ends_after_its_number_of_times(box: Sandbox, api: Caller) -> None:
    address, other = some(box), some(box, None)
    box.set_faults([{"call": "get", "address": address["address"], "kind": "status", "times": 1}])
    asked = [other["id"], address["id"], address["id"]]
    assert [api.get(f"/ip_addresses/{id}").status_code for id in asked] == [200, 500, 200]


def test_faults_are_set_at_the_start_or_chosen_at_random() -> None:
    faults = """[{"call": "list", "kind": "status", "status": 503, "times": 1},
                 {"call": "organizations", "kind": "error", "code": "permission_denied"}]"""
    with Sandbox(token="t", faults=faults) as box, Caller(box) as api:
        assert [api.list().status_code for _ in range(2)] == [503, 200]
        assert code(api.get("/organizations")) == "permission_denied"
        box.set_faults([{"kind": "random", "probability": 1, "call": "get"}])
        for _ in range(60):
            try:
                api.get("/ip_addresses/_", timeout=0.03, headers={"Connection": "close"})
            except httpx.HTTPError:
                continue
        chosen = [each["fault"] for each in box.ledger("get")]
    assert len(chosen) == 60
    assert set(chosen) <= set(KINDS)


def test_a_random_fault_is_of_every_kind_and_waits_in_bounds() -> None:
    faults = Faults([{"kind": "random"}], seed=0)
    longest: dict[str, float] = {}
    for _ in range(500):
        rule = faults.choose("get", None)
        assert rule is not None
        longest[rule.kind] = max(longest.get(rule.kind, 0), rule.seconds)
    assert set(longest) == set(KINDS)
    assert 3 < longest["late"] <= 3.5
    assert all(0.1 < longest[kind] <= 0.3 for kind in DRIPS)


@pytest.mark.parametrize(
    "bad",
    [
        {},
        [{}],
        [{"kind": "meteor"}],
        [{"kind": "html", "call": "fly"}],
        [{"kind": "error", "code": "x"}],
        [{"kind": "html", "colour": "red"}],
        [{"kind": "html", "status": 99}],
    ],
)
def test_bad_faults_are_refused_and_change_nothing(box: Sandbox, bad: Any) -> None:
    answer = httpx.put(f"{box.url}/_sandbox/faults", json=bad)
    assert answer.status_code == 400
    assert httpx.get(f"{box.url}/_sandbox/faults").json() == []


def test_faults_change_while_it_runs(box: Sandbox, api: Caller) -> None:
    url = f"{box.url}/_sandbox/faults"
    (rule,) = httpx.put(url, json=[{"kind": "status"}]).json()
    assert (rule["kind"], rule["call"]) == ("status", "*")
    assert api.get("/organizations").status_code == 500
    assert httpx.delete(url).json() == []
    assert api.get("/organizations").status_code == 200


def test_a_reset_world_is_safe_from_late_requests(box: Sandbox, impatient: Caller) -> None:
    box.set_faults([{"call": "unallocate", "kind": "delay", "seconds": 0.3}])
    address = some(box)["id"]
    with pytest.raises(httpx.ReadTimeout):
        impatient.unallocate(address)
    box.reset()
    time.sleep(0.2)
    assert allocated(box, address)


def test_latency_delays_every_call() -> None:
    with Sandbox(token="t", latency_ms=50) as box, Caller(box) as api:
        start = time.monotonic()
        api.get("/organizations").raise_for_status()
        api.list().raise_for_status()
    assert time.monotonic() - start >= 0.1
