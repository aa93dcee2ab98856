"""Every call of the sandbox, over real HTTP: bodies, lookups, pages, errors and headers."""

import re
import time

import pytest

from ipadmin.sandbox import Sandbox
from ipadmin.sandbox.tokens import RateLimit
from tests.sandbox_client import Caller, code, some

NOBODY = "ip_0000000000000000"
ROW = {"id", "address", "reverse_dns", "vip", "allocation_id", "allocation_type"}
ORGANIZATION = {
    "id",
    "name",
    "sub_domain",
    "infrastructure_domain",
    "created_at",
    "activated_at",
    "suspended",
    "managed",
}


def test_the_current_user_comes_with_both_organizations(api: Caller) -> None:
    body = api.get("/users/current").json()
    assert set(body) == {"user", "organizations", "api_token_id"}
    assert [each["sub_domain"] for each in body["organizations"]] == ["northwind", "harbour-labs"]
    assert set(body["organizations"][0]) == {"id", "name", "sub_domain"}


def test_organizations_carry_the_documented_keys(api: Caller) -> None:
    first, second = api.get("/organizations").json()["organizations"]
    assert set(first) == ORGANIZATION
    assert first["id"] != second["id"]


def test_a_list_has_rows_without_label_network_or_name(api: Caller) -> None:
    row = api.list().json()["ip_addresses"][0]
    assert set(row) == ROW


def test_an_address_comes_with_its_allocation(api: Caller, box: Sandbox) -> None:
    address = some(box)
    body = api.read(address["id"])
    assert body["ip_address"]["allocation_id"] == address["allocation_id"]
    assert body["ip_address"]["network"]["data_center"]["country"]["iso_code2"] == "GB"
    assert body["allocation"] == {
        "type": "VirtualMachine",
        "value": {"id": address["allocation_id"], "name": address["allocation_name"]},
    }


def test_an_allocation_is_flat_when_a_fault_asks_for_it(api: Caller, box: Sandbox) -> None:
    held, free = some(box), some(box, None)
    box.set_faults([{"kind": "flat_allocation"}])
    flat = {"id": held["allocation_id"], "name": held["allocation_name"]}
    assert api.read(held["id"])["allocation"] == flat
    assert api.read(free["id"])["allocation"] is None
    assert code(api.unallocate(free["id"])) == "no_allocation"
    assert api.unallocate(held["id"]).text == "{}"


@pytest.mark.parametrize("version", [4, 6])
def test_an_address_is_found_by_its_text(api: Caller, box: Sandbox, version: int) -> None:
    address = some(box, None, version=version)
    text = address["address"].replace("::", ":0:0:0:0:").upper()
    answer = api.get("/ip_addresses/_", params={"ip_address[address]": text})
    assert answer.json()["ip_address"]["id"] == address["id"]


def test_unallocating_falls_back_to_the_default_reverse_dns(api: Caller, box: Sandbox) -> None:
    address = some(box)
    answer = api.unallocate(address["id"])
    assert (answer.status_code, answer.text) == (200, "{}")
    body = api.read(address["id"])
    assert body["allocation"] is None
    assert body["ip_address"]["allocation_id"] is None
    default = address["address"].replace(".", "-") + ".rdns.katapult.io"
    assert body["ip_address"]["reverse_dns"] == default != address["reverse_dns"]


def test_unallocating_with_the_lookup_in_the_query(api: Caller, box: Sandbox) -> None:
    address = some(box)
    params = {"ip_address[id]": address["id"]}
    assert api.post("/ip_addresses/_/unallocate", params=params).json() == {}
    assert code(api.post("/ip_addresses/_/unallocate", params=params)) == "no_allocation"


@pytest.mark.parametrize("type_", ["LoadBalancer", "Gateway"])
def test_what_is_no_virtual_machine_refuses(api: Caller, box: Sandbox, type_: str) -> None:
    answer = api.unallocate(some(box, type_)["id"])
    assert answer.status_code == 409
    assert code(answer) == "resource_does_not_support_unallocation"


def test_pages_cover_each_address_once(api: Caller) -> None:
    bodies = [api.list(page=page, per_page=7).json() for page in range(1, 7)]
    sizes = [len(body["ip_addresses"]) for body in bodies]
    assert sizes == [7, 7, 7, 7, 2, 0]
    assert len({row["id"] for body in bodies for row in body["ip_addresses"]}) == 30
    assert bodies[1]["pagination"] == {
        "current_page": 2,
        "total_pages": 5,
        "total": 30,
        "per_page": 7,
        "large_set": False,
    }


def test_a_page_is_thirty_unless_told(api: Caller) -> None:
    assert api.list().json()["pagination"]["per_page"] == 30
    assert api.list(per_page=200).status_code == 200


def test_lists_filter_by_allocation(api: Caller, box: Sandbox) -> None:
    free = some(box, None)["id"]
    box.allocate(free, "spare-01")
    allocated = api.list(allocated="true").json()["ip_addresses"]
    others = api.list(allocated="false").json()["ip_addresses"]
    assert free in {row["id"] for row in allocated}
    assert all(row["allocation_id"] for row in allocated)
    assert not any(row["allocation_id"] for row in others)
    assert len(allocated) + len(others) == 30


def test_an_empty_list_has_no_pages(box: Sandbox) -> None:
    with Caller(box, "empty") as api:
        body = api.list("blank-canvas").json()
    assert body["ip_addresses"] == []
    assert (body["pagination"]["total_pages"], body["pagination"]["total"]) == (0, 0)


