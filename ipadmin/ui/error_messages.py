"""The message for each error code: Katapult's codes and our own, in one table.

A code that is not in it is shown in Katapult's own words.
"""

from __future__ import annotations

from typing import NamedTuple


class Words(NamedTuple):
    """One message. `what_now` also says whom to ask, where the reader may not be able to act.
    `steps` are the kinds of buttons for it, of `next_steps.py`, the most useful one first."""

    title: str
    what_happened: str
    what_now: str
    tone: str = "warning"
    steps: tuple[str, ...] = ("retry", "copy")


TOKEN_MANAGER = "Ask the person who manages API tokens in Katapult."
ORGANIZATION_ADMIN = "Ask an administrator of the organization in Katapult."
KATAPULT = "Ask Katapult support."
SITE_ADMIN = "Ask the administrator of this site."

WORDS: dict[str, Words] = {
    # The token
    "missing_api_token": Words(
        "Katapult received no API token",
        "The request reached Katapult without its token. A proxy may have removed it.",
        f"Check the proxy between this site and Katapult. {SITE_ADMIN}",
    ),
    "invalid_api_token": Words(
        "Katapult does not accept this token",
        "Katapult does not know the token: it was deleted, has expired, or was never valid.",
        "Create a new API token in Katapult. Then open Tokens and replace this one's secret. "
        f"{TOKEN_MANAGER}",
        steps=("replace", "other"),
    ),
    "unauthorized_network_for_api_token": Words(
        "This token can't be used from this network",
        "The token is limited to certain networks, and this site's address is not in them.",
        f"Add the address below to the token's allowed networks in Katapult. {TOKEN_MANAGER}",
        steps=("retry", "other", "copy"),
    ),
    "scope_not_granted": Words(
        "This token lacks a scope",
        "Katapult knows the token, but the token does not have the scope that this needs.",
        f"Add the scope below to the token in Katapult, or use another token. {TOKEN_MANAGER}",
        steps=("retry", "other", "replace"),
    ),
    "permission_denied": Words(
        "Katapult denied permission",
        "The token's user does not have the permission for this in this organization.",
        f"Get the permission, or use the token of a user who has it. {ORGANIZATION_ADMIN}",
        steps=("retry", "other"),
    ),
    "no_user_associated_with_identity": Words(
        "This token has no user",
        "The token belongs to an organization, not to a person.",
        "You can still use it. Choose its organization.",
        tone="info",
        steps=("choose",),
    ),
    "token_unreadable": Words(
        "Enter this token again",
        "It can't be decrypted: its key was removed from the configuration, or it was changed.",
        "Open Tokens and replace this token's secret.",
        steps=("replace", "other"),
    ),
    "connect_again": Words(
        "Connect to Katapult again",
        "This connection has ended: it expired, was removed in Katapult, or was not stored.",
        "Connect again, and allow access in Katapult.",
        steps=("replace", "other"),
    ),
    "identity_unavailable": Words(
        "Katapult's sign-in can't be reached",
        "This connection needs a new access token, and Katapult's sign-in did not issue one.",
        f"Try again in a moment. {SITE_ADMIN}",
        steps=("retry", "other", "copy"),
    ),
    "already_added": Words(
        "You have already added this token",
        "It is in your list of tokens, for the same organization.",
        "Use that one. For another organization, choose one that it is not used for yet.",
        tone="info",
        steps=("open",),
    ),
    # The organization
    "organization_suspended": Words(
        "The organization is suspended",
        "Katapult has suspended this organization and refuses changes to it.",
        f"Get the suspension lifted, then try again. {KATAPULT}",
    ),
    "organization_not_activated": Words(
        "The organization is not activated",
        "Katapult refuses requests for this organization until it is activated.",
        f"Activate the organization in Katapult, then try again. {ORGANIZATION_ADMIN}",
    ),
    "organization_not_found": Words(
        "Organization not found",
        "Katapult has no organization with this name that this token can access.",
        "Check the sub-domain: the first part of the organization's address in Katapult.",
        steps=("replace", "other"),
    ),
    # The address
    "ip_address_not_found": Words(
        "Address not found",
        "Katapult has no such address that this token can access. It may have been released, and "
        "may belong to another organization now.",
        "Refresh the list of addresses, then check the address or ID.",
        steps=("list",),
    ),
    "virtual_machine_not_found": Words(
        "Virtual machine not found",
        "The virtual machine was deleted, or this token can't access it.",
        "Refresh the list of addresses.",
        steps=("list",),
    ),
    "no_allocation": Words(
        "The address was already unallocated",
        "The address was no longer allocated when the request arrived at Katapult.",
        "There is nothing left to do.",
        tone="info",
        steps=(),
    ),
    "resource_does_not_support_unallocation": Words(
        "This resource can't release its address",
        "The resource, for example a load balancer, does not support unallocation.",
        "If you need the address, change or delete that resource in Katapult.",
        steps=("copy",),
    ),
    "validation_error": Words(
        "Katapult rejected the change",
        "Katapult checked the change and rejected it for the reason below.",
        "Resolve the reason below, then try again.",
    ),
    "already_unallocated": Words(
        "The address was unallocated in the meantime",
        "The address was unallocated after you opened the confirmation, so no request was sent.",
        "There is nothing left to do.",
        tone="info",
        steps=(),
    ),
    "already_allocated": Words(
        "The address was allocated in the meantime",
        "The address was allocated to this machine after you opened the confirmation, so no "
        "request was sent.",
        "There is nothing left to do.",
        tone="info",
        steps=(),
    ),
    "reverse_dns_already_set": Words(
        "The reverse DNS is already the requested one",
        "The address had this reverse DNS when it was read, so no request was sent.",
        "There is nothing left to do.",
        tone="info",
        steps=(),
    ),
    "ip_already_allocated": Words(
        "The address was already allocated",
        "The address was allocated when the request arrived at Katapult.",
        "Check what the address is allocated to now, then start again.",
    ),
    "no_interface_available": Words(
        "The machine has no interface for this address",
        "The virtual machine has no network interface in the address's network that can take it.",
        "Add an interface to the machine in Katapult, then try again.",
    ),
    "object_in_trash": Words(
        "The virtual machine is in the trash",
        "The virtual machine was deleted and can be restored in Katapult until the time below.",
        "Restore the machine in Katapult, then try again.",
    ),
    "allocation_changed": Words(
        "The address was reassigned in the meantime",
        "It is no longer allocated to the resource that you confirmed, so no request was sent.",
        "Check what it is allocated to now, then start again if you still want to unallocate it.",
        steps=("retry",),
    ),
    # The request
    "route_not_found": Words(
        "Katapult does not know this request",
        "The URL that this site requested is not part of Katapult's API.",
        f"Check the setting KATAPULT_API_URL. {SITE_ADMIN}",
        steps=("copy",),
    ),
    "invalid_argument": Words(
        "Katapult did not understand the request",
        "Katapult rejected an argument of the request, or its format.",
        f"Try again. If it fails again, report it with the request ID below. {SITE_ADMIN}",
    ),
    "rate_limit_reached": Words(
        "Too many requests this minute",
        "The limit of requests per minute with this token is reached. All its users share it.",
        "Wait for the next minute, then try again.",
        steps=("retry", "other"),
    ),
    # The service
    "reads_wait": Words(
        "Too many requests this minute",
        "Few requests are left until Katapult's limit for this minute. They are reserved for "
        "unallocating, which still works.",
        "Refresh at the next full minute.",
        tone="info",
        steps=("retry", "other"),
    ),
    "service_unavailable": Words(
        "Katapult is unavailable",
        "Katapult answered that its service is unavailable at the moment.",
        f"Try again in a few minutes, or check Katapult's status page. {KATAPULT}",
    ),
    "unhandled_exception": Words(
        "Internal error in Katapult",
        "An internal error occurred in Katapult during the request.",
        "Try again later. If it fails again, give Katapult support the request ID below.",
    ),
    "not_sent": Words(
        "Katapult can't be reached",
        "No connection to Katapult could be opened, so no request was sent.",
        f"Check the network between this site and Katapult, then try again. {SITE_ADMIN}",
    ),
    "no_free_connection": Words(
        "All connections are in use",
        "All of this site's connections to Katapult were in use, so no request was sent.",
        "Try again in a moment.",
        steps=("retry",),
    ),
    "answer_lost": Words(
        "Katapult did not answer",
        "The request was sent, but no complete response arrived in time.",
        f"Try again in a moment. {KATAPULT}",
    ),
    "unreadable_answer": Words(
        "The response can't be read",
        "It is not in Katapult's format. It may come from a proxy or a maintenance page.",
        f"Try again in a moment, or check the proxies before Katapult. {SITE_ADMIN}",
    ),
    # This site
    "audit_unavailable": Words(
        "The audit log can't be written",
        "Each attempt is recorded first. Recording failed, so no request was sent.",
        f"Try again in a moment. The database may be full, locked or read-only. {SITE_ADMIN}",
        "danger",
    ),
    "outcome_not_written": Words(
        "The outcome could not be saved",
        "The attempt has ended, but the database did not save its outcome. The entry stays pending "
        "and is finished when the database works again.",
        f"Check the entry in the history before you try again. {SITE_ADMIN}",
        "danger",
        steps=("entry", "copy"),
    ),
    "answer_not_kept": Words(
        "No response was recorded",
        "This site stopped after it had started to send the request, or was too slow to record "
        "the response.",
        "Check the address as it is now.",
        steps=(),
    ),
    "interrupted": Words(
        "No request was sent",
        "This site stopped, or was too slow, after it had recorded the attempt.",
        "Start again if you still want to unallocate the address.",
        steps=("retry",),
    ),
}

for code, same in {
    "invalid_capabilities_token": "invalid_api_token",
    "missing_required_argument": "invalid_argument",
    "invalid_json_body": "invalid_argument",
}.items():
    WORDS[code] = WORDS[same]
