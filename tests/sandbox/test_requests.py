"""Unusual requests, answered as the vendor's framework answers them: status, code and issue."""

import httpx
import pytest

from ipadmin.sandbox import Sandbox
from tests.sandbox_client import Caller, some

GET, LIST = "/ip_addresses/ip_address", "/organizations/organization/ip_addresses"
UNALLOCATE = "/ip_addresses/ip_address/unallocate"
ALLOCATE = "/virtual_machines/virtual_machine/allocate_ip"
OURS = "?organization[sub_domain]=northwind"
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
LOST, NO_ORGANIZATION = "404 ip_address_not_found", "404 organization_not_found"
MISSING = "400 missing_required_argument"
INVALID = "400 invalid_argument"
LOW = f"{INVALID} validation_errors greater_than_zero"
HIGH = f"{INVALID} validation_errors less_than_or_equal_to_one_hundred"
NO_NUMBER = f"{INVALID} parse_error A whole number is expected"
NO_BOOLEAN = f"{INVALID} parse_error true or false is expected"
BROKEN = "500 unhandled_exception"

# Where $ID, $TEXT and $ORG stand, the id and the text of an allocated address and the id of its
# organization are sent.
WITHOUT_BODY = [
    # The path segment is the first key of the lookup, unless the query or a body names one.
    (f"GET {GET}", LOST),
    ("GET /ip_addresses/_", LOST),
    ("GET /ip_addresses/$ID", "200"),
    ("GET /ip_addresses/$TEXT", LOST),
    ("GET /ip_addresses/%3Aip_address?ip_address[id]=$ID", "200"),
    ("GET /ip_addresses/_?ip_address[address]=$TEXT", "200"),
    (f"GET {LIST}", NO_ORGANIZATION),
    ("GET /organizations/$ORG/ip_addresses", "200"),
    (f"POST {UNALLOCATE}", LOST),
    ("POST /ip_addresses//unallocate?ip_address[id]=$ID", "200"),
    (f"POST {ALLOCATE}", MISSING),
    # A lookup names one value, as a text.
    (f"GET {GET}?ip_address", MISSING),
    (f"GET {GET}?ip_address=$ID", f"{INVALID} object_expected"),
    (f"GET {GET}?ip_address[]=$ID", f"{INVALID} object_expected"),
    (f"GET {GET}?ip_address[name]=x", f"{INVALID} missing_lookup_value"),
    (f"GET {GET}?ip_address[id=$ID", f"{INVALID} missing_lookup_value"),
    (f"GET {GET}?ip_address[id][x]=$ID", f"{INVALID} invalid_scalar"),
    (f"GET {GET}?ip_address[id]=$ID&ip_address[address]=", f"{INVALID} ambiguous_lookup_values"),
    (f"GET {GET}?ip_address[id]&ip_address[address]=$TEXT", "200"),
    (f"GET {GET}?ip_address[id]", LOST),
    (f"GET {GET}?ip_address[id]=", LOST),
    (f"GET {GET}?ip_address=x&ip_address[id]=$ID", BROKEN),
    (f"GET {GET}?ip_address[id]=$ID&x{'[x]' * 32}=", BROKEN),
    # Every argument is read before anything is looked up.
    (f"GET {LIST}?page=0", LOW),
    (f"POST {ALLOCATE}?virtual_machine[id]=vm_0000000000000000", MISSING),
    (f"GET {LIST}{OURS}&page=", NO_NUMBER),
    (f"GET {LIST}{OURS}&page=+1", NO_NUMBER),
    (f"GET {LIST}{OURS}&page=-1", LOW),
    (f"GET {LIST}{OURS}&page", BROKEN),
    (f"GET {LIST}{OURS}&per_page=0", LOW),
    (f"GET {LIST}{OURS}&per_page=201", HIGH),
    (f"GET {LIST}{OURS}&per_page=1.0", NO_NUMBER),
    (f"GET {LIST}{OURS}&allocated=", NO_BOOLEAN),
    (f"GET {LIST}{OURS}&allocated=TRUE", NO_BOOLEAN),
    (f"GET {LIST}{OURS}&allocated=no", "200"),
    (f"GET {LIST}{OURS}&allocated", "200"),
    # Slashes may trail.
    ("GET /organizations/", "200"),
    ("GET /ip_addresses/$ID/", "200"),
    ("POST /ip_addresses/$ID/unallocate//", "200"),
    ("GET /ip_addresses/", "404 route_not_found"),
    (f"DELETE {UNALLOCATE}", "404 route_not_found"),
    # JSON in a parameter.
    (f'GET {GET}?_arguments={{"ip_address":{{"id":"$ID"}}}}', "200"),
    (f"GET {GET}?_arguments={{", "400 invalid_json_body"),
]
ID_IN_JSON = '{"ip_address":{"id":"$ID"}}'
TEXT_IN_JSON = '{"ip_address":{"address":"$TEXT"}}'
WITH_BODY = [
    # Query and JSON are merged deeply, and JSON wins, with its nulls too.
    ("?ip_address[id]=x", JSON, ID_IN_JSON, "200"),
    ("?ip_address[id]=$ID", JSON, '{"ip_address":{"id":"x"}}', LOST),
    ("?ip_address[id]=$ID", JSON, '{"ip_address":{"id":null}}', LOST),
    ("?ip_address[id]=$ID", JSON, '{"ip_address":null}', MISSING),
    ("?ip_address[id]=$ID", JSON, '{"ip_address":{}}', "200"),
    ("?ip_address[id]=$ID", JSON, TEXT_IN_JSON, f"{INVALID} ambiguous_lookup_values"),
    ("", JSON, '{"ip_address":{"id":null}}', LOST),
    ("", JSON, '{"ip_address":{"id":null,"address":"$TEXT"}}', "200"),
    ("", JSON, '{"ip_address":{}}', f"{INVALID} missing_lookup_value"),
    ("", JSON, '{"ip_address":"$ID"}', f"{INVALID} object_expected"),
    ("", JSON, '{"ip_address":["$ID"]}', f"{INVALID} object_expected"),
    ("", JSON, '{"ip_address":{"id":7}}', f"{INVALID} invalid_scalar"),
    ("", JSON, '{"ip_address":{"id":false,"address":"$TEXT"}}', f"{INVALID} invalid_scalar"),
    # JSON that is no object counts as {}.
    ("?ip_address[id]=$ID", JSON, "[]", "200"),
    ("?ip_address[id]=$ID", JSON, "null", "200"),
    ("?ip_address[id]=$ID", JSON, "", "200"),
    ("?ip_address[id]=$ID", JSON, " ", "400 invalid_json_body"),
    ("?ip_address[id]=$ID", JSON, "{", "400 invalid_json_body"),
    ("?ip_address[id]=$ID", JSON, '{"a":NaN}', "400 invalid_json_body"),
    ("", f"{JSON}; charset=utf-8", ID_IN_JSON, "200"),
    # A form is read, and hides the query; a body of another type is ignored.
    ("", FORM, "ip_address[id]=$ID", "200"),
    ("", f"{FORM}; charset=utf-8", "ip_address%5Baddress%5D=$TEXT", "200"),
    ("", "", "ip_address[id]=$ID", "200"),
    ("?ip_address[id]=x", FORM, "ip_address[address]=$TEXT", "200"),
    ("", "", ID_IN_JSON, LOST),
    ("", "text/plain", ID_IN_JSON, LOST),
    ("", "text/json", ID_IN_JSON, LOST),
    ("?ip_address[id]=$ID", "application/xml", "{", "200"),
]
NUMBERS = [
    ('{"page":2,"per_page":"7"}', "200"),
    ('{"page":null}', BROKEN),
    ('{"page":true}', NO_NUMBER),
    ('{"page":1.0}', NO_NUMBER),
    ('{"allocated":0}', "200"),
    ('{"allocated":2}', NO_BOOLEAN),
    ('{"allocated":[]}', NO_BOOLEAN),
]


