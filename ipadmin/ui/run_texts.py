"""What a run would do, in words: its confirmation, and the request for its approval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.urls import reverse

from ipadmin.models import Action, ApprovalRule, Run, RunItem, SkipReason
from ipadmin.services.runs import NoToken, Plan, TooManyAddresses
from ipadmin.ui.address_texts import default_host
from ipadmin.ui.components import Linked, Notice
from ipadmin.ui.markup import kind

SKIPPED = {
    SkipReason.NOT_ALLOCATED: "Not allocated",
    SkipReason.NOT_FOUND: "Not found in this organization",
    SkipReason.NOT_LISTED: "Not listed: the list changed while it was read",
    SkipReason.LOAD_BALANCER: "Can't be unallocated from a load balancer",
    SkipReason.NOT_A_MACHINE: "Only virtual machines can get an address back",
    SkipReason.ALLOCATED_AGAIN: "Allocated again in the meantime",
    SkipReason.PUT_BACK: "Put back already, or about to be",
}
RULES = {
    ApprovalRule.EVERY: "Every change in {} needs one.",
    ApprovalRule.DANGEROUS: "In {}, VIPs and the last address of a machine need one.",
    ApprovalRule.SIZE: "In {}, this many addresses need one.",
}
EXPIRED = Notice(
    "warning",
    "This confirmation has expired",
    ("Nothing was changed. Read the addresses again, then confirm.",),
)
NOTHING_LEFT = Notice("info", "None of these addresses can be changed", ("Nothing was changed.",))
CHANGED = "Nothing was changed: the run is no longer in the state that you saw."
DECIDED = {
    "approve": "You approved this run. It begins in a moment.",
    "reject": "You rejected this run. Nothing was changed.",
}


class Danger(NamedTuple):
    """An address that needs attention, and why."""

    item: RunItem
    reasons: list[str]


class Holder(NamedTuple):
    """What some addresses of a run are, or will be, allocated to."""

    name: str
    kind: str
    addresses: list[str]


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What a run is confirmed with. `items` are part of it; `left_out` has the others with their
    reasons."""

    title: str
    items: list[RunItem]
    dangers: list[Danger]
    dangers_title: str
    holders: list[Holder]
    holder_title: str
    left_out: list[tuple[RunItem, str]]

    @property
    def all_ids(self) -> str:
        """Of all addresses, for a form field."""
        return " ".join(item.address_id for item in (*self.items, *dict(self.left_out)))

    @property
    def other_ids(self) -> str:
        """The IDs of the addresses that need no attention, for a form field."""
        dangerous = {danger.item.pk for danger in self.dangers}
        return " ".join(item.address_id for item in self.items if item.pk not in dangerous)


def confirmed(run: Run) -> Confirmed:
    listed = [*run.items.all()]
    items = [item for item in listed if not item.skip_reason]
    found = dangers(run, items)
    return Confirmed(
        title(run, items or listed),
        items,
        found,
        dangers_title(len(found), len(items)),
        holders(items),
        holder_title(run),
        [(item, SKIPPED[SkipReason(item.skip_reason)]) for item in listed if item.skip_reason],
    )


def count(number: int) -> str:
    """`1 address` or `1,234 addresses`."""
    return f"{number:,} address{'' if number == 1 else 'es'}"


def title(run: Run, items: Sequence[RunItem]) -> str:
    """What a run does: `Unallocate 10 addresses`, `Put back 198.18.0.6`."""
    return f"{verb(run)} {items[0] if len(items) == 1 else count(len(items))}"


def verb(run: Run) -> str:
    return "Put back" if run.action == Action.ALLOCATE else "Unallocate"


def holder_title(run: Run) -> str:
    return "Allocate to" if run.action == Action.ALLOCATE else "Allocated to"


def back_to(run: Run) -> Linked:
    """The page that a confirmation was opened from."""
    if origin := run.undoes or run.retries:
        return Linked("Run", origin.get_absolute_url())
    if run.token_id:
        return Linked("Addresses", reverse("addresses", args=[run.token_id]))
    return Linked("Runs", reverse("runs"))


def again_url(run: Run) -> str:
    """Where a draft of the same addresses is made; empty if its token was deleted."""
    if run.undoes_id:
        return reverse("run_undo", args=[run.undoes_id])
    return reverse("run_add", args=[run.token_id]) if run.token_id else ""


