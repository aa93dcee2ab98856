"""Connections to Katapult through OAuth2, as an operator makes, repairs and removes them."""

from __future__ import annotations

from itertools import count

from django.db import transaction

from ipadmin.audit import activity
from ipadmin.audit.activity import Actor
from ipadmin.katapult.oauth import Grant
from ipadmin.models import ApiToken, LinkKind, User
from ipadmin.services import oauth, snapshots, tokens


def connect(owner: User, grant: Grant, by: Actor) -> ApiToken:
    """Add the access token of a grant, as `tokens.add` does. Raises KatapultError."""
    taken = set(ApiToken.objects.filter(owner=owner).values_list("label", flat=True))
    labels = (f"Katapult {number}".removesuffix(" 1") for number in count(1))
    label = next(each for each in labels if each not in taken)
    token = tokens.unsaved(owner, label, grant.access_token)
    oauth.put(token, grant)
    with transaction.atomic():
        token.save(force_insert=True)
        _record(LinkKind.TOKEN_ADDED, token, by)
    return token


def connect_again(token: ApiToken, grant: Grant, by: Actor) -> None:
    """Replace the secret of a token by that of a grant. Raises the errors of `tokens.replace`."""
    findings = tokens.check_replacement(token, grant.access_token)
    fields = oauth.put(token, grant) | tokens.findings_fields(findings)
    with transaction.atomic():
        tokens.write(token, fields, among=ApiToken.objects.all())
        _record(LinkKind.TOKEN_REPLACED, token, by)
    snapshots.forget(token)


def delete(token: ApiToken) -> None:
    """Delete a token, and before that revoke its grant, if it has one and the provider can."""
    if token.is_connection:
        oauth.revoke(token)
    token.delete()


def _record(kind: LinkKind, token: ApiToken, by: Actor) -> None:
    activity.record(
        kind,
        by,
        token_id=str(token.pk),
        token_label=token.label,
        token_fingerprint=token.fingerprint,
        organization=token.organization_title,
        methods=["oauth2"],
    )
