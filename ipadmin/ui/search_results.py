"""What the search from anywhere shows: groups of links."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from ipadmin.access import Abilities
from ipadmin.models import ApiToken, AuditEntry
from ipadmin.services.find import Found, FoundAddress, FoundMachine, Pasted
from ipadmin.ui.markup import url_of

# Pages of the site: title, words that find it, name of its URL, and the ability that it needs.
SITE_PAGES = (
    ("Addresses", "addresses ips list", "addresses_home", "may_unallocate"),
    ("Tokens", "tokens api keys secrets", "tokens", "may_unallocate"),
    ("Add a token", "tokens add new", "token_add", "may_unallocate"),
    ("History", "history audit log attempts entries", "audit", "may_view_history"),
    (
        "Integrity of the history",
        "integrity history verification hash chain",
        "integrity",
        "may_verify_history",
    ),
    ("Activity", "activity log sign-ins security events", "activity", "may_verify_history"),
    ("Invite a person", "people invite add new user account", "person_invite", "may_manage_people"),
    ("People", "people users roles accounts", "people", "may_manage_people"),
    ("Change password", "password account", "account_change_password", ""),
)


@dataclass(frozen=True, slots=True)
class Hit:
    """One result. `unallocate` is the URL of the confirmation; empty if there is none."""

    title: str
    url: str
    detail: str = ""
    icon: str = "network"
    is_mono: bool = False
    note: str = ""
    unallocate: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    title: str
    hits: list[Hit]
    more: str = ""
    more_url: str = ""


@dataclass(frozen=True, slots=True)
class Results:
    text: str
    groups: list[Group] = field(default_factory=list)
    not_read: list[Hit] = field(default_factory=list)

    @property
    def count(self) -> int:
        return sum(len(group.hits) for group in self.groups)


def results(
    text: str,
    abilities: Abilities,
    found: Found,
    entries: Iterable[AuditEntry],
    people: Iterable[str],
) -> Results:
    """Groups with at least one hit."""
    history = f"{reverse('audit')}?{urlencode({'q': text, 'when': 'all'})}"
    more_addresses, list_url = "", ""
    if found.total_addresses > len(found.addresses):
        token = found.addresses[0].token
        more_addresses = f"All {found.total_addresses:,} addresses"
        list_url = reverse("addresses", args=[token.id]) + _q(text)
    groups = [
        Group("Pages", list(_site_pages(text, abilities))),
        Group("Addresses", [address(each) for each in found.addresses], more_addresses, list_url),
        Group(
            "Not in any list that was read", [_look_up(text, each) for each in found.can_look_up]
        ),
        Group("Machines", [machine(each) for each in found.machines]),
        Group(
            "Organizations",
            [
                Hit(
                    token.organization_title,
                    reverse("addresses", args=[token.id]),
                    f"Token {token.label}",
                    "building",
                )
                for token in found.organizations
            ],
        ),
        Group("People", [_person(name) for name in people]),
        Group("History", [_entry(each) for each in entries], "All in the history", history),
    ]
    not_read = [
        Hit(token.organization_title, reverse("addresses", args=[token.id]), icon="refresh-cw")
        for token in found.not_read
    ]
    return Results(text, [group for group in groups if group.hits], not_read)


@dataclass(frozen=True, slots=True)
class PastedResults:
    """What a pasted text names, in groups, and a sentence that sums it up."""

    summary: str
    groups: list[Group]


def pasted(found: Pasted) -> PastedResults:
    can, free = found.can_be_unallocated, found.not_allocated
    cannot = found.cannot_be_unallocated
    counts = (
        (len(can), "can be unallocated"),
        (len(free), "not allocated"),
        (len(cannot), "can't be unallocated"),
        (len(found.unknown), "not found"),
    )
    parts = [f"{count} {text}" for count, text in counts if count]
    summary = ", ".join(parts) or "No addresses found"
    if found.cut:
        summary += f". {found.cut}"
    groups = [
        Group("Can be unallocated", [address(each) for each in can]),
        Group("Not allocated", [address(each) for each in free]),
        Group("Can't be unallocated", [address(each) for each in cannot]),
        Group(
            "Not found in any organization",
            [Hit(each, reverse("search") + _q(each), is_mono=True) for each in found.unknown],
        ),
        Group(
            "Not searched: addresses not read yet",
            [
                Hit(each.organization_title, reverse("addresses", args=[each.id]), each.label)
                for each in found.not_read
            ],
        ),
    ]
    return PastedResults(f"{summary}.", [group for group in groups if group.hits])


def address(found: FoundAddress) -> Hit:
    ip, token = found.ip, found.token
    holder = ip.allocation
    name = found.machine.name if found.machine else (holder.name or holder.id) if holder else ""
    return Hit(
        ip.address,
        url_of("address", token.id, ip.id),
        " · ".join(filter(None, [name or "Not allocated", token.organization_title])),
        is_mono=True,
        note=found.why_not if holder else "",
        unallocate="" if found.why_not else url_of("unallocate", token.id, ip.id),
    )


def machine(found: FoundMachine) -> Hit:
    token, of = found.token, found.machine
    url = url_of("machine", token.id, of.id)
    return Hit(of.name, url, f"{of.id} · {token.organization_title}", "server")


def _look_up(text: str, token: ApiToken) -> Hit:
    """A link that reads an address or a machine now."""
    if text.startswith("vm_"):
        url = reverse("machine", args=[token.id, text])
    elif text.startswith("ip_"):
        url = reverse("address", args=[token.id, text])
    else:
        url = reverse("lookup", args=[token.id]) + _q(text)
    organization = f"{token.organization_title}, with the token {token.label}"
    return Hit(f"Look up {text} now", url, organization, "search")


def _q(text: str) -> str:
    return f"?{urlencode({'q': text})}"


def _person(name: str) -> Hit:
    query = urlencode({"person": name, "when": "all"})
    return Hit(name, f"{reverse('audit')}?{query}", "Attempts of this person", "user-round")


def _entry(entry: AuditEntry) -> Hit:
    day = f"{timezone.localtime(entry.created_at):%-d %b %Y}"
    parts = [entry.get_outcome_display(), day, entry.person, entry.reason]
    return Hit(
        entry.address, entry.get_absolute_url(), " · ".join(filter(None, parts)), "history", True
    )


def _site_pages(text: str, abilities: Abilities) -> Iterator[Hit]:
    words = text.lower().split()
    for title, keywords, url, ability in SITE_PAGES:
        if ability and not getattr(abilities, ability):
            continue
        if all(any(each.startswith(word) for each in keywords.split()) for word in words):
            yield Hit(title, reverse(url), "Page", "arrow-right")
