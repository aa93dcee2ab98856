"""Changes of people, their rules, and what is recorded of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Group
from django.db import DatabaseError, connection
from django.test import Client
from django.utils import timezone

from ipadmin.audit.activity import Actor
from ipadmin.audit.integrity import chain
from ipadmin.models import AuditLink, Invitation, LinkKind, Session, User
from ipadmin.services import people
from ipadmin.services.people import CannotChange, LinkNotValid, State
from tests.conftest import PASSWORD, person

pytestmark = pytest.mark.django_db
NEW = "quite another passphrase"


def of(user: User) -> Actor:
    return Actor(user_id=user.pk, user_name=user.username)


def role(name: str) -> Group:
    return Group.objects.get(name=name)


def recorded() -> list[tuple[str, dict[str, Any]]]:
    """Kind and details of all activity, oldest first."""
    return [(each.kind, each.details or {}) for each in AuditLink.objects.order_by("sequence")]


def kinds() -> list[str]:
    return [kind for kind, _ in recorded()]


def invited(by: User, *roles: str) -> tuple[User, str]:
    dora = User(username="dora")
    return dora, people.invite(dora, [role(each) for each in roles], of(by))


def used(secret: str) -> User:
    return people.use_link(people.find_link(secret), NEW, Actor())


# Links


def test_an_invited_person_sets_a_password(adam: User) -> None:
    dora, secret = invited(adam, "operator")
    assert people.states_of([dora]) == [State.INVITED]
    assert not dora.has_usable_password()
    assert used(secret).check_password(NEW)
    assert dora.groups.get().name == "operator"
    assert kinds() == ["person_invited", "invitation_used", "password_changed"]
    assert recorded()[0][1]["by"] == {"user_id": adam.pk, "user_name": "adam"}
    assert recorded()[0][1]["roles"] == ["operator"]


def test_only_a_digest_of_the_secret_is_stored(adam: User) -> None:
    _dora, secret = invited(adam)
    assert secret not in str(Invitation.objects.values()) + str(recorded())
    assert len(secret) >= 43


def test_a_link_works_once(adam: User) -> None:
    _dora, secret = invited(adam)
    link = people.find_link(secret)
    used(secret)
    with pytest.raises(LinkNotValid):
        people.find_link(secret)
    with pytest.raises(LinkNotValid):
        people.use_link(link, "something else entirely", Actor())


def test_a_link_expires(adam: User) -> None:
    _dora, secret = invited(adam)
    with time_machine.travel(timezone.now() + timedelta(hours=71)):
        assert people.find_link(secret)
    with time_machine.travel(timezone.now() + timedelta(hours=73)), pytest.raises(LinkNotValid):
        people.find_link(secret)


@pytest.mark.parametrize("change", [people.revoke_link, people.reset_access, people.disable])
def test_a_link_is_no_longer_valid(adam: User, change: Callable[[User, Actor], object]) -> None:
    dora, secret = invited(adam)
    change(dora, of(adam))
    with pytest.raises(LinkNotValid):
        people.find_link(secret)


def test_an_unknown_secret() -> None:
    with pytest.raises(LinkNotValid):
        people.find_link("")


def test_a_reset_before_the_first_sign_in_is_another_invitation(adam: User) -> None:
    dora, _secret = invited(adam)
    secret = people.reset_access(dora, of(adam))
    assert people.find_link(secret).purpose == "join"
    assert kinds() == ["person_invited", "person_invited"]


# Access


def sign_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_disabling_ends_everything_for_good(adam: User, alice: User) -> None:
    client = sign_in(alice)
    assert client.get("/tokens/").status_code == 200
    people.disable(alice, of(adam))
    assert client.get("/tokens/").status_code == 302
    assert not Session.objects.filter(user=alice).exists()
    people.enable(alice, of(adam))
    assert client.get("/tokens/").status_code == 302
    assert kinds() == ["person_disabled", "sessions_ended", "person_enabled"]
    assert recorded()[0][1] | {"by": None} == {
        "by": None,
        "person": "alice",
        "person_id": alice.pk,
        "old": "active",
        "new": "disabled",
    }


def test_disabling_twice_is_recorded_once(adam: User, alice: User) -> None:
    people.disable(alice, of(adam))
    people.disable(alice, of(adam))
    assert kinds() == ["person_disabled"]


def test_resetting_access(adam: User, alice: User) -> None:
    client = sign_in(alice)
    secret = people.reset_access(alice, of(adam))
    alice.refresh_from_db()
    assert not alice.check_password(PASSWORD)
    assert people.states_of([alice])[0] in {State.RESET, State.INVITED}
    assert client.get("/tokens/").status_code == 302
    assert kinds() == ["password_changed", "sessions_ended", "person_invited"]
    assert used(secret).check_password(NEW)


def test_a_disabled_account_is_not_reset(adam: User, alice: User) -> None:
    people.disable(alice, of(adam))
    with pytest.raises(CannotChange):
        people.reset_access(alice, of(adam))


def test_ending_sessions(adam: User, alice: User) -> None:
    sign_in(alice)
    sign_in(alice)
    people.end_sessions(alice, of(adam))
    [(kind, details)] = recorded()
    assert (kind, details["sessions"]) == ("sessions_ended", 2)
    people.end_sessions(alice, of(adam))
    assert len(recorded()) == 1


def test_changing_names_is_recorded_with_old_and_new_values(adam: User, alice: User) -> None:
    values = {"first_name": "Alice", "last_name": "", "email": "alice@example.com"}
    people.change_details(alice, values, of(adam))
    people.change_details(alice, values, of(adam))
    [(kind, details)] = recorded()
    assert kind == "person_changed"
    assert details["old"] == {"email": "", "first_name": ""}
    assert details["new"] == {"email": "alice@example.com", "first_name": "Alice"}


def test_changing_roles_is_recorded_with_old_and_new_ones(adam: User, alice: User) -> None:
    people.change_roles(alice, [role("auditor"), role("operator")], of(adam))
    people.change_roles(alice, [role("auditor"), role("operator")], of(adam))
    [(kind, details)] = recorded()
    assert (kind, details["old"], details["new"]) == (
        "roles_changed",
        ["operator"],
        ["auditor", "operator"],
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda user, by: people.change_roles(user, [], by),
        *(people.disable, people.enable, people.reset_access),
        *(people.revoke_link, people.end_sessions, people.lift_lockout),
    ],
)
def test_nobody_changes_their_own_access(
    adam: User, change: Callable[[User, Actor], object]
) -> None:
    person("zoe", "administrator")
    with pytest.raises(CannotChange):
        change(adam, of(adam))
    assert [group.name for group in adam.groups.all()] == ["administrator"]
    assert kinds() == []


@pytest.mark.parametrize("by_name", ["disable", "change_roles", "reset_access"])
def test_no_change_without_a_record(
    adam: User, alice: User, monkeypatch: pytest.MonkeyPatch, by_name: str
) -> None:
    def fail(*_args: object) -> None:
        raise DatabaseError("full")

    sign_in(alice)
    monkeypatch.setattr(chain, "add_activity", fail)
    change: Any = getattr(people, by_name)
    arguments = [[role("auditor")]] if by_name == "change_roles" else []
    with pytest.raises(DatabaseError):
        change(alice, *arguments, of(adam))
    alice.refresh_from_db()
    assert alice.is_active
    assert alice.check_password(PASSWORD)
    assert people.roles_of(alice) == ["operator"]
    assert Session.objects.filter(user=alice).exists()


# The last administrator


@pytest.mark.parametrize("is_disabled", [True, False])
def test_the_last_administrator_stays(adam: User, charlie: User, is_disabled: bool) -> None:
    """charlie's role was taken meanwhile."""
    change: Any = people.disable if is_disabled else people.change_roles
    arguments = [] if is_disabled else [[role("operator")]]
    with pytest.raises(CannotChange, match="last active administrator"):
        change(adam, *arguments, of(charlie))
    assert User.objects.get(pk=adam.pk).is_active
    assert people.roles_of(adam) == ["administrator"]
    assert kinds() == []


