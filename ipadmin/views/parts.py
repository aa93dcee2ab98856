"""What several views share: requests for part of a page, and the result of an attempt."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django_htmx.http import trigger_client_event

from ipadmin import access
from ipadmin.access import SignedInRequest
from ipadmin.adapter import client_address
from ipadmin.audit import competing
from ipadmin.audit.activity import Actor
from ipadmin.models import Action, ApiToken, AuditEntry, User
from ipadmin.services import changes, inventory, later_reads, listing, tokens, undo
from ipadmin.services.attempt import Circumstances, OutcomeNotWritten
from ipadmin.services.listing import Filters, Row
from ipadmin.ui import action_texts, entry_texts, explanations
from ipadmin.ui.explanations import Explanation
from ipadmin.ui.next_steps import Place, Step

# What a call to Katapult with a stored token raises.
CANNOT_READ = inventory.CANNOT_READ
# Other tokens that an error offers.
MAX_OTHERS = 3
# An older attempt is history: nobody tries it again from there.
RECENT = timedelta(days=1)


def wants_part(request: HttpRequest) -> bool:
    """Whether htmx asks for part of a page. Boosted links and restored history get all of it. Reads
    the headers itself: a request that failed early did not reach the htmx middleware."""
    headers = request.headers
    whole = "HX-Boosted" in headers or "HX-History-Restore-Request" in headers
    return headers.get("HX-Request") == "true" and not whole


def actor(request: SignedInRequest) -> Actor:
    """The user, as activity names them."""
    return actor_of(request, request.user)


def actor_of(request: SignedInRequest, user: User) -> Actor:
    """Someone who has not signed in yet, as activity names them."""
    return Actor(
        user_id=user.pk,
        user_name=user.get_username(),
        source_ip=client_address(request),
        request_id=request.request_id,
    )


def circumstances(request: SignedInRequest, token: ApiToken, reason: str) -> Circumstances:
    """Who makes an attempt with this request, and why."""
    return Circumstances(
        user=request.user,
        token=token,
        reason=reason,
        source_ip=client_address(request) or None,
        request_id=request.request_id,
    )


def problem(
    request: SignedInRequest,
    error: Exception,
    token: ApiToken | None = None,
    *,
    page: str = "",
    retry: str = "Retry",
) -> Explanation:
    """An error with what can be done about it here. `page` names the URL of the whole page, if it
    is not this one. `retry` is the text of the button that does it again; empty for none."""
    match = request.resolver_match
    name = page or (match and match.url_name) or "home"
    kwargs = match.kwargs if match else {}
    query = f"?{request.GET.urlencode()}" if request.method == "GET" and request.GET else ""
    again = Step(
        retry,
        f"{reverse(name, kwargs=kwargs)}{query}",
        is_post=name == "token_check",
        opens_dialog=name == "unallocate",
        read_url=reverse("addresses_read", kwargs=kwargs) if name == "addresses" else "",
    )
    place = Place(
        token,
        again if retry else None,
        _others(token, name, kwargs) if token else [],
        error.entry.get_absolute_url() if isinstance(error, OutcomeNotWritten) else "",
        error.token if isinstance(error, tokens.AlreadyAdded) else None,
    )
    return explanations.of_error(error).at(place)


def _others(token: ApiToken, page: str, kwargs: dict[str, object]) -> list[tuple[ApiToken, str]]:
    """Other tokens for the organization of a token, with the URL of the same page for each, or
    else that of the list."""

    def url(other: ApiToken) -> str:
        if page == "address_now":
            return f"{reverse(page, kwargs=kwargs)}?token={other.id}"
        if page in {"address", "addresses", "machine", "unallocate"}:
            return reverse(page, kwargs={**kwargs, "token_id": other.id})
        return reverse("addresses", args=[other.id])

    return [
        (each, url(each))
        for each in tokens.others_for(token)
        if page != "unallocate" or not each.is_read_only
    ][:MAX_OTHERS]


def explained(user: User, entry: AuditEntry) -> Explanation:
    """An attempt explained, with its competing attempts that the user may see."""
    others = competing.named_by(entry, access.visible_entries(user))
    shown = explanations.of_entry(entry, others, later_reads.of(entry))
    return shown.at(_place_of(user, entry)) if shown.advice else shown


def _place_of(user: User, entry: AuditEntry) -> Place:
    """What the user can do about an attempt: try again with the same token or another one, unless
    it was long ago."""
    token = user.api_tokens.ready().filter(pk=entry.token_id).first()
    is_recent = timezone.now() - entry.created_at < RECENT
    if token is None or not is_recent or not access.abilities(user).may_unallocate:
        return Place()
    if entry.action != Action.UNALLOCATE:
        again = Step("Start again", reverse("undo", args=[entry.undoes])) if entry.undoes else None
        return Place(token, again)
    kwargs: dict[str, object] = {"token_id": token.id, "address_id": entry.address_id}
    try:
        again = Step("Start again", reverse("unallocate", kwargs=kwargs), opens_dialog=True)
        return Place(token, again, _others(token, "unallocate", kwargs))
    except NoReverseMatch:
        # The database was changed: there is no page for this id.
        return Place(token)


def result(request: SignedInRequest, entry: AuditEntry) -> HttpResponse:
    """An attempt and its outcome: a table row with `?table=1`, else a section. Lists on the page
    hear of a finished attempt by the event `attempted`."""
    explanation = explained(request.user, entry)
    context = {
        "entry": entry,
        "explanation": explanation,
        "heading": explanations.heading(entry, explanation),
        "token_id": entry.token_id,
        "in_table": request.GET.get("table") == "1",
        "ticket": entry_texts.ticket(entry, request.build_absolute_uri(entry.get_absolute_url())),
        "next": _next(request, entry),
        "action_words": action_texts.of(entry),
        "undo_url": undo_url(request.user, entry),
    }
    response = render(request, "ipadmin/_result.html", context)
    if entry.is_open:
        return response
    return trigger_client_event(response, "attempted", after="settle")


def undo_url(user: User, entry: AuditEntry) -> str:
    """The page that puts the address of an attempt back; empty if that is not possible."""
    may = access.abilities(user).may_unallocate and undo.undoable([entry])
    return reverse("undo", args=[entry.attempt_id]) if may else ""


def _next(request: SignedInRequest, entry: AuditEntry) -> Row | None:
    """The next row of the list that the attempt was made from, if it can be unallocated."""
    here = urlsplit(request.htmx.current_url or "")
    token = request.user.api_tokens.filter(id=entry.token_id).first()
    if token is None or here.path != reverse("addresses", args=[token.id]):
        return None
    if (known := inventory.stored(token)) is None:
        return None
    query = QueryDict(here.query)
    # As it was read: there the address is still where the operator saw it.
    rows = listing.listing(known, Filters.of(query.dict()), page=query.get("page", 1)).rows
    ids = [row.ip.id for row in rows]
    after = rows[ids.index(entry.address_id) + 1 :] if entry.address_id in ids else []
    done = changes.attempts_since(known, token)
    return next((row for row in after if not row.why_not and row.ip.id not in done), None)
