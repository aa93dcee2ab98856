"""Add, check and replace an API token, and choose its organization."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from django.db.models import QuerySet
from django.utils import timezone

from ipadmin.katapult.errors import ErrorAnswer
from ipadmin.katapult.types import Organization, Reply, Secret
from ipadmin.models import ApiToken, User
from ipadmin.services import api, snapshots

T = TypeVar("T")

# A token with these errors for some calls can still be useful. Any other error refuses it.
_NOT_PERMITTED = frozenset(
    {"scope_not_granted", "permission_denied", "no_user_associated_with_identity"}
)


@dataclass(frozen=True, slots=True)
class Findings:
    """The result of a check of a token with the API.

    `organizations` are those that the token may list, if any. `can_list` says whether it may list
    addresses; None while the organization is not known. Whether it may unallocate cannot be
    checked.
    """

    organizations: tuple[Organization, ...]
    can_list: bool | None
    missing_scopes: tuple[str, ...]


class OrganizationMismatch(Exception):
    """The new secret has no access to the organization of its token."""


def add(*, owner: User, label: str, secret: Secret) -> ApiToken:
    """Check a secret, and store it encrypted. If it has access to one organization, that is chosen;
    otherwise the token is not ready until `choose_organization`.

    Raises KatapultError; then nothing is stored.
    """
    findings = _check(secret)
    fields = _findings_fields(findings)
    if len(findings.organizations) == 1:
        fields |= _organization_fields(findings.organizations[0])
    token = ApiToken(owner=owner, label=label, **fields)
    token.encrypt_secret(secret)
    token.save(force_insert=True)
    return token


def organizations(token: ApiToken) -> tuple[Organization, ...]:
    """The organizations that a token may list. Raises KatapultError and crypto.CannotDecrypt."""
    with api.using(token) as secret:
        return _organizations(secret, [])


def choose_organization(token: ApiToken, organization: Organization) -> None:
    """Set the organization of a token; it can't be changed afterwards.

    Raises KatapultError (such as `organization_not_found`), crypto.CannotDecrypt, and ValueError
    when the token has an organization; then nothing is changed.
    """
    if token.is_ready:
        raise ValueError("a token's organization never changes")
    missing: list[str] = []
    # One with an id was listed by Katapult and exists; a sub-domain was typed and may be wrong.
    tolerated = _NOT_PERMITTED if organization.id else frozenset({"scope_not_granted"})
    with api.using(token) as secret:
        can_list = _can_list(secret, organization, missing, tolerated)
    fields = _organization_fields(organization)
    fields |= _findings_fields(Findings((), can_list, tuple(missing)))
    not_chosen = ApiToken.objects.filter(organization_id="", organization_sub_domain="")
    if not _write(token, fields, among=not_chosen):
        # Another tab chose an organization first, which stays.
        token.refresh_from_db()


def check(token: ApiToken) -> Findings:
    """Check a stored token again. Raises KatapultError and crypto.CannotDecrypt."""
    with api.using(token) as secret:
        findings = _check(secret, token.organization if token.is_ready else None)
    # If the secret was replaced in the meantime, the findings are not about the new one.
    same_secret = ApiToken.objects.filter(fingerprint=token.fingerprint)
    _write(token, _findings_fields(findings), among=same_secret)
    return findings


def replace(token: ApiToken, secret: Secret) -> None:
    """Replace the secret of a token, for the same organization.

    Raises OrganizationMismatch or KatapultError; then the old secret stays.
    """
    organization = token.organization if token.is_ready else None
    try:
        findings = _check(secret, organization)
    except ErrorAnswer as error:
        if error.code == "organization_not_found":
            raise OrganizationMismatch from error
        raise
    if organization and not findings.can_list and findings.organizations:
        named = {name for each in findings.organizations for name in (each.id, each.sub_domain)}
        if not {organization.id, organization.sub_domain} & named - {""}:
            raise OrganizationMismatch
    token.encrypt_secret(secret)
    names = ("encrypted_secret", "last_four", "fingerprint")
    fields = _findings_fields(findings) | {name: getattr(token, name) for name in names}
    _write(token, fields, among=ApiToken.objects.all())
    snapshots.forget(token)


def _check(secret: Secret, organization: Organization | None = None) -> Findings:
    """Check which organizations a token may list, and whether it may list the addresses of the
    given one, or of its only one. Raises KatapultError."""
    missing: list[str] = []
    named = _organizations(secret, missing)
    if organization is None and len(named) == 1:
        organization = named[0]
    can_list = _can_list(secret, organization, missing) if organization else None
    return Findings(named, can_list, tuple(dict.fromkeys(missing)))


def _organizations(secret: Secret, missing: list[str]) -> tuple[Organization, ...]:
    """The organizations from both calls that list them; a useful token may lack the permission for
    either."""
    client = api.client()
    found: dict[str, Organization] = {}
    for call in (client.user_organizations, client.organizations):
        if reply := _permitted(partial(call, secret), missing):
            found |= {each.id: each for each in reply.value}
    return tuple(sorted(found.values(), key=lambda each: each.name.lower()))


def _can_list(
    secret: Secret,
    organization: Organization,
    missing: list[str],
    tolerated: frozenset[str] = _NOT_PERMITTED,
) -> bool:
    call = partial(api.client().ip_addresses, secret, organization, per_page=1)
    return _permitted(call, missing, tolerated) is not None


def _permitted(
    call: Callable[[], Reply[T]], missing: list[str], tolerated: frozenset[str] = _NOT_PERMITTED
) -> Reply[T] | None:
    """The reply of a call; None for an error with a tolerated code. Adds the scopes that it names
    to `missing`."""
    try:
        return call()
    except ErrorAnswer as error:
        if error.code not in tolerated:
            raise
        scopes = error.detail.get("scopes")
        if error.code == "scope_not_granted" and isinstance(scopes, list):
            missing += map(str, scopes)
        return None


def _organization_fields(organization: Organization) -> dict[str, object]:
    return {
        "organization_id": organization.id,
        "organization_name": organization.name[:200],
        "organization_sub_domain": organization.sub_domain[:200],
    }


def _findings_fields(findings: Findings) -> dict[str, object]:
    return {
        "can_list": findings.can_list,
        "missing_scopes": list(findings.missing_scopes),
        "checked_at": timezone.now(),
        "last_error_code": "",
        "last_error_at": None,
    }


def _write(token: ApiToken, fields: dict[str, object], *, among: QuerySet[ApiToken]) -> bool:
    """Write only these fields, if the row is still there; whether it is. `save` would undo what
    another tab did to the token during the calls: rename, replace or delete it."""
    for name, value in fields.items():
        setattr(token, name, value)
    return among.filter(pk=token.pk).update(**fields) == 1
