"""Adding, checking and replacing tokens, against the sandbox with its special ones."""

from __future__ import annotations

import httpx
import pytest

from ipadmin import crypto
from ipadmin.audit.activity import Actor
from ipadmin.katapult.errors import ErrorAnswer, KatapultError, NotSent
from ipadmin.katapult.types import Organization, Secret
from ipadmin.models import ApiToken, AuditLink, User
from ipadmin.sandbox import Sandbox
from ipadmin.services import connections, tokens
from tests.services.conftest import PLANTED, keep_token
from tests.services.katapult import Katapult, refusal

pytestmark = pytest.mark.django_db


def special(name: str) -> Secret:
    return Secret(f"{PLANTED}-{name}" if name else PLANTED)


def add(owner: User, name: str, label: str = "Live") -> ApiToken:
    tokens.add(owner=owner, label=label, secret=special(name))
    return ApiToken.objects.get(label=label)


def organization(box: Sandbox, number: int) -> Organization:
    found = box.world()["organizations"][number]
    return Organization(found["id"], found["name"], found["sub_domain"])


@pytest.mark.parametrize(
    ("name", "expected", "missing"),
    [
        ("", (False, None), []),  # two organizations: one is to be chosen
        ("read-only", (False, None), []),
        ("second", (True, True), []),
        ("empty", (True, True), []),
        ("no-organizations", (False, None), ["organizations:read"]),
        ("no-scopes", (False, None), ["organizations:read"]),
        ("low-limit", (False, None), []),
    ],
)
def test_adding_a_token_finds_its_organization_and_scopes(
    alice: User, box: Sandbox, name: str, expected: tuple[bool, bool | None], missing: list[str]
) -> None:
    token = add(alice, name)
    assert (token.is_ready, token.can_list) == expected
    assert set(missing) <= set(token.missing_scopes)
    assert (token.owner, token.decrypt_secret()) == (alice, special(name))
    assert token.checked_at
    assert (token.last_four, token.fingerprint) == (
        special(name).last_four,
        special(name).fingerprint,
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", (True, True, True)),
        ("read-only", (True, False, True)),
        ("no-machines", (True, True, False)),
        ("no-scopes", (False, False, False)),
        # The scope is there; the user's permission shows only when an address is unallocated.
        ("denied", (True, True, True)),
    ],
)
def test_a_check_finds_what_a_token_may_do_and_changes_nothing(
    alice: User, box: Sandbox, name: str, expected: tuple[bool, bool, bool]
) -> None:
    before = box.world()
    token = add(alice, name)
    tokens.choose_organization(token, organization(box, 0))
    tokens.check(token)
    kept = ApiToken.objects.get()
    assert (kept.can_list, kept.can_unallocate, kept.can_list_machines) == expected
    assert box.world() == before
    assert {line["code"] for line in box.ledger("unallocate")} <= {
        "invalid_argument",
        "scope_not_granted",
    }


def test_names_of_machines_are_no_reason_to_refuse_a_token(alice: User, box: Sandbox) -> None:
    box.set_faults([{"kind": "html", "call": "machines"}])
    assert add(alice, "second").can_list_machines is None


@pytest.mark.parametrize("kind", ["html", "rate_limit", "status"])
def test_a_token_is_not_kept_if_it_is_not_known_whether_it_may_unallocate(
    alice: User, box: Sandbox, kind: str
) -> None:
    box.set_faults([{"kind": kind, "call": "unallocate"}])
    with pytest.raises(KatapultError):
        add(alice, "second")
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("name", ["", "second", "no-organizations"])
def test_the_same_token_is_not_added_twice(alice: User, box: Sandbox, name: str) -> None:
    first = add(alice, name)
    with pytest.raises(tokens.AlreadyAdded) as caught:
        add(alice, name, "Again")
    assert (caught.value.token, ApiToken.objects.count()) == (first, 1)


def test_another_user_may_add_the_same_token(alice: User, bob: User, box: Sandbox) -> None:
    add(alice, "second")
    assert add(bob, "second", "Bob's").owner == bob


def test_one_secret_for_two_organizations(alice: User, box: Sandbox) -> None:
    first = add(alice, "")
    tokens.choose_organization(first, organization(box, 0))
    second = add(alice, "", "Other")
    with pytest.raises(tokens.AlreadyAdded) as caught:
        tokens.choose_organization(second, organization(box, 0))
    assert (caught.value.token, second.is_ready) == (first, False)
    tokens.choose_organization(second, organization(box, 1))
    with pytest.raises(tokens.AlreadyAdded):
        add(alice, "", "Third")


def test_a_secret_is_not_replaced_by_that_of_another_token(alice: User, box: Sandbox) -> None:
    keep_token(alice, PLANTED, organization(box, 0), "Other")
    token = keep_token(alice, "an-old-secret-000", organization(box, 0))
    with pytest.raises(tokens.AlreadyAdded):
        tokens.replace(token, special(""))
    token.refresh_from_db()
    assert token.decrypt_secret() == Secret("an-old-secret-000")


