"""The sandbox's faults, as the panel arms them."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from ipadmin.katapult.errors import KatapultError
from ipadmin.katapult.types import Secret
from ipadmin.sandbox import Sandbox
from ipadmin.services import api, what_if
from tests.sandbox_client import allocated, some
from tests.services.conftest import PLANTED

# What the next call ends with, and whether it takes effect.
ENDS = {
    "hang": ("answer_lost", False),
    "act_and_hang": ("answer_lost", True),
    "act_and_break": ("answer_lost", True),
    "late": ("answer_lost", False),
    "rate_limit": ("rate_limit_reached", False),
    "error": ("unhandled_exception", False),
    "unavailable": ("service_unavailable", False),
    "html": ("unreadable_answer", False),
    "foreign": ("unreadable_answer", False),
    "no_scope": ("scope_not_granted", False),
    "unknown_code": ("address_locked_by_policy", False),
}


@pytest.fixture
def sandbox(box: Sandbox, settings: Settings) -> Sandbox:
    settings.KATAPULT_API_URL = box.url
    return box


def test_every_scenario_is_tested() -> None:
    assert set(ENDS) == set(what_if.SCENARIOS)


@pytest.mark.parametrize(("name", "code", "acts"), [(name, *end) for name, end in ENDS.items()])
def test_the_next_call_goes_wrong_and_no_other(
    sandbox: Sandbox, name: str, code: str, *, acts: bool
) -> None:
    ip = some(sandbox)["id"]
    what_if.arm(name, "unallocate")
    [armed] = what_if.armed()
    assert armed == (what_if.SCENARIOS[name].title, "the next request to unallocate")
    api.client().ip_address(Secret(PLANTED), id=ip)
    with pytest.raises(KatapultError) as caught:
        api.client().unallocate(Secret(PLANTED), id=ip)
    assert caught.value.code == code
    assert allocated(sandbox, ip) is not acts
    assert what_if.armed() == []


def test_the_next_read_goes_wrong(sandbox: Sandbox) -> None:
    what_if.arm("html", "get")
    with pytest.raises(KatapultError):
        api.client().ip_address(Secret(PLANTED), id="ip_x")


def test_the_newest_replaces_all_others_and_can_be_cleared(sandbox: Sandbox) -> None:
    sandbox.set_faults([{"kind": "redirect", "call": "list"}])
    assert what_if.armed() == [("redirect", "other calls")]
    what_if.arm("hang", "get")
    assert [each.title for each in what_if.armed()] == ["No response"]
    what_if.clear()
    assert what_if.armed() == []


@pytest.mark.parametrize(("name", "call"), [("nothing", "get"), ("hang", "list")])
def test_only_what_the_panel_has_can_be_armed(sandbox: Sandbox, name: str, call: str) -> None:
    with pytest.raises(KeyError):
        what_if.arm(name, call)


@pytest.mark.parametrize("path", ["", "/core/v1/nothing"])
def test_without_a_sandbox(settings: Settings, path: str) -> None:
    with pytest.raises(what_if.SandboxSilent):
        what_if.armed()
