"""What the models promise by themselves."""

from __future__ import annotations

import pytest
from django.db import IntegrityError

from ipadmin.crypto import CannotDecrypt
from ipadmin.katapult.types import Allocation, Secret
from ipadmin.models import ApiToken, AuditEntry, User

pytestmark = pytest.mark.django_db
SECRET = Secret("a-secret-token-0123456789")


def token(owner: User, label: str = "Live", **fields: str) -> ApiToken:
    made = ApiToken(owner=owner, label=label, **fields)
    made.encrypt_secret(SECRET)
    made.save(force_insert=True)
    return ApiToken.objects.get(pk=made.pk)


def test_a_secret_is_decrypted_in_its_own_row(alice: User) -> None:
    assert token(alice).decrypt_secret() == SECRET


def test_a_ciphertext_moved_to_another_row_is_refused(alice: User) -> None:
    here, there = token(alice), token(alice, "Other")
    there.encrypted_secret = here.encrypted_secret
    with pytest.raises(CannotDecrypt):
        there.decrypt_secret()


def test_a_token_given_to_another_user_is_not_decrypted(alice: User, bob: User) -> None:
    token(alice)
    ApiToken.objects.update(owner=bob)
    with pytest.raises(CannotDecrypt):
        ApiToken.objects.get().decrypt_secret()


def test_the_label_of_a_token_is_unique_for_its_owner(alice: User, bob: User) -> None:
    token(alice)
    token(bob)
    with pytest.raises(IntegrityError):
        token(alice)


def test_a_token_without_an_organization_is_not_ready(alice: User) -> None:
    assert not token(alice).is_ready
    token(alice, "b", organization_id="org_1")
    token(alice, "c", organization_sub_domain="acme")
    assert {each.label for each in ApiToken.objects.ready()} == {"b", "c"}
    assert all(each.is_ready for each in ApiToken.objects.ready())


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (("", "", ""), None),
        (("vm_1", "VirtualMachine", ""), Allocation("vm_1", "VirtualMachine", "")),
        (("", "", "web"), Allocation("", None, "web")),
    ],
)
def test_the_text_of_an_allocation(held: tuple[str, str, str], expected: Allocation | None) -> None:
    id, kind, name = held
    entry = AuditEntry(allocation_id=id, allocation_type=kind, allocation_name=name)
    assert entry.allocation == expected
