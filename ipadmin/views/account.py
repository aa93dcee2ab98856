"""The reader's own account. Its forms are allauth's: see `config/urls.py`."""

from __future__ import annotations

from allauth.mfa.webauthn.views import ReauthenticateWebAuthnView
from django.contrib import messages
from django.forms import Form
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from ipadmin.access import SignedInRequest
from ipadmin.ui import account_texts


@require_safe
def account(request: SignedInRequest) -> HttpResponse:
    user = request.user
    context = {
        "facts": account_texts.facts(user),
        "password_facts": account_texts.password_facts(user),
        "factors": account_texts.factors_of(user),
    }
    return render(request, "ipadmin/account.html", context)


class PasskeyReauthenticateView(ReauthenticateWebAuthnView):
    def form_invalid(self, form: Form) -> HttpResponse:
        """Try again, with what waits for the proof; allauth's leads away from it."""
        messages.error(self.request, account_texts.PASSKEY_FAILED)
        url = self.passthrough_next_url(self.request.path)  # type: ignore[no-untyped-call]
        return redirect(url)
