"""What the search from anywhere shows: groups of links."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from ipadmin.access import Abilities
from ipadmin.audit.search.pages import ListedEntry
from ipadmin.models import Action, ApiToken
from ipadmin.services.find import Found, FoundAddress, FoundMachine, Pasted
from ipadmin.ui.markup import outcome_name, url_of

# Pages of the site: title, words that find it, name of its URL, and the ability that it needs.
SITE_PAGES = (
    ("Addresses", "addresses ips list", "addresses_home", "may_unallocate"),
    ("Runs", "runs many addresses at once bulk", "runs", "may_view_history"),
    ("Waiting for you", "waiting inbox approvals", "waiting", "may_unallocate"),
    ("Tokens", "tokens api keys secrets", "tokens", "may_unallocate"),
    ("Add a token", "tokens add new", "token_add", "may_unallocate"),
    ("History", "history audit log attempts entries", "audit", "may_view_history"),
    ("Integrity of the history", "integrity history hash chain", "integrity", "may_verify_history"),
    ("Activity", "activity log sign-ins security events", "activity", "may_verify_history"),
    ("Invite a person", "people invite add new user account", "person_invite", "may_manage_people"),
    ("People", "people users roles accounts", "people", "may_manage_people"),
    ("Your account", "account passkeys second factor recovery codes", "account", ""),
    ("Change password", "password account", "account_change_password", ""),
)


class Hit(NamedTuple):
    """One result. `unallocate` is the URL of the confirmation; empty if there is none. `id` is that
    of an address that can be selected."""

    title: str
    url: str
    detail: str = ""
    icon: str = "network"
    is_mono: bool = False
    note: str = ""
    unallocate: str = ""
    id: str = ""


class Group(NamedTuple):
    """`select_url` takes the hits that are selected: it reads them and asks for confirmation."""

    title: str
    hits: list[Hit]
    more: str = ""
    more_url: str = ""
    select_url: str = ""


@dataclass(frozen=True, slots=True)
class Results:
    """Groups with at least one hit, and a sentence about them. `not_read`: organizations that were
    not searched."""

    summary: str
    groups: list[Group]
    not_read: list[Hit] = field(default_factory=list)


NOTHING_SOUGHT = Results(
    "Finds addresses of all your tokens, machines, people, attempts and pages.", []
)


def results(
    text: str,
    abilities: Abilities,
    found: Found,
    entries: Iterable[ListedEntry],
    people: Iterable[str],
) -> Results:
    """What a text finds."""
    own, more, list_url = found.addresses, "", ""
    if found.total_addresses > len(own):
        more = f"All {found.total_addresses:,} addresses"
        list_url = _list_of(own[0].token).url + _q(text)
    history = f"{reverse('audit')}?{urlencode({'q': text, 'when': 'all'})}"
    groups = _with_hits(
        Group("Pages", list(_site_pages(text, abilities))),
        Group("Addresses", [address(each) for each in own], more, list_url),
        Group("Not in any list that was read", [_look_up(text, of) for of in found.can_look_up]),
        Group("Machines", [machine(each) for each in found.machines]),
        Group("Organizations", [_list_of(each) for each in found.organizations]),
        Group("People", [_person(name) for name in people]),
        Group("History", [_entry(each) for each in entries], "All in the history", history),
    )
    nothing = f"Nothing found for “{text}”." if not groups else ""
    return Results(nothing, groups, [_list_of(each) for each in found.not_read])


def pasted(found: Pasted) -> Results:
    """What a pasted text names."""
    can, free = found.can_be_unallocated, found.not_allocated
    cannot = found.cannot_be_unallocated
    counts = (
        (len(can), "can be unallocated"),
        (len(free), "not allocated"),
        (len(cannot), "can't be unallocated"),
        (len(found.unknown), "not found"),
    )
    summary = ", ".join(f"{count} {text}" for count, text in counts if count)
    unknown = [Hit(each, reverse("search") + _q(each), is_mono=True) for each in found.unknown]
    groups = _with_hits(
        *_selectable(can),
        Group("Not allocated", [address(each) for each in free]),
        Group("Can't be unallocated", [address(each) for each in cannot]),
        Group("Not found in any organization", unknown),
        Group("Not searched: addresses not read yet", [_list_of(each) for each in found.not_read]),
    )
    sentences = (summary or "No addresses found", found.cut)
    return Results(f"{'. '.join(filter(None, sentences))}.", groups)


def _selectable(found: list[FoundAddress]) -> Iterator[Group]:
    """A group for each token: a run has one."""
    by_token: dict[ApiToken, list[FoundAddress]] = {}
    for each in found:
        by_token.setdefault(each.token, []).append(each)
    for token, own in by_token.items():
        title = f" · {token.organization_title}" if len(by_token) > 1 else ""
        hits = [address(each)._replace(id=each.ip.id) for each in own]
        url = reverse("run_add", args=[token.id])
        yield Group(f"Can be unallocated{title}", hits, select_url=url)


def _with_hits(*groups: Group) -> list[Group]:
    return [group for group in groups if group.hits]


def _list_of(token: ApiToken) -> Hit:
    """The list of the addresses of a token's organization."""
    url = reverse("addresses", args=[token.id])
    return Hit(token.organization_title, url, f"Token {token.label}", "building")


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


def _entry(entry: ListedEntry) -> Hit:
    day = f"{timezone.localtime(entry.created_at):%-d %b %Y}"
    is_usual = entry.action == Action.UNALLOCATE
    action = "" if is_usual else dict(Action.choices).get(entry.action, entry.action)
    parts = [action, outcome_name(entry.outcome), day, entry.person, entry.reason]
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
