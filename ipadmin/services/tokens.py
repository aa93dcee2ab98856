"""Add, check and replace an API token, and choose its organization."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from ipadmin.audit.activity import Actor
from ipadmin.katapult.errors import ErrorAnswer, KatapultError
from ipadmin.katapult.types import Organization, Reply, Secret
from ipadmin.models import ApiToken, LinkKind, User
from ipadmin.services import api, oauth, snapshots, token_events

T = TypeVar("T")

# A token with these errors for some calls can still be useful. Any other error refuses it.
_NOT_PERMITTED = {"scope_not_granted", "permission_denied", "no_user_associated_with_identity"}
# Codes of a token that Katapult does not accept, anywhere or for its organization.
REJECTED = {
    *("invalid_api_token", "invalid_capabilities_token", "unauthorized_network_for_api_token")
}
REJECTED_ORGANIZATION = {
    *("organization_not_found", "organization_suspended", "organization_not_activated")
}


@dataclass(frozen=True, slots=True)
class Findings:
    """The result of a check of a token with the API.

    `organizations` are those that the token may list, if any. `can_list` (addresses) and
    `can_list_machines` are None while the organization is not known.
    """

    organizations: tuple[Organization, ...]
    can_list: bool | None
    missing_scopes: tuple[str, ...]
    can_unallocate: bool | None = None
    can_list_machines: bool | None = None

    @property
    def words(self) -> list[str]:
        """For the audit log."""
        able = [("can list addresses", self.can_list), ("can unallocate", self.can_unallocate)]
        missing = [f"lacks {scope}" for scope in self.missing_scopes]
        return [words for words, is_able in able if is_able] + missing


class AlreadyAdded(Exception):
    """The owner has `token`, with the same secret, for the same organization."""

    code = "already_added"

    def __init__(self, token: ApiToken) -> None:
        super().__init__(str(token))
        self.token = token


class OrganizationMismatch(Exception):
    """The new secret has no access to the organization of its token."""


def add(*, owner: User, label: str, secret: Secret, by: Actor | None = None) -> ApiToken:
    """Check a secret, and store it encrypted. If it has access to one organization, that is chosen;
    otherwise the token is not ready until `choose_organization`.

    Raises AlreadyAdded or KatapultError; then nothing is stored.
    """
    token = unsaved(owner, label, secret)
    with transaction.atomic():
        token.save(force_insert=True)
        token_events.record(LinkKind.TOKEN_ADDED, token, by, methods=["pasted"])
    return token


def rename(token: ApiToken, by: Actor) -> None:
    """Store the new label of a token. Raises IntegrityError if another one has it."""
    with transaction.atomic():
        old = ApiToken.objects.values_list("label", flat=True).get(pk=token.pk)
        token.save(update_fields=["label"])
        token_events.record(LinkKind.TOKEN_CHANGED, token, by, old=old, new=token.label)


def unsaved(owner: User, label: str, secret: Secret) -> ApiToken:
    """A token that was checked, not saved. Raises AlreadyAdded and KatapultError."""
    same = ApiToken.objects.filter(owner=owner, fingerprint=secret.fingerprint)
    _require_new(same)
    findings = _check(secret)
    _require_new(same, *findings.organizations)
    fields = findings_fields(findings)
    if len(findings.organizations) == 1:
        fields |= _organization_fields(findings.organizations[0])
    token = ApiToken(owner=owner, label=label, **fields)
    token.encrypt_secret(secret)
    return token


def organizations(token: ApiToken) -> tuple[Organization, ...]:
    """The organizations that a token may list. Raises KatapultError and crypto.CannotDecrypt."""
    with api.using(token) as secret:
        return _organizations(secret, [])


def choose_organization(
    token: ApiToken, organization: Organization, by: Actor | None = None
) -> None:
    """Set the organization of a token; it can't be changed afterwards.

    Raises AlreadyAdded, KatapultError (such as `organization_not_found`), crypto.CannotDecrypt, and
    ValueError when the token has an organization; then nothing is changed.
    """
    if token.is_ready:
        raise ValueError("a token's organization never changes")
    _require_new(_others(token, token.fingerprint), organization)
    # One with an id was listed by Katapult and exists; a sub-domain was typed and may be wrong.
    tolerated = _NOT_PERMITTED if organization.id else {"scope_not_granted"}
    with api.using(token) as secret:
        findings = _permissions(secret, organization, (), [], tolerated)
    fields = _organization_fields(organization) | findings_fields(findings)
    not_chosen = ApiToken.objects.filter(organization_id="", organization_sub_domain="")
    with transaction.atomic():
        if write(token, fields, among=not_chosen):
            new = token.organization_title
            token_events.record(LinkKind.TOKEN_CHANGED, token, by, old="No organization", new=new)
            return
    # Another tab chose an organization first, which stays.
    token.refresh_from_db()


def check(token: ApiToken, by: Actor | None = None) -> Findings:
    """Check a stored token again. Raises KatapultError and crypto.CannotDecrypt."""
    try:
        with api.using(token) as secret:
            findings = _check(secret, token.organization if token.is_ready else None)
    except KatapultError as error:
        _write_checked(token, {"checked_at": timezone.now()}, by, [error.code or "no answer"])
        raise
    _write_checked(token, findings_fields(findings), by, findings.words)
    return findings


def _write_checked(
    token: ApiToken, fields: dict[str, object], by: Actor | None, found: list[str]
) -> None:
    """Unless the secret was replaced in the meantime: then the findings are not about the new one.
    A refresh has changed `token` as well."""
    with transaction.atomic():
        if write(token, fields, among=ApiToken.objects.filter(fingerprint=token.fingerprint)):
            token_events.record(LinkKind.TOKEN_CHECKED, token, by, findings=found)


def replace(token: ApiToken, secret: Secret, by: Actor | None = None) -> None:
    """Replace the secret of a token, for the same organization.

    Raises OrganizationMismatch, AlreadyAdded or KatapultError; then the old secret stays.
    """
    findings = check_replacement(token, secret)
    if token.is_connection:
        oauth.revoke(token)
    token.encrypt_secret(secret)
    token.encrypted_refresh_token, token.expires_at, token.granted_scopes = None, None, []
    fields = findings_fields(findings) | {name: getattr(token, name) for name in oauth.FIELDS}
    with transaction.atomic():
        if write(token, fields, among=ApiToken.objects.all()):
            token_events.record(LinkKind.TOKEN_REPLACED, token, by, methods=["pasted"])
    snapshots.forget(token)


def check_replacement(token: ApiToken, secret: Secret) -> Findings:
    """Check another secret for a token. Raises the errors of `replace`."""
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
    _require_new(_others(token, secret.fingerprint), *filter(None, [organization]))
    return findings


def _others(token: ApiToken, fingerprint: str) -> QuerySet[ApiToken]:
    """The owner's other tokens with a secret."""
    return ApiToken.objects.filter(owner=token.owner, fingerprint=fingerprint).exclude(pk=token.pk)


