"""Add, check, replace and remove an API token."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils import timezone

from ipadmin.katapult.errors import ErrorAnswer
from ipadmin.katapult.types import Organization, Secret
from ipadmin.models import ApiToken, User
from ipadmin.services import api, inventory

# What a token may not do; with the rest it can still be of use. Any other error refuses it.
_NOT_PERMITTED = frozenset(
    {"scope_not_granted", "permission_denied", "no_user_associated_with_identity"}
)


@dataclass(frozen=True, slots=True)
class Findings:
    """What trying a token against the API showed.

    `organizations` is what it may name, empty where it may name none. `can_list` is None while it
    is not known which organization to list. Whether it may unallocate, only unallocating shows.
    """

    organizations: tuple[Organization, ...]
    can_list: bool | None
    missing_scopes: tuple[str, ...]


class OrganizationMismatch(Exception):
    """The new secret does not reach the organization its token stands for."""


def add(*, owner: User, label: str, secret: Secret) -> ApiToken:
    """Examine a secret and keep it sealed. A single organization is chosen at once; otherwise the
    token is not ready until `choose_organization`.

    Raises KatapultError; then nothing is kept.
    """
    findings = _examine(secret)
    token = ApiToken(owner=owner, label=label)
    token.encrypt_secret(secret)
    if len(findings.organizations) == 1:
        _set_organization(token, findings.organizations[0])
    _note(token, findings)
    token.save(force_insert=True)
    return token


def organizations(token: ApiToken) -> tuple[Organization, ...]:
    """The organizations a kept token may name. Raises KatapultError and crypto.CannotDecrypt."""
    with api.using(token) as secret:
        return _organizations(secret, [])


def choose_organization(token: ApiToken, organization: Organization) -> None:
    """Make a token stand for an organization, for good.

    Raises KatapultError (`organization_not_found`, say); then the token stays as it was.
    """
    if token.is_ready:
        raise ValueError("a token's organization never changes")
    missing: list[str] = []
    # Named by Katapult, it is there even if it may not be listed; typed by hand, it may be wrong.
    tolerated = _NOT_PERMITTED if organization.id else frozenset({"scope_not_granted"})
    with api.using(token) as secret:
        can_list = _can_list(secret, organization, missing, tolerated)
    _set_organization(token, organization)
    _note(token, Findings((), can_list, tuple(missing)))
    not_chosen = ApiToken.objects.filter(organization_id="", organization_sub_domain="")
    if not _write(token, *_ORGANIZATION, *_NOTED, among=not_chosen):
        # Another tab was faster, and what it chose stays.
        token.refresh_from_db()


def check(token: ApiToken) -> Findings:
    """Examine a kept token again. Raises KatapultError and crypto.CannotDecrypt."""
    with api.using(token) as secret:
        findings = _examine(secret, token.organization if token.is_ready else None)
    _note(token, findings)
    # What was found out of a secret that was replaced meanwhile says nothing of the new one.
    _write(token, *_NOTED, among=ApiToken.objects.filter(fingerprint=token.fingerprint))
    return findings


def replace(token: ApiToken, secret: Secret) -> None:
    """Put another secret in the place of the old one, for the same organization.

    Raises OrganizationMismatch or KatapultError; then the old secret stays.
    """
    organization = token.organization if token.is_ready else None
    try:
        findings = _examine(secret, organization)
    except ErrorAnswer as error:
        if error.code == "organization_not_found":
            raise OrganizationMismatch from error
        raise
    if organization and not findings.can_list and findings.organizations:
        named = {each.id for each in findings.organizations}
        named |= {each.sub_domain for each in findings.organizations}
        named.discard("")
        if organization.id not in named and organization.sub_domain not in named:
            raise OrganizationMismatch
    token.encrypt_secret(secret)
    _note(token, findings)
    _write(token, "encrypted_secret", "last_four", "fingerprint", *_NOTED)
    inventory.forget(token)


def _examine(secret: Secret, organization: Organization | None = None) -> Findings:
    """Who the token is, which organizations it names, whether it can list the addresses of the
    given one, or of the only one. Raises KatapultError."""
    missing: list[str] = []
    named = _organizations(secret, missing)
    if organization is None and len(named) == 1:
        organization = named[0]
    can_list = _can_list(secret, organization, missing) if organization else None
    return Findings(named, can_list, tuple(dict.fromkeys(missing)))


def _organizations(secret: Secret, missing: list[str]) -> tuple[Organization, ...]:
    """From both calls that name them: either may be closed to a token that is good otherwise."""
    client = api.client()
    found: dict[str, Organization] = {}
    try:
        found |= {each.id: each for each in client.current_user(secret).value.organizations}
    except ErrorAnswer as error:
        _tolerate(error, missing)
    try:
        found |= {each.id: each for each in client.organizations(secret).value}
    except ErrorAnswer as error:
        _tolerate(error, missing)
    return tuple(sorted(found.values(), key=lambda each: each.name.lower()))


def _can_list(
    secret: Secret,
    organization: Organization,
    missing: list[str],
    tolerated: frozenset[str] = _NOT_PERMITTED,
) -> bool:
    try:
        api.client().ip_addresses(secret, organization, per_page=1)
    except ErrorAnswer as error:
        _tolerate(error, missing, tolerated)
        return False
    return True


def _tolerate(
    error: ErrorAnswer, missing: list[str], tolerated: frozenset[str] = _NOT_PERMITTED
) -> None:
    """Pass over what a token merely may not do, keeping the scopes it would need."""
    if error.code not in tolerated:
        raise error
    scopes = error.detail.get("scopes")
    if error.code == "scope_not_granted" and isinstance(scopes, list):
        missing += [str(scope) for scope in scopes]


def _set_organization(token: ApiToken, organization: Organization) -> None:
    token.organization_id = organization.id
    token.organization_name = organization.name[:200]
    token.organization_sub_domain = organization.sub_domain[:200]


_ORGANIZATION = ("organization_id", "organization_name", "organization_sub_domain")
_NOTED = ("can_list", "missing_scopes", "checked_at", "last_error_code", "last_error_at")


def _write(token: ApiToken, *names: str, among: QuerySet[ApiToken] | None = None) -> bool:
    """Write these fields alone, if the row is still there: while Katapult was asked, another tab
    may have renamed, replaced or deleted the token, and `save` would undo that."""
    rows = ApiToken.objects.all() if among is None else among
    return rows.filter(pk=token.pk).update(**{name: getattr(token, name) for name in names}) == 1


def _note(token: ApiToken, findings: Findings) -> None:
    token.can_list = findings.can_list
    token.missing_scopes = list(findings.missing_scopes)
    token.checked_at = timezone.now()
    token.last_error_code, token.last_error_at = "", None