def test_other_tokens_for_an_organization(alice: User, bob: User, box: Sandbox) -> None:
    here, there = organization(box, 0), organization(box, 1)
    token = keep_token(alice, PLANTED, here)
    good = keep_token(alice, "a-good-one", Organization("", "", here.sub_domain), "Good")
    keep_token(alice, "elsewhere", there, "Elsewhere")
    keep_token(bob, "of-bob", here, "Bob's")
    expired = keep_token(alice, "expired", here, "Expired")
    expired.last_error_code = "invalid_api_token"
    lost = keep_token(alice, "lost", here, "Lost")
    lost.encrypted_secret = b"spoilt"
    for each in (expired, lost):
        each.save()
    assert tokens.others_for(token) == [good]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("expired", "invalid_api_token"),
        ("other-network", "unauthorized_network_for_api_token"),
        ("bad-capabilities", "invalid_capabilities_token"),
        ("suspended", "organization_suspended"),
        ("not-activated", "organization_not_activated"),
        ("nonsense", "invalid_api_token"),
    ],
)
def test_nothing_is_kept_of_a_token_that_is_refused(
    alice: User, box: Sandbox, name: str, code: str
) -> None:
    with pytest.raises(ErrorAnswer) as caught:
        add(alice, name)
    assert (caught.value.code, ApiToken.objects.count()) == (code, 0)


def test_nothing_is_kept_when_katapult_cannot_be_reached(alice: User, katapult: Katapult) -> None:
    katapult.reads.append(httpx.ConnectError("no"))
    with pytest.raises(NotSent):
        add(alice, "")
    assert not ApiToken.objects.exists()


def test_two_organizations_are_named_in_order(alice: User, box: Sandbox) -> None:
    named = tokens.organizations(add(alice, ""))
    assert [each.sub_domain for each in named] == ["harbour-labs", "northwind"]


@pytest.mark.parametrize("name", ["", "no-organizations"])
def test_an_organization_is_chosen_once(alice: User, box: Sandbox, name: str) -> None:
    token = add(alice, name)
    first = organization(box, 0)
    chosen = Organization("", "", first.sub_domain) if name else first
    tokens.choose_organization(token, chosen)
    assert (ApiToken.objects.get().organization, token.can_list) == (chosen, True)
    with pytest.raises(ValueError, match="never changes"):
        tokens.choose_organization(token, organization(box, 1))


def test_of_two_tabs_that_choose_at_once_one_wins(alice: User, box: Sandbox) -> None:
    token, other_tab = add(alice, ""), ApiToken.objects.get()
    tokens.choose_organization(token, organization(box, 0))
    tokens.choose_organization(other_tab, organization(box, 1))
    assert ApiToken.objects.get().organization == organization(box, 0)
    assert other_tab.organization == organization(box, 0)


@pytest.mark.parametrize(
    ("name", "sub_domain", "code"),
    [
        ("no-organizations", "no-such-thing", "organization_not_found"),
        ("no-organizations", "harbour-labs", "organization_not_found"),
    ],
)
def test_an_organization_out_of_reach_is_not_kept(
    alice: User, box: Sandbox, name: str, sub_domain: str, code: str
) -> None:
    token = add(alice, name)
    with pytest.raises(ErrorAnswer) as caught:
        tokens.choose_organization(token, Organization("", "", sub_domain))
    assert (caught.value.code, ApiToken.objects.get().is_ready) == (code, False)


def test_a_named_organization_is_kept_though_it_may_not_be_listed(
    alice: User, box: Sandbox
) -> None:
    token = add(alice, "no-scopes")
    tokens.choose_organization(token, organization(box, 0))
    assert (token.is_ready, token.can_list) == (True, False)
    assert "ip_addresses:read" in token.missing_scopes


def test_checking_forgets_an_error_that_is_over(alice: User, box: Sandbox) -> None:
    token = add(alice, "second")
    ApiToken.objects.update(last_error_code="rate_limit_reached", can_list=False)
    findings = tokens.check(ApiToken.objects.get())
    kept = ApiToken.objects.get()
    assert (findings.can_list, kept.can_list, kept.last_error_code) == (True, True, "")
    assert kept.checked_at
    assert token.checked_at
    assert kept.checked_at > token.checked_at


def test_a_failed_check_keeps_its_error_and_its_time(alice: User, box: Sandbox) -> None:
    token = add(alice, "second")
    before = token.checked_at
    box.set_faults([{"kind": "error", "code": "invalid_api_token"}])
    with pytest.raises(ErrorAnswer):
        tokens.check(token)
    kept = ApiToken.objects.get()
    assert (kept.last_error_code, kept.can_list) == ("invalid_api_token", True)
    assert before
    assert kept.checked_at
    assert kept.checked_at > before