def _require_new(same: QuerySet[ApiToken], *organizations: Organization) -> None:
    """Raise AlreadyAdded if there is a token with the same secret for each of the organizations;
    without organizations, if there is one whose organization is still to be chosen."""
    if not organizations:
        taken = [each for each in same if not each.is_ready]
    else:
        taken = [each for one in organizations for each in same if _is_for(each, one)]
    if len(taken) >= max(1, len(organizations)):
        raise AlreadyAdded(taken[0])


def _is_for(token: ApiToken, organization: Organization) -> bool:
    names = {token.organization_id, token.organization_sub_domain}
    return bool(names & {organization.id, organization.sub_domain} - {""})


def others_for(token: ApiToken) -> list[ApiToken]:
    """The owner's other tokens for the same organization, without those known not to work."""
    own = ApiToken.objects.ready().filter(owner=token.owner_id).exclude(pk=token.pk)
    return [
        each
        for each in own
        if _is_for(each, token.organization)
        and each.last_error_code not in REJECTED | REJECTED_ORGANIZATION
        and each.can_list is not False
        and not each.must_connect_again
        and each.opens
    ]


def _check(secret: Secret, organization: Organization | None = None) -> Findings:
    """Check which organizations a token may list, and what it may do in the given one, or in its
    only one. Raises KatapultError."""
    missing: list[str] = []
    named = _organizations(secret, missing)
    if organization is None and len(named) == 1:
        organization = named[0]
    return _permissions(secret, organization, named, missing)


def _permissions(
    secret: Secret,
    organization: Organization | None,
    named: tuple[Organization, ...],
    missing: list[str],
    tolerated: set[str] = _NOT_PERMITTED,
) -> Findings:
    """What a token may do in an organization. `tolerated` are the errors of a useful token."""
    client, can_list, can_list_machines = api.client(), None, None
    if organization:
        call = partial(client.ip_addresses, secret, organization, per_page=1)
        can_list = _permitted(call, missing, tolerated) is not None
        # Without an answer it stays unknown: names of machines are no reason to refuse a token.
        with suppress(KatapultError):
            names = partial(client.virtual_machines, secret, organization, per_page=1)
            can_list_machines = _permitted(names, missing) is not None
    can_unallocate = _permitted(partial(client.probe_unallocate, secret), missing) is not None
    scopes = tuple(dict.fromkeys(missing))
    return Findings(named, can_list, scopes, can_unallocate, can_list_machines)


def _organizations(secret: Secret, missing: list[str]) -> tuple[Organization, ...]:
    """The organizations from both calls that list them; a useful token may lack the permission for
    either."""
    client = api.client()
    found: dict[str, Organization] = {}
    for call in (client.user_organizations, client.organizations):
        if reply := _permitted(partial(call, secret), missing):
            found |= {each.id: each for each in reply.value}
    return tuple(sorted(found.values(), key=lambda each: each.name.lower()))


def _permitted(
    call: Callable[[], Reply[T]], missing: list[str], tolerated: set[str] = _NOT_PERMITTED
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


def findings_fields(findings: Findings) -> dict[str, object]:
    return {
        "can_list": findings.can_list,
        "can_unallocate": findings.can_unallocate,
        "can_list_machines": findings.can_list_machines,
        "missing_scopes": list(findings.missing_scopes),
        "checked_at": timezone.now(),
        "last_error_code": "",
        "last_error_at": None,
    }


def write(token: ApiToken, fields: dict[str, object], *, among: QuerySet[ApiToken]) -> bool:
    """Write only these fields, if the row is still there; whether it is. `save` would undo what
    another tab did to the token during the calls: rename, replace or delete it."""
    for name, value in fields.items():
        setattr(token, name, value)
    return among.filter(pk=token.pk).update(**fields) == 1