def test_an_invited_administrator_does_not_count(adam: User, charlie: User) -> None:
    invited(charlie, "administrator")
    with pytest.raises(CannotChange):
        people.disable(adam, of(charlie))


def test_one_of_two_administrators_may_go(adam: User) -> None:
    zoe = person("zoe", "administrator")
    people.disable(adam, of(zoe))
    assert [each.username for each in people.administrators()] == ["zoe"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_disabled", [True, False])
def test_two_administrators_cannot_remove_each_other_at_once(is_disabled: bool) -> None:
    both = [person("adam", "administrator"), person("zoe", "administrator")]
    barrier, refused = threading.Barrier(2), []

    def remove(one: User, other: User) -> None:
        barrier.wait(timeout=20)
        try:
            if is_disabled:
                people.disable(other, of(one))
            else:
                people.change_roles(other, [], of(one))
        except CannotChange:
            refused.append(one)
        finally:
            connection.close()

    threads = [threading.Thread(target=remove, args=pair) for pair in (both, both[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(refused) == 1
    assert people.administrators().count() == 1
    assert kinds() == ["person_disabled" if is_disabled else LinkKind.ROLES_CHANGED]


# The list


@pytest.mark.parametrize(
    ("text", "state", "names"),
    [
        ("", "", ["adam", "alice", "dora", "bob"]),
        ("ALI", "", ["alice"]),
        ("smith", "", ["alice"]),
        ("smith alice@", "", ["alice"]),
        ("smith bob", "", []),
        ("%", "", []),
        ("", "active", ["adam", "alice"]),
        ("", "invited", ["dora"]),
        ("", "disabled", ["bob"]),
        ("", "nonsense", ["adam", "alice", "dora", "bob"]),
    ],
)
def test_searching_people(adam: User, alice: User, text: str, state: str, names: list[str]) -> None:
    bob = person("bob")
    User.objects.filter(pk=alice.pk).update(last_name="Smith", email="alice@example.com")
    invited(adam)
    people.disable(bob, of(adam))
    assert [each.username for each in people.search(text, state)] == names