def dangers(run: Run, items: Sequence[RunItem]) -> list[Danger]:
    """The addresses whose number the operator has to type. Allocating endangers none."""
    if run.action != Action.UNALLOCATE:
        return []
    return [Danger(item, [*_reasons(item)]) for item in items if item.is_dangerous]


def dangers_title(number: int, total: int) -> str:
    if total == 1:
        return "It needs attention"
    return f"{number:,} of them need{'s' if number == 1 else ''} attention"


def _reasons(item: RunItem) -> Iterator[str]:
    if item.vip:
        yield "a virtual IP (VIP)"
    if item.last_of_family:
        yield f"leaves {holder_name(item)} without {item.family}"
    elif item.last_of_family is None:
        yield f"not known whether {holder_name(item)} keeps another {item.family} address"


def holder_name(item: RunItem) -> str:
    return item.allocation_name or item.allocation_id or "its resource"


def holders(items: Sequence[RunItem]) -> list[Holder]:
    """The addresses by what they are allocated to, in the order of the first address of each."""
    found: dict[tuple[str, str], Holder] = {}
    for item in items:
        key = (item.allocation_type, item.allocation_id)
        new = Holder(holder_name(item), kind(item.allocation_type) or "Resource", [])
        found.setdefault(key, new).addresses.append(str(item))
    return [*found.values()]


def facts(run: Run, items: Sequence[RunItem], plan: Plan) -> Iterator[tuple[str, str]]:
    """What a run takes and what else it changes: labels and values."""
    each = plan.calls // len(items)
    left = "Not known yet" if plan.calls_left is None else f"{plan.calls_left:,} this minute"
    yield "Calls", f"{plan.calls:,} ({each} for each address)"
    yield "Calls left", left
    yield "Takes", f"About {seconds(plan.seconds)}"
    if run.action == Action.UNALLOCATE:
        yield "Reverse DNS", reverse_dns(run, items)


def reverse_dns(run: Run, items: Sequence[RunItem]) -> str:
    """What becomes of the host names of the addresses."""
    if run.action == Action.ALLOCATE:
        restored = sum(bool(each.reverse_dns) for each in items)
        return f"{restored:,} restored" if run.restores_reverse_dns else "Not restored"
    own = [each for each in items if each.reverse_dns not in ("", default_host(each.address))]
    if not own:
        return "Katapult's default stays"
    lost = own[0].reverse_dns if len(items) == 1 else f"{len(own):,} of {len(items):,}"
    return f"{lost} will be lost"


def tone(run: Run) -> str:
    """The class of the button that carries it out."""
    return "danger" if run.action == Action.UNALLOCATE else "primary"


def seconds(number: float) -> str:
    """A duration that is not exact: `5 s`, `3 min`, `2 h`."""
    whole = max(1, round(number))
    if whole < 90:
        return f"{whole} s"
    return f"{round(whole / 60)} min" if whole < 90 * 60 else f"{round(whole / 3600)} h"


def not_drafted(error: Exception) -> Notice:
    """Why there is nothing to confirm."""
    if isinstance(error, TooManyAddresses):
        lines = ("Nothing was changed. Select fewer, and make several runs.",)
        return Notice("warning", f"A run may have at most {count(error.limit)}", lines)
    if isinstance(error, NoToken):
        lines = ("Nothing was changed. Add a token of its organization first.",)
        return Notice("warning", "You have no token to change these addresses with", lines)
    return Notice("info", "There is no address to change", ("Nothing was changed.",))


def notices(run: Run, rule: str) -> Iterator[Notice]:
    """What an operator must know before starting a run."""
    if run.action == Action.ALLOCATE:
        lines = ("Katapult chooses the network interface.",)
        yield Notice("info", "Each address goes back to the machine that had it", lines)
    if rule:
        yield needs_approval(rule, run.organization_title)


def needs_approval(rule: str, organization: str) -> Notice:
    lines = (
        RULES[ApprovalRule(rule)].format(organization),
        "It begins when another operator of the organization approves it.",
    )
    return Notice("warning", "This needs the approval of a second person", lines)


def approval(run: Run, *, is_own: bool, may_decide: bool) -> Notice:
    """Of a run that waits for its approval."""
    why = RULES[ApprovalRule(run.approval_rule)].format(run.organization_title)
    if is_own:
        whom = "Another operator of the organization can approve it. Send them this page."
        return Notice("info", "Waiting for the approval of a second person", (why, whom))
    if may_decide:
        return Notice("warning", f"{run.user.display_name} asks for your approval", (why,))
    return Notice("info", "Waiting for the approval of another operator", (why,))
