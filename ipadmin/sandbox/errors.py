"""Every error code the API page names, with its status, and how an error is written.

Live errors are wrapped in `{"error": …}` [seen]; the reference shows them flat [doc], which the
sandbox does only when a fault asks for it. The descriptions are ours, save the two on record.
"""

from __future__ import annotations

from .world import KEEP_UNTIL, VIRTUAL_MACHINE

# code: (status, description). `None` is what the live API sends for an unhandled exception [seen].
CODES: dict[str, tuple[int, str | None]] = {
    "missing_api_token": (400, "The request carries no API token"),
    "invalid_json_body": (400, "The body of the request is not valid JSON"),
    "invalid_argument": (400, "An argument is invalid"),
    "missing_required_argument": (400, "An argument is required and was not given"),
    "invalid_api_token": (403, "The API token is unknown or has expired"),
    "invalid_capabilities_token": (403, "The capabilities token is not valid"),
    "unauthorized_network_for_api_token": (403, "This network may not use the API token"),
    "scope_not_granted": (403, "The API token lacks the scope this call needs"),
    "permission_denied": (403, "The identity of this API token may not do this"),
    "organization_suspended": (403, "The organization is suspended"),
    "organization_not_activated": (403, "The organization is not activated yet"),
    "ip_address_not_found": (
        404,
        "No IP addresses were found matching any of the criteria provided in the arguments",
    ),
    "organization_not_found": (404, "No organization matches the arguments"),
    "virtual_machine_not_found": (404, "No virtual machine matches the arguments"),
    "no_user_associated_with_identity": (404, "This API token belongs to no user"),
    "route_not_found": (404, "No call has this method and path"),
    "object_in_trash": (406, "The object is in the trash and has to be restored first"),
    "resource_does_not_support_unallocation": (409, "This resource can't release its address"),
    "no_allocation": (422, "This IP address is allocated to nothing"),
    "ip_already_allocated": (422, "This IP address is allocated already"),
    "no_interface_available": (422, "The virtual machine has no interface for this IP address"),
    "validation_error": (
        422,
        "A validation error occurred with the object that was being created/updated/deleted",
    ),
    "rate_limit_reached": (429, "The rate limit is reached"),
    "unhandled_exception": (500, None),
    "service_unavailable": (503, "The API is unavailable for the moment"),
}

# The detail of an error that is raised without one: the documented shape.
DETAILS: dict[str, dict[str, object]] = {
    "unauthorized_network_for_api_token": {"ip_address": "192.0.2.1"},
    "invalid_api_token": {"details": "The token is unknown or has expired"},
    "invalid_json_body": {"details": "The body cannot be parsed"},
    "scope_not_granted": {"scopes": ["ip_addresses"]},
    "permission_denied": {"details": "The role of this identity does not allow it"},
    "object_in_trash": {
        "trash_object": {
            "id": "trsh_0000000000000000",
            "keep_until": KEEP_UNTIL,
            "object_id": "vm_0000000000000000",
            "object_type": VIRTUAL_MACHINE,
        }
    },
    "validation_error": {"errors": ["Address is locked"]},
    "rate_limit_reached": {"total_permitted": 1000},
}

# What the framework says of an `issue`; it says nothing of the others, which are
# `object_expected` and `validation_errors` [frame].
ISSUES = {
    "invalid_scalar": "The value is of another type than the argument",
    "parse_error": "The value cannot be read as what the argument expects",
    "missing_lookup_value": "The lookup names no value, and one is needed",
    "ambiguous_lookup_values": "The lookup names more than one value, and only one may be given",
}


class ApiError(Exception):
    """A call that Katapult refuses, with the status its code has."""

    def __init__(
        self, code: str, detail: dict[str, object] | None = None, description: str | None = None
    ) -> None:
        super().__init__(code)
        self.code = code
        self.status, documented = CODES[code]
        self.detail = DETAILS.get(code, {}) if detail is None else detail
        self.description = description or documented

    def body(self) -> dict[str, object]:
        """Wrapped, as the live API does [seen]."""
        error = {"code": self.code, "description": self.description, "detail": self.detail}
        return {"error": error}


def invalid_argument(path: list[str], issue: str, *errors: str) -> ApiError:
    """`issue` is one of the vendor framework's words, such as `parse_error` [frame]."""
    detail: dict[str, object] = {
        "path": path,
        "index": None,
        "issue": issue,
        "issue_description": ISSUES.get(issue),
        "errors": errors,
        "argument": {"id": path[-1], "name": path[-1], "description": None},
    }
    return ApiError("invalid_argument", detail, f"The '{'.'.join(path)}' argument is invalid")


def missing_argument(name: str) -> ApiError:
    detail: dict[str, object] = {"path": [name], "argument": {"name": name, "description": None}}
    description = f"The '{name}' argument is required but was not given"
    return ApiError("missing_required_argument", detail, description)
