"""The page of a link with which a person gets access, before they can sign in.

The secret of the link is after its #, which browsers don't send: a script puts it into a form.
"""

from __future__ import annotations

from allauth.account.internal.flows.login import record_authentication
from allauth.account.utils import perform_login
from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import SetPasswordForm
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from ipadmin import factors
from ipadmin.access import SignedInRequest
from ipadmin.models import User
from ipadmin.services import people
from ipadmin.ui import people_texts
from ipadmin.views.parts import actor_of


class SecretForm(forms.Form):
    secret = forms.CharField(
        label="Code of your link",
        max_length=200,
        help_text="The part of the link after the #.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters()
@login_not_required
def invitation(request: SignedInRequest) -> HttpResponse:
    """A POST with the secret shows the form for the password; one with the password as well sets it
    and signs the person in. A GET knows no secret, and changes nothing."""
    if request.user.is_authenticated:
        return render(request, "ipadmin/invitation_signed_in.html")
    opening = SecretForm(request.POST or None)
    if not opening.is_valid():
        status = 422 if opening.is_bound else 200
        return render(request, "ipadmin/invitation_open.html", {"form": opening}, status=status)
    # A whole link is accepted, too.
    secret = opening.cleaned_data["secret"].rpartition("#")[2]
    try:
        link = people.find_link(secret)
        data = request.POST if "new_password1" in request.POST else None
        form = SetPasswordForm(link.person, data)
        if form.is_valid():
            by = actor_of(request, link.person)
            return _join(request, people.use_link(link, form.cleaned_data["new_password1"], by))
    except people.LinkNotValid:
        context = {"why": people_texts.NOT_VALID}
        return render(request, "ipadmin/invitation_not_valid.html", context, status=410)
    context = {"form": form, "person": link.person, "secret": secret}
    status = 422 if form.errors else 200
    return render(request, "ipadmin/invitation.html", context, status=status)


def _join(request: SignedInRequest, person: User) -> HttpResponse:
    """Sign in, as with the password; then to where a second factor is set up, if one is missing."""
    record_authentication(request, person, method="password")
    messages.success(request, people_texts.WELCOME.format(person.username))
    page = "account" if factors.due_at(person) else "home"
    response: HttpResponse = perform_login(request, person, redirect_url=reverse(page))
    return response
