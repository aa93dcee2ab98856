"""People and their access, for administrators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.core.paginator import Paginator
from django.db import IntegrityError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ipadmin import access
from ipadmin.access import SignedInRequest, administrators_only, recent_identity_required
from ipadmin.audit import activity_log
from ipadmin.audit.activity import Actor
from ipadmin.models import User
from ipadmin.services import people as service
from ipadmin.ui import activity_texts, people_texts
from ipadmin.views.parts import actor, wants_part

PER_PAGE = 25
RECENT_ACTIVITIES = 10
# In the session: the link that the next page shows.
LINK = "link_to_show"
STEPS: dict[str, Callable[[User, Actor], str | None]] = {
    "disable": service.disable,
    "enable": service.enable,
    "reset": service.reset_access,
    "revoke": service.revoke_link,
    "sessions": service.end_sessions,
    "unlock": service.lift_lockout,
}

log = structlog.get_logger(__name__)


class DetailsForm(forms.ModelForm[User]):
    class Meta:
        model = User
        fields = ("first_name", "last_name", "email")


class RolesForm(forms.Form):
    roles = forms.ModelMultipleChoiceField(
        Group.objects.order_by("name"), required=False, widget=forms.CheckboxSelectMultiple
    )

    @property
    def choices(self) -> list[tuple[Group, str, bool]]:
        """Each role, what it may do, and whether it is chosen."""
        chosen = {str(each) for each in self["roles"].value() or []}
        return [
            (each, people_texts.ROLES.get(each.name, ""), str(each.pk) in chosen)
            for each in Group.objects.order_by("name")
        ]


class InviteForm(RolesForm, forms.ModelForm[User]):
    class Meta:
        model = User
        fields = ("username", "first_name", "last_name", "email")
        widgets = {  # noqa: RUF012
            "username": forms.TextInput(attrs={"autocapitalize": "none", "autocomplete": "off"})
        }

    def clean_username(self) -> str:
        name: str = self.cleaned_data["username"]
        if User.objects.filter(username__iexact=name).exists():
            raise ValidationError(people_texts.NAME_TAKEN)
        return name


@require_safe
@administrators_only
def people(request: SignedInRequest) -> HttpResponse:
    text, state = request.GET.get("q", "")[:150].replace("\0", ""), request.GET.get("state", "")
    page = Paginator(service.search(text, state), PER_PAGE).get_page(request.GET.get("page"))
    states = service.states_of([*page])
    context = {
        "page": page,
        "rows": [
            (each, people_texts.STATES[state_of], people_texts.role_list(each))
            for each, state_of in zip(page, states, strict=True)
        ],
        "q": text,
        "states": [(*each, each[0] == state) for each in people_texts.FILTERS.items()],
        "state": state,
    }
    template = "_people.html" if wants_part(request) else "people.html"
    return render(request, f"ipadmin/{template}", context)


@require_http_methods(["GET", "HEAD", "POST"])
@administrators_only
@recent_identity_required
def person_invite(request: SignedInRequest) -> HttpResponse:
    form = InviteForm(request.POST or None)
    try:
        if form.is_valid():
            invited = form.save(commit=False)
            secret = service.invite(invited, form.cleaned_data["roles"], actor(request))
            return _show_link(request, invited, secret)
    except IntegrityError:
        # Invited in another tab at the same time.
        form.add_error("username", people_texts.NAME_TAKEN)
    status = 422 if form.errors else 200
    return render(request, "ipadmin/person_invite.html", {"form": form}, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@administrators_only
@recent_identity_required
def person(request: SignedInRequest, person_id: int) -> HttpResponse:
    """One person. A POST changes names and e-mail address."""
    if request.method != "POST":
        return _page(request, person_id)
    found = access.manageable_person(request.user, person_id)
    form = DetailsForm(request.POST, instance=found)
    if not form.is_valid():
        return _page(request, person_id, form)
    service.change_details(found, form.cleaned_data, actor(request))
    messages.success(request, people_texts.SAVED)
    return redirect("person", person_id)


@require_POST
@administrators_only
@recent_identity_required
def person_roles(request: SignedInRequest, person_id: int) -> HttpResponse:
    found = access.manageable_person(request.user, person_id)
    form = RolesForm(request.POST)
    if form.is_valid():
        _carry_out(request, lambda by: service.change_roles(found, form.cleaned_data["roles"], by))
    return redirect("person", person_id)


@require_http_methods(["GET", "HEAD", "POST"])
@administrators_only
@recent_identity_required
def person_step(request: SignedInRequest, person_id: int, step: str) -> HttpResponse:
    """Ask before a dangerous step; a POST takes it."""
    found = access.manageable_person(request.user, person_id)
    text = people_texts.STEPS[step]
    if request.method != "POST":
        name = found.display_name
        context = {"person": found, "step": text, "title": text.title.format(name)}
        return render(request, "ipadmin/person_step.html", context)
    done = text.done.format(found.display_name)
    secret = _carry_out(request, lambda by: STEPS[step](found, by), done)
    return _show_link(request, found, secret) if secret else redirect("person", person_id)


def _carry_out(
    request: SignedInRequest, change: Callable[[Actor], str | None], done: str = people_texts.SAVED
) -> str | None:
    """Make a change, and say that it is done or why not. Returns the secret of a link, if any."""
    try:
        secret = change(actor(request))
    except service.CannotChange as why:
        messages.error(request, str(why))
        return None
    messages.success(request, done)
    return secret


def _show_link(request: SignedInRequest, found: User, secret: str) -> HttpResponse:
    """Show the link once, on the person's page, and send it by mail if there is a mail server. The
    secret is after the #, so that browsers send it to no server."""
    link = f"{request.build_absolute_uri(reverse('invitation'))}#{secret}"
    request.session[LINK] = [found.pk, link]
    if settings.EMAIL_HOST and found.email:
        text = people_texts.mail(found, link)
        try:
            send_mail(people_texts.MAIL_SUBJECT, text, None, [found.email])
            messages.success(request, people_texts.MAILED.format(found.email))
        except OSError:
            log.exception("mail_not_sent", person=found.pk)
            messages.warning(request, people_texts.NOT_MAILED)
    return redirect("person", found.pk)


