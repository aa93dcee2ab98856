"""Every error code the API page names, with its status, and how an error is written.

Live errors are wrapped in `{"error": …}` [seen]; the reference shows them flat [doc], which the
sandbox does only when a fault asks for it. The descriptions are ours, save the two on record.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# code: (status, description). `None` is what the live API sends for an unhandled exception [seen].
CODES: dict[str, tuple[int, str | None]] = {
    "missing_api_token": (400, "The request carries no API token"),
    "invalid_json_body": (400, "The body of the request is not valid JSON"),
    "invalid_argument": (400, "An argument is invalid"),
    "missing_required_argument": (400, "An argument is required and was not given"),
    "invalid_api_token": (403, "The API token is unknown or has expired"),
    "invalid_capabilities_token": (403, "The capabilities token is not valid"),
    "unauthorized_network_for_api_token": (
        403,
        "The API token may not be used from the network this request came from",
    ),
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
    "resource_does_not_support_unallocation": (
        409,
        "What this IP address is allocated to does not allow it to be unallocated",
    ),
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

# What an error asked for by a fault carries when the fault names no detail: the documented shape.
DETAILS: dict[str, dict[str, Any]] = {
    "unauthorized_network_for_api_token": {"ip_address": "192.0.2.1"},
    "invalid_api_token": {"details": "The token is unknown or has expired"},
    "scope_not_granted": {"scopes": ["ip_addresses"]},
    "permission_denied": {"details": "The role of this identity does not allow it"},
    "validation_error": {"errors": ["Address is locked"]},
    "rate_limit_reached": {"total_permitted": 1000},
}


@dataclass
class ApiError(Exception):
    """A call that Katapult refuses; the server writes it with the status its code has."""

    code: str
    detail: dict[str, Any] = field(default_factory=dict)
    description: str | None = None

    def __post_init__(self) -> None:
        super().__init__(self.code)

    @property
    def status(self) -> int:
        return CODES[self.code][0]

    def body(self) -> dict[str, Any]:
        description = self.description or CODES[self.code][1]
        return {"code": self.code, "description": description, "detail": self.detail}


def documented(code: str, detail: dict[str, Any] | None = None) -> ApiError:
    """The error `code` with the detail its documentation shows, unless another is given."""
    return ApiError(code, DETAILS.get(code, {}) if detail is None else detail)


def invalid_argument(path: list[str], issue: str, errors: list[str] | None = None) -> ApiError:
    """`issue` is one of the vendor framework's words, such as `parse_error` [frame]."""
    detail = {
        "path": path,
        "index": None,
        "issue": issue,
        "issue_description": None,
        "errors": errors or [],
        "argument": {"id": path[-1], "name": path[-1], "description": None},
    }
    return ApiError("invalid_argument", detail, f"The '{'.'.join(path)}' argument is invalid")


def missing_argument(name: str) -> ApiError:
    detail = {"path": [name], "argument": {"name": name, "description": None}}
    description = f"The '{name}' argument is required but was not given"
    return ApiError("missing_required_argument", detail, description)