def ask(box: Sandbox, request: str, media_type: str = "", body: str = "") -> str:
    """Send `request`, a method and a path, and name its outcome: status, code, issue, errors."""
    address = some(box)
    names = {"$ID": address["id"], "$TEXT": address["address"], "$ORG": address["organization"]}
    for name, value in names.items():
        request, body = request.replace(name, value), body.replace(name, value)
    method, _, path = request.partition(" ")
    headers = {"Content-Type": media_type} if media_type else {}
    with Caller(box) as api:
        return outcome(api.request(method, path, content=body, headers=headers))


def outcome(answer: httpx.Response) -> str:
    error = answer.json().get("error", {})
    detail = error.get("detail", {})
    words = [error.get("code"), detail.get("issue"), *detail.get("errors", [])]
    return " ".join([str(answer.status_code), *filter(None, words)])


@pytest.mark.parametrize(("request_line", "expected"), WITHOUT_BODY)
def test_a_request_without_body(box: Sandbox, request_line: str, expected: str) -> None:
    assert ask(box, request_line) == expected


@pytest.mark.parametrize(("query", "media_type", "body", "expected"), WITH_BODY)
def test_a_request_with_a_body(
    box: Sandbox, query: str, media_type: str, body: str, expected: str
) -> None:
    assert ask(box, f"POST {UNALLOCATE}{query}", media_type, body) == expected


@pytest.mark.parametrize(("body", "expected"), NUMBERS)
def test_numbers_and_booleans_in_json(box: Sandbox, body: str, expected: str) -> None:
    assert ask(box, f"GET {LIST}{OURS}", JSON, body) == expected


def test_what_an_invalid_argument_says(box: Sandbox) -> None:
    with Caller(box) as api:
        first = api.list(per_page=0).json()["error"]
        second = api.get(GET, params={"ip_address[id][]": "x"}).json()["error"]
    assert first["description"] == "The 'per_page' argument is invalid"
    assert first["detail"] == {
        "path": ["per_page"],
        "index": None,
        "issue": "validation_errors",
        "issue_description": None,
        "errors": ["greater_than_zero"],
        "argument": {"id": "per_page", "name": "per_page", "description": None},
    }
    assert second["detail"]["path"] == ["ip_address", "id"]
    assert second["detail"]["issue_description"].startswith("The value is of another type")