def _page(
    request: SignedInRequest, person_id: int, form: DetailsForm | None = None
) -> HttpResponse:
    found: Any = get_object_or_404(service.everyone(), pk=person_id)
    [state] = service.states_of([found])
    of, link = request.session.get(LINK, (None, ""))
    if of == found.pk and request.method == "GET":
        del request.session[LINK]
    is_own = found == request.user
    may_change = request.user.is_superuser or not found.is_superuser
    context: dict[str, object] = {
        "person": found,
        "badge": people_texts.STATES[state],
        "roles": people_texts.role_list(found),
        "facts": people_texts.facts(found, has_factor=found.has_factor),
        "link": link if of == found.pk else "",
        "about_link": people_texts.about_link(),
        "link_notice": people_texts.link_notice(found),
        "details_form": (form or DetailsForm(instance=found)) if may_change else None,
        "roles_form": RolesForm(initial={"roles": found.groups.all()}),
        "is_own": is_own,
        "may_change": may_change and not is_own,
        "own_access": people_texts.OWN_ACCESS,
        "superuser": people_texts.SUPERUSER,
        "steps": [
            (reverse(f"person_{name}", args=[found.pk]), step)
            for name, step in people_texts.steps(found, state)
        ],
    }
    if access.abilities(request.user).may_verify_history:
        log_page = activity_log.page(person=found, limit=RECENT_ACTIVITIES)
        context["activities"] = [activity_texts.describe(*row) for row in log_page.rows]
    status = 422 if form and form.errors else 200
    return render(request, "ipadmin/person.html", context, status=status)
