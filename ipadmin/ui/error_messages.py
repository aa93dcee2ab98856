"""The words for each error code: one table, for Katapult's codes and for our own.

A code that is not in it is shown in Katapult's own words.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """The entry of the table: the same for every occurrence of a code."""

    title: str
    what_happened: str
    what_now: str
    who: str
    tone: str = "warning"


YOU = "You"
OWNER = "Whoever manages API tokens in Katapult"
KATAPULT = "Katapult support"
US = "Whoever runs this site"

ANOTHER_TOKEN = "Make a new API token in Katapult and enter it under Tokens in place of this one."

WORDS: dict[str, Words] = {
    # The token
    "missing_api_token": Words(
        "Katapult saw no API token",
        "The request reached Katapult without its token; something between here and there may "
        "have removed it.",
        "Check the proxy between this site and Katapult.",
        US,
    ),
    "invalid_api_token": Words(
        "Katapult does not accept this token",
        "The token is unknown to Katapult, was revoked or has expired.",
        ANOTHER_TOKEN,
        OWNER,
    ),
    "invalid_capabilities_token": Words(
        "Katapult does not accept this token",
        "The token is not valid, has expired, or was signed with the wrong key.",
        ANOTHER_TOKEN,
        OWNER,
    ),
    "unauthorized_network_for_api_token": Words(
        "This token may not be used from this network",
        "The token is limited to certain networks, and this site's address is not among them.",
        "Add the address below to the token's allowed networks in Katapult, then try again.",
        OWNER,
    ),
    "scope_not_granted": Words(
        "This token lacks a scope",
        "Katapult knows the token, but it was not given the scope this needs.",
        "Give the token the scope below in Katapult, or use another token.",
        OWNER,
    ),
    "permission_denied": Words(
        "Katapult denied permission",
        "The token's user is not permitted to do this in this organization.",
        "Ask for the permission, or use a token of somebody who has it.",
        "An administrator of the organization in Katapult",
    ),
    "no_user_associated_with_identity": Words(
        "This token has no user",
        "The token belongs to an organization and not to a person.",
        "It can still be used; choose its organization.",
        YOU,
        "info",
    ),
    "token_unreadable": Words(
        "Enter this token again",
        "The saved token can't be opened any more: the key it was sealed with is no longer "
        "configured, or its row was changed.",
        "Open the token under Tokens and replace its secret.",
        YOU,
    ),
    # The organization
    "organization_suspended": Words(
        "The organization is suspended",
        "Katapult has suspended this organization, and refuses changes to it.",
        "Have the suspension lifted first.",
        KATAPULT,
    ),
    "organization_not_activated": Words(
        "The organization is not activated",
        "Katapult does not serve this organization until it is activated.",
        "Activate the organization in Katapult.",
        "An owner of the organization in Katapult",
    ),
    "organization_not_found": Words(
        "No such organization",
        "Katapult knows no organization of this name that this token can reach.",
        "Check the sub-domain: it is the first part of the organization's address in Katapult.",
        YOU,
    ),
    # The address
    "ip_address_not_found": Words(
        "No such address",
        "Katapult knows no such address among those this token can reach. It may have been "
        "released, and may belong to somebody else by now.",
        "Refresh the list of addresses and check the address or id.",
        YOU,
    ),
    "virtual_machine_not_found": Words(
        "No such virtual machine",
        "The virtual machine is gone, or this token can't reach it.",
        "Refresh the list and look again.",
        YOU,
    ),
    "no_allocation": Words(
        "It was unallocated already",
        "When the request arrived, the address was not allocated to anything any more.",
        "There is nothing left to do.",
        "",
        "info",
    ),
    "resource_does_not_support_unallocation": Words(
        "This resource does not let go of its address",
        "What holds the address, a load balancer for instance, does not support unallocation.",
        "Delete or change that resource in Katapult if the address must be free.",
        YOU,
    ),
    "validation_error": Words(
        "Katapult found the change invalid",
        "Katapult checked the change and did not accept it, for the reason below.",
        "Resolve what it names, then try again.",
        YOU,
    ),
    "already_unallocated": Words(
        "It was unallocated meanwhile",
        "The address was unallocated between your confirmation and the call, so the call was not "
        "made.",
        "There is nothing left to do.",
        "",
        "info",
    ),
    "allocation_changed": Words(
        "The address changed hands meanwhile",
        "It is no longer allocated to what you confirmed, so the call was not made.",
        "Look at the address as it is now, and start again if you still want to unallocate it.",
        YOU,
    ),
    # The request
    "route_not_found": Words(
        "Katapult does not know this call",
        "The address this site calls is not one of the API.",
        "Check KATAPULT_API_URL.",
        US,
    ),
    "invalid_argument": Words(
        "Katapult did not understand the request",
        "An argument of the request was not acceptable to Katapult.",
        "Try again; if it stays so, report it with the request id below.",
        US,
    ),
    "missing_required_argument": Words(
        "Katapult did not understand the request",
        "Katapult missed an argument in the request.",
        "Report it with the request id below.",
        US,
    ),
    "invalid_json_body": Words(
        "Katapult did not understand the request",
        "The request's body did not arrive as JSON; something between may have changed it.",
        "Report it with the request id below.",
        US,
    ),
    "rate_limit_reached": Words(
        "Too many calls this minute",
        "Katapult allows a number of calls in a clock minute, shared by all who use this token, "
        "and they are used up.",
        "Wait for the next minute, then try again.",
        YOU,
    ),
    # The service
    "reads_wait": Words(
        "Reading waits for the next minute",
        "Few of the calls that Katapult allows in this minute are left, and they are kept for "
        "attempts that are confirmed now. Those still go through.",
        "Refresh at the next full minute.",
        YOU,
        "info",
    ),
    "service_unavailable": Words(
        "Katapult is unavailable",
        "Katapult answered that its service is unavailable at the moment.",
        "Try again in a few minutes; Katapult's status page may say more.",
        KATAPULT,
    ),
    "unhandled_exception": Words(
        "Katapult failed",
        "Katapult ran into an error of its own while working on the request.",
        "Try again in a while; if it stays so, give Katapult the request id below.",
        KATAPULT,
    ),
    "not_sent": Words(
        "Katapult could not be reached",
        "No connection could be made, so the request never left this site.",
        "Check the network between this site and Katapult, then try again.",
        US,
    ),
    "no_free_connection": Words(
        "All connections are in use",
        "This site waited for one of its own connections to Katapult, and none became free, so "
        "the request was not sent.",
        "Try again in a moment.",
        YOU,
    ),
    "answer_lost": Words(
        "Katapult did not answer",
        "The request was sent, but no complete answer came back in time.",
        "Try again in a moment.",
        KATAPULT,
    ),
    "unreadable_answer": Words(
        "The answer could not be read",
        "Something answered, but not in the way Katapult does: a proxy or a maintenance page, "
        "perhaps.",
        "Try again in a moment; if it stays so, look at what stands between here and Katapult.",
        US,
    ),
    # Ourselves
    "audit_unavailable": Words(
        "The audit history can't be written",
        "Every attempt is written down before anything is sent. That failed, so nothing was sent.",
        "Try again in a moment. If it stays so, the database is full, locked or read-only.",
        US,
        "danger",
    ),
    "outcome_not_written": Words(
        "The outcome could not be written down",
        "The attempt has ended, but the database did not accept its outcome. The entry stays "
        "pending, and is closed as soon as the database is back.",
        "Look at the entry in the history before you try again.",
        US,
        "danger",
    ),
    "answer_not_kept": Words(
        "No answer was recorded",
        "No answer was recorded: this site stopped after it had begun to send the request, or was "
        "too slow.",
        "Look at the address as it is now.",
        YOU,
    ),
    "interrupted": Words(
        "The request was not sent",
        "Nothing was sent in time: this site stopped, or was too slow, between writing down the "
        "attempt and sending its request.",
        "Start again if you still want to unallocate the address.",
        YOU,
    ),
}