def test_a_large_set_hides_its_totals() -> None:
    with Sandbox(token="t", large_set=True) as box, Caller(box) as api:
        pagination = api.list(per_page=1).json()["pagination"]
    assert pagination["large_set"] is True
    assert pagination["total"] is pagination["total_pages"] is None


@pytest.mark.parametrize(
    ("special", "status", "expected"),
    [
        ("unheard-of", 403, "invalid_api_token"),
        ("expired", 403, "invalid_api_token"),
        ("other-network", 403, "unauthorized_network_for_api_token"),
        ("bad-capabilities", 403, "invalid_capabilities_token"),
        ("no-scopes", 403, "scope_not_granted"),
        ("second", 404, "organization_not_found"),
    ],
)
def test_tokens_that_may_not_list(box: Sandbox, special: str, status: int, expected: str) -> None:
    with Caller(box, special) as api:
        answer = api.list()
    assert (answer.status_code, code(answer)) == (status, expected)


@pytest.mark.parametrize(
    ("special", "sub_domain", "expected"),
    [
        ("suspended", "dormant", "organization_suspended"),
        ("not-activated", "early-days", "organization_not_activated"),
    ],
)
def test_organizations_that_may_not_list(
    box: Sandbox, special: str, sub_domain: str, expected: str
) -> None:
    with Caller(box, special) as api:
        answer = api.list(sub_domain)
    assert (answer.status_code, code(answer)) == (403, expected)


def test_a_token_that_reads_may_not_unallocate(box: Sandbox) -> None:
    address = some(box)["id"]
    with Caller(box, "read-only") as api:
        assert api.read(address)["allocation"]
        answer = api.unallocate(address)
    assert code(answer) == "scope_not_granted"
    assert answer.json()["error"]["detail"] == {"scopes": ["ip_addresses"]}


def test_a_role_may_be_denied_what_its_scopes_allow(box: Sandbox) -> None:
    with Caller(box, "denied") as api:
        assert code(api.unallocate(some(box)["id"])) == "permission_denied"


def test_a_token_without_user_knows_only_its_addresses(box: Sandbox) -> None:
    with Caller(box, "no-organizations") as api:
        user, organizations = api.get("/users/current"), api.get("/organizations")
        assert api.list().status_code == 200
    assert (user.status_code, code(user)) == (404, "no_user_associated_with_identity")
    assert code(organizations) == "scope_not_granted"


def test_scopes_can_be_limited_at_the_start() -> None:
    scopes = "api.katapult.io/core/v1/ip_addresses:read"
    with Sandbox(token="t", scopes=scopes) as box, Caller(box) as api:
        assert api.list().status_code == 200
        assert code(api.get("/organizations")) == "scope_not_granted"


def test_a_request_without_token(api: Caller) -> None:
    for headers in ({"Authorization": ""}, {"Authorization": "Basic dDp0"}):
        answer = api.get("/organizations", headers=headers)
        assert (answer.status_code, code(answer)) == (400, "missing_api_token")


def test_an_unknown_address(api: Caller) -> None:
    answer = api.get("/ip_addresses/_", params={"ip_address[id]": NOBODY})
    assert answer.status_code == 404
    assert answer.json() == {
        "error": {
            "code": "ip_address_not_found",
            "description": "No IP addresses were found matching any of the criteria provided in "
            "the arguments",
            "detail": {},
        }
    }


def test_headers_of_an_answer(api: Caller, box: Sandbox) -> None:
    address = some(box)["id"]
    good, bad = api.unallocate(address), api.unallocate(address)
    assert good.headers["ETag"] == 'W/"44136fa355b3678a1146ad16f7e8649e"'  # as recorded for {}
    assert good.headers["Cache-Control"] == "max-age=0, private, must-revalidate"
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", good.headers["X-Request-Id"])
    assert (bad.headers["Cache-Control"], bad.headers["X-Api-Schema"]) == ("no-cache", "json-error")
    assert good.headers["X-Request-Id"] != bad.headers["X-Request-Id"]
    assert "ETag" not in bad.headers


def test_the_rate_limit_is_counted_by_token() -> None:
    if time.time() % 60 > 58:
        time.sleep(2)  # three calls within one clock minute
    with Sandbox(token="t", rate_limit=2) as box, Caller(box) as api, Caller(box, "second") as it:
        answers = [api.get("/organizations") for _ in range(3)]
        other = it.get("/organizations")
    assert [each.headers["X-Ratelimit-Remaining"] for each in answers] == ["1", "0", "0"]
    assert answers[2].status_code == 429
    assert answers[2].json()["error"]["detail"] == {"total_permitted": 2}
    assert (other.status_code, other.headers["X-Ratelimit-Permitted"]) == (200, "2")


def test_the_rate_limit_resets_at_second_zero() -> None:
    limit = RateLimit()
    assert [limit.take("a", 1, 119.9), limit.take("a", 1, 119.9)] == [0, None]
    assert limit.take("a", 1, 120.0) == 0


def test_the_window_of_the_rate_limit_can_be_shorter() -> None:
    limit = RateLimit(2)
    assert [limit.take("a", 1, at) for at in (4.0, 5.9, 6.0)] == [0, None, 0]


def test_some_tokens_have_a_lower_limit(box: Sandbox) -> None:
    with Caller(box, "low-limit") as api:
        assert api.get("/organizations").headers["X-Ratelimit-Permitted"] == "200"
