"""Whether the history can be trusted: its seals, who verified them, what was done to it."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from ipadmin import tasks
from ipadmin.access import SignedInRequest, auditors_only
from ipadmin.audit.integrity import status as service
from ipadmin.audit.integrity.verification import parse_checkpoint
from ipadmin.audit.integrity.verification_row import as_believed
from ipadmin.models import AuditVerification
from ipadmin.ui import activity_texts
from ipadmin.views.parts import wants_part

NUMBER = re.compile(r"[0-9]{1,18}")
NOT_ANOTHER = (
    "A verification was running already, and this is it. Nothing else was started{}: ask again when"
    " it has ended."
)


class VerifyForm(forms.Form):
    head = forms.CharField(
        label="A head recorded elsewhere",
        required=False,
        max_length=100,
        help_text="As <code>manage.py audit_checkpoint</code> printed it: <code>number:seal</code>."
        " With it a missing tail shows as well.",
        widget=forms.TextInput(
            attrs={"class": "mono", "autocomplete": "off", "spellcheck": "false"}
        ),
    )

    def clean_head(self) -> str:
        head: str = self.cleaned_data["head"]
        try:
            if head:
                parse_checkpoint(head)
        except ValueError as error:
            raise ValidationError(str(error).replace("`", "")) from error
        return head


@require_http_methods(["GET", "HEAD", "POST"])
@auditors_only
def integrity(request: SignedInRequest) -> HttpResponse:
    """A POST asks for a verification. htmx gets one page of the log alone."""
    if wants_part(request) and request.method != "POST":
        return render(request, "ipadmin/_acts.html", _log(request))
    form = VerifyForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        head = form.cleaned_data["head"]
        found, is_new = service.verify(request.user.username, head)
        # Now, and not when the worker looks for work the next time.
        tasks.schedule()
        if not is_new:
            messages.info(request, NOT_ANOTHER.format(", and your head not compared" * bool(head)))
        return redirect("verification", found.pk)
    return render(request, "ipadmin/integrity.html", _page(request, form), status=_status(form))


@require_safe
@auditors_only
def verification(request: SignedInRequest, verification_id: int) -> HttpResponse:
    """One verification as it stands now; a running one asks for itself again and again."""
    found = as_believed(get_object_or_404(AuditVerification, pk=verification_id))
    context = {
        "verification": found,
        "state": found.state,
        "worker_runs": not found.is_running or tasks.worker_is_running(),
    }
    template = "_verification.html" if wants_part(request) else "verification.html"
    return render(request, f"ipadmin/{template}", context)


def _page(request: SignedInRequest, form: VerifyForm) -> dict[str, Any]:
    past = service.verifications()
    head_taken_at = service.head_taken_at()
    return {
        "form": form,
        "chain": service.chain(),
        "head_taken_at": head_taken_at,
        "is_head_old": service.is_head_old(head_taken_at),
        "verifications": past,
        "running": next((each for each in past if each.is_running), None),
        "latest": next((each for each in past if not each.is_running), None),
        "worker_runs": tasks.worker_is_running(),
        "stream": service.stream(),
        **_log(request),
    }


def _log(request: SignedInRequest) -> dict[str, Any]:
    before, after = (_number(request.GET.get(name, "")) for name in ("before", "after"))
    log = service.log(before=before, after=after)
    return {"log": log, "activities": [activity_texts.describe(*row) for row in log.rows]}


def _number(text: str) -> int | None:
    return int(text) if NUMBER.fullmatch(text) else None


def _status(form: VerifyForm) -> int:
    return 422 if form.errors else 200
