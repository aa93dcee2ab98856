"""Connections to Katapult through OAuth2, as an operator makes, repairs and removes them."""

from __future__ import annotations

from itertools import count

from django.db import transaction

from ipadmin.audit.activity import Actor
from ipadmin.katapult.oauth import Grant
from ipadmin.models import ApiToken, LinkKind, User
from ipadmin.services import oauth, snapshots, token_events, tokens


def connect(owner: User, grant: Grant, by: Actor) -> ApiToken:
    """Add the access token of a grant, as `tokens.add` does. Raises KatapultError."""
    taken = set(ApiToken.objects.filter(owner=owner).values_list("label", flat=True))
    labels = (f"Katapult {number}".removesuffix(" 1") for number in count(1))
    label = next(each for each in labels if each not in taken)
    token = tokens.unsaved(owner, label, grant.access_token)
    oauth.put(token, grant)
    with transaction.atomic():
        token.save(force_insert=True)
        token_events.record(LinkKind.TOKEN_ADDED, token, by, methods=["oauth2"])
    return token


def connect_again(token: ApiToken, grant: Grant, by: Actor) -> None:
    """Replace the secret of a token by that of a grant. Raises the errors of `tokens.replace`."""
    findings = tokens.check_replacement(token, grant.access_token)
    fields = oauth.put(token, grant) | tokens.findings_fields(findings)
    with transaction.atomic():
        if tokens.write(token, fields, among=ApiToken.objects.all()):
            token_events.record(LinkKind.TOKEN_REPLACED, token, by, methods=["oauth2"])
    snapshots.forget(token)


def delete(token: ApiToken, by: Actor | None = None) -> None:
    """Delete a token, and before that revoke its grant, if it has one and the provider can."""
    if token.is_connection:
        oauth.revoke(token)
    with transaction.atomic():
        token_events.record(LinkKind.TOKEN_DELETED, token, by)
        token.delete()
