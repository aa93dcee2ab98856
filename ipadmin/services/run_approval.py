"""Approval of a run by a second person, where the setting APPROVALS asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from ipadmin.access import USE_TOKENS
from ipadmin.audit.activity import Actor
from ipadmin.models import ApiToken, ApprovalRule, LinkKind, Run, RunItem, RunState, User
from ipadmin.services.run_state import WORKER, RunChanged, items_digest, transition

# All organizations that are not named.
DEFAULT = "*"
FORMS = (
    "ORG=RULES, separated by spaces: ORG is a sub-domain, or * for all others; RULES are never, or "
    "every, dangerous and above:N joined by +, as in *=above:20+dangerous lab=never"
)


class CannotDecide(Exception):
    """This person may not approve or reject this run."""


@dataclass(frozen=True, slots=True)
class Rules:
    """When runs of an organization need an approval: all, those with a VIP or a last address of its
    family, those of more than `above` addresses."""

    every: bool = False
    dangerous: bool = False
    above: int | None = None


def parse(text: str) -> dict[str, Rules]:
    """The rules by organization. Raises ValueError."""
    rules: dict[str, Rules] = {}
    for part in text.split():
        organization, is_given, names = part.partition("=")
        if not organization or not is_given:
            raise ValueError(f"“{part}” is not ORG=RULES.")
        if organization.lower() in rules:
            raise ValueError(f"“{organization}” occurs twice.")
        rules[organization.lower()] = _rules(names)
    return rules


def problems() -> Iterator[tuple[str, str, str]]:
    """For the system checks: id, problem and hint."""
    try:
        parse(settings.APPROVALS)
    except ValueError as error:
        yield "E050", f"APPROVALS cannot be used: {error}", f"Write {FORMS}."


def _rules(text: str) -> Rules:
    if text == "never":
        return Rules()
    names = text.split("+")
    sizes = [name.removeprefix("above:") for name in names if name.startswith("above:")]
    others = {name for name in names if not name.startswith("above:")}
    is_number = all(size.isascii() and size.isdigit() for size in sizes)
    if len(sizes) > 1 or not is_number or not others <= {"every", "dangerous"}:
        raise ValueError(f"“{text}” are no rules.")
    return Rules("every" in others, "dangerous" in others, int(sizes[0]) if sizes else None)


def rule_for(of: ApiToken | Run, items: Sequence[RunItem]) -> str:
    """The rule because of which these addresses need an approval, an ApprovalRule; empty for none.
    `items` are those that are part of the run."""
    rules = parse(settings.APPROVALS)
    found = rules.get(of.organization_sub_domain.lower(), rules.get(DEFAULT, Rules()))
    if found.every:
        return ApprovalRule.EVERY
    if found.dangerous and any(item.is_dangerous for item in items):
        return ApprovalRule.DANGEROUS
    if found.above is not None and len(items) > found.above:
        return ApprovalRule.SIZE
    return ""


def expires_at() -> datetime:
    """When a request for approval that is made now expires."""
    return timezone.now() + timedelta(hours=settings.APPROVAL_EXPIRES_AFTER)


def tokens_for(user: User, run: Run) -> QuerySet[ApiToken]:
    """The user's tokens of the organization of a run. One whose organization was typed counts only
    once it has listed the addresses."""
    is_same = Q(pk__in=[])
    if sub_domain := run.organization_sub_domain:
        is_same |= Q(organization_sub_domain__iexact=sub_domain, can_list=True)
    if run.organization_id:
        is_same |= Q(organization_id=run.organization_id)
    return ApiToken.objects.ready().filter(is_same, owner=user)


def may_decide(user: User, run: Run) -> bool:
    """Never on one's own run: an active operator with a token of the organization."""
    is_other = user.pk != run.user_id
    return is_other and user.has_perm(USE_TOKENS) and tokens_for(user, run).exists()


def approve(run: Run, user: User, by: Actor, reason: str = "") -> None:
    """Queue the run. Raises CannotDecide and RunChanged."""
    queued = {"state": RunState.QUEUED}
    _decide(run, user, by, LinkKind.RUN_APPROVED, reason=reason, fields=queued)


def reject(run: Run, user: User, by: Actor, reason: str = "") -> None:
    """Raises CannotDecide and RunChanged."""
    ended = {"state": RunState.REJECTED, "finished_at": timezone.now()}
    _decide(run, user, by, LinkKind.RUN_REJECTED, reason=reason, fields=ended)


def _decide(
    run: Run,
    user: User,
    by: Actor,
    kind: LinkKind,
    *,
    reason: str,
    fields: Mapping[str, object],
) -> None:
    if not may_decide(user, run):
        raise CannotDecide(f"{user} may not decide on run {run.pk}")
    now = timezone.now()
    decision = {"decided_by": user, "decided_at": now, "decision_reason": reason}
    transition(
        run,
        kind,
        by,
        only_if=Q(state=RunState.WAITING, expires_at__gt=now),
        fields={**fields, **decision},
        recorded={"reason": reason, "sha256": items_digest(run)},
    )


def expire() -> None:
    """Expire the runs that wait for an approval for too long."""
    now = timezone.now()
    is_late = Q(state=RunState.WAITING, expires_at__lte=now)
    ended = {"state": RunState.EXPIRED, "finished_at": now}
    for run in Run.objects.filter(is_late):
        # Not if it was decided or stopped at the same time.
        with suppress(RunChanged):
            transition(run, LinkKind.RUN_EXPIRED, WORKER, only_if=is_late, fields=ended)