@pytest.mark.parametrize("name", ["", "read-only", "no-organizations"])
def test_replacing_a_token_within_the_organization(alice: User, box: Sandbox, name: str) -> None:
    token = keep_token(alice, "an-old-secret-000", organization(box, 0))
    tokens.replace(token, special(name))
    kept = ApiToken.objects.get()
    assert (kept.decrypt_secret(), kept.organization) == (special(name), organization(box, 0))
    assert kept.can_list is True


@pytest.mark.parametrize("name", ["second", "empty"])
def test_replacing_with_a_token_of_another_organization_is_refused(
    alice: User, box: Sandbox, name: str
) -> None:
    token = keep_token(alice, "an-old-secret-000", organization(box, 0))
    with pytest.raises(tokens.OrganizationMismatch):
        tokens.replace(token, special(name))
    assert ApiToken.objects.get().decrypt_secret() == Secret("an-old-secret-000")


def test_replacing_with_a_token_that_names_other_organizations_only(
    alice: User, katapult: Katapult
) -> None:
    """One without a sub-domain must not pass for another without one."""
    named = {"id": "org_2", "name": "Other", "sub_domain": None}
    token = keep_token(alice, "an-old-secret-000", Organization("org_1", "Acme", ""))
    katapult.reads.extend(
        [
            httpx.Response(200, json={"user": {}, "organizations": [named]}),
            httpx.Response(200, json={"organizations": [named]}),
            refusal(403, "permission_denied"),
        ]
    )
    with pytest.raises(tokens.OrganizationMismatch):
        tokens.replace(token, Secret("another"))


@pytest.mark.parametrize("name", ["expired", "other-network", "bad-capabilities"])
def test_a_refused_token_does_not_replace_another(alice: User, box: Sandbox, name: str) -> None:
    token = keep_token(alice, "an-old-secret-000", organization(box, 0))
    with pytest.raises(ErrorAnswer):
        tokens.replace(token, special(name))
    assert ApiToken.objects.get().decrypt_secret() == Secret("an-old-secret-000")


def test_a_lost_secret_can_be_replaced(alice: User, box: Sandbox) -> None:
    token = keep_token(alice, "an-old-secret-000", organization(box, 0))
    token.encrypted_secret = b"nothing that opens"
    token.save()
    with pytest.raises(crypto.CannotDecrypt):
        tokens.check(token)
    tokens.replace(token, special(""))
    assert ApiToken.objects.get().decrypt_secret() == special("")


# Two tabs: what one did is not undone by the other, which had begun before.


def test_a_check_does_not_bring_back_a_replaced_secret(alice: User, box: Sandbox) -> None:
    keep_token(alice, PLANTED, organization(box, 0))
    checking, replacing = ApiToken.objects.get(), ApiToken.objects.get()
    tokens.replace(replacing, special("read-only"))
    tokens.check(checking)
    assert ApiToken.objects.get().decrypt_secret() == special("read-only")


def test_a_check_does_not_bring_back_a_deleted_token(alice: User, box: Sandbox) -> None:
    token = keep_token(alice, PLANTED, organization(box, 0))
    checking = ApiToken.objects.get()
    token.delete()
    tokens.check(checking)
    assert not ApiToken.objects.exists()


def test_a_replacement_does_not_bring_back_a_deleted_token(alice: User, box: Sandbox) -> None:
    token = keep_token(alice, PLANTED, organization(box, 0))
    replacing = ApiToken.objects.get()
    token.delete()
    tokens.replace(replacing, special(""))
    assert not ApiToken.objects.exists()


def test_a_check_does_not_undo_a_new_label(alice: User, box: Sandbox) -> None:
    keep_token(alice, PLANTED, organization(box, 0))
    checking = ApiToken.objects.get()
    ApiToken.objects.update(label="Renamed")
    tokens.check(checking)
    assert ApiToken.objects.get().label == "Renamed"


def test_what_happens_to_a_token_is_recorded(alice: User, box: Sandbox) -> None:
    by = Actor(alice.pk, "alice", source_ip="192.0.2.7")
    token = tokens.add(owner=alice, label="Live", secret=special("second"), by=by)
    token.label = "Renamed"
    tokens.rename(token, by)
    tokens.check(token, by)
    tokens.replace(token, special("second"), by)
    connections.delete(token, by)
    links = AuditLink.objects.order_by("sequence")
    kinds = [link.kind for link in links]
    assert [kind for kind in kinds if kind.startswith("token_")] == [
        *("token_added", "token_changed", "token_checked", "token_replaced", "token_deleted"),
    ]
    details = [link.details or {} for link in links]
    assert {each["by"]["source_ip"] for each in details} == {"192.0.2.7"}
    assert (details[1]["old"], details[1]["new"]) == ("Live", "Renamed")
    assert PLANTED not in str(details)
