"""The confirmation of a run, and the request for its approval, in words."""

from __future__ import annotations

from typing import Any

import pytest

from ipadmin.models import Action, ApprovalRule, Run, RunItem, SkipReason, User
from ipadmin.services.runs import NothingToDo, NoToken, Plan, TooManyAddresses
from ipadmin.ui import run_texts

RUN = Run(organization_name="Acme", user=User(username="alice"))
PUT_BACK = Run(action=Action.ALLOCATE, user=User(username="alice"))


def item(number: int = 1, **fields: Any) -> RunItem:
    usual = {
        "pk": number,
        "address_id": f"ip_{number}",
        "address": f"192.0.2.{number}",
        "allocation_id": "vm_1",
        "allocation_type": "VirtualMachine",
        "allocation_name": "web-01",
        "last_of_family": False,
    }
    return RunItem(**usual | fields)


def test_a_title_names_a_single_address() -> None:
    assert run_texts.title(RUN, [item()]) == "Unallocate 192.0.2.1"
    assert run_texts.title(PUT_BACK, [item()] * 1234) == "Put back 1,234 addresses"


@pytest.mark.parametrize(
    ("fields", "reasons"),
    [
        ({"vip": True}, ["a virtual IP (VIP)"]),
        ({"last_of_family": True}, ["leaves web-01 without IPv4"]),
        (
            {"last_of_family": None, "allocation_name": ""},
            ["not known whether vm_1 keeps another IPv4 address"],
        ),
        (
            {"vip": True, "last_of_family": True, "address": "2001:db8::1"},
            ["a virtual IP (VIP)", "leaves web-01 without IPv6"],
        ),
    ],
)
def test_why_an_address_needs_attention(fields: dict[str, Any], reasons: list[str]) -> None:
    [found] = run_texts.dangers(RUN, [item(**fields), item(2)])
    assert found.reasons == reasons
    assert run_texts.dangers(PUT_BACK, [item(**fields)]) == []


def test_addresses_are_grouped_by_what_they_are_allocated_to() -> None:
    balancer = {"allocation_id": "x_1", "allocation_type": "Gateway", "allocation_name": ""}
    found = run_texts.holders([item(1), item(2, **balancer), item(3)])
    assert found == [
        ("web-01", "Virtual machine", ["192.0.2.1", "192.0.2.3"]),
        ("x_1", "Gateway", ["192.0.2.2"]),
    ]


def test_the_ids_of_a_selection_that_changes() -> None:
    dangerous, left = item(2, vip=True), item(3, skip_reason=SkipReason.NOT_FOUND)
    found = run_texts.Confirmed(
        *("", [item(1), dangerous], run_texts.dangers(RUN, [dangerous]), "", []),
        *("", [(left, "Not found")]),
    )
    assert (found.all_ids, found.other_ids) == ("ip_1 ip_2 ip_3", "ip_1")


def test_every_reason_to_leave_an_address_out_has_words() -> None:
    assert run_texts.SKIPPED.keys() == {*SkipReason}
    assert run_texts.RULES.keys() == {*ApprovalRule}


def test_what_a_run_takes() -> None:
    items = [item(1, reverse_dns="shop.example.net"), item(2, reverse_dns="")]
    assert dict(run_texts.facts(RUN, items, Plan(4, 976, 3))) == {
        "Calls": "4 (2 for each address)",
        "Calls left": "976 this minute",
        "Takes": "About 3 s",
        "Reverse DNS": "1 of 2 will be lost",
    }
    facts = dict(run_texts.facts(PUT_BACK, items, Plan(4, None, 3)))
    assert (facts["Calls left"], "Reverse DNS" in facts) == ("Not known yet", False)


def test_what_becomes_of_host_names() -> None:
    default = item(1, reverse_dns="192-0-2-1.rdns.katapult.io")
    assert run_texts.reverse_dns(RUN, [default]) == "Katapult's default stays"
    assert run_texts.reverse_dns(PUT_BACK, [default]) == "Not restored"
    assert run_texts.reverse_dns(RUN, [item(1, reverse_dns="x.net")]) == "x.net will be lost"
    restoring = Run(action=Action.ALLOCATE, restores_reverse_dns=True)
    assert run_texts.reverse_dns(restoring, [default, item(2)]) == "1 restored"


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "1 s"), (1.4, "1 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (7200, "2 h")],
)
def test_durations_are_rounded(number: float, text: str) -> None:
    assert run_texts.seconds(number) == text


@pytest.mark.parametrize(
    ("error", "title"),
    [
        (TooManyAddresses(1000), "A run may have at most 1,000 addresses"),
        (NothingToDo(), "There is no address to change"),
        (NoToken(), "You have no token to change these addresses with"),
    ],
)
def test_why_there_is_no_run(error: Exception, title: str) -> None:
    assert run_texts.not_drafted(error).title == title


def test_who_may_approve_is_said_to_each_reader() -> None:
    waiting = Run(organization_name="Acme", user=RUN.user, approval_rule=ApprovalRule.SIZE)
    own = run_texts.approval(waiting, is_own=True, may_decide=False)
    assert own.lines[0] == "In Acme, this many addresses need one."
    asked = run_texts.approval(waiting, is_own=False, may_decide=True)
    assert asked.title == "alice asks for your approval"
    other = run_texts.approval(waiting, is_own=False, may_decide=False)
    assert other.title == "Waiting for the approval of another operator"


def test_what_is_said_before_a_run() -> None:
    assert [*run_texts.notices(RUN, "")] == []
    first, second = run_texts.notices(PUT_BACK, ApprovalRule.EVERY)
    assert first.title == "Each address goes back to the machine that had it"
    assert second.title == "This needs the approval of a second person"


@pytest.mark.parametrize(
    ("number", "total", "text"),
    [
        (1, 1, "It needs attention"),
        (1, 3, "1 of them needs attention"),
        (2, 3, "2 of them need attention"),
    ],
)
def test_how_many_need_attention(number: int, total: int, text: str) -> None:
    assert run_texts.dangers_title(number, total) == text
