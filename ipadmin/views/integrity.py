"""The integrity of the history: the hash chain and its verifications."""

from __future__ import annotations

import structlog
from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import DatabaseError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from ipadmin import tasks
from ipadmin.access import SignedInRequest, auditors_only
from ipadmin.audit.integrity import status, verification
from ipadmin.audit.integrity.checkpoint import parse_checkpoint
from ipadmin.models import AuditVerification
from ipadmin.ui import integrity_texts
from ipadmin.views.parts import actor, wants_part

ALREADY_RUNNING = "A verification was already running. This is it; no other one was started."
NOT_COMPARED = " Your checkpoint is not compared: verify again when it has finished."
ACKNOWLEDGED = "The failed verification is acknowledged. The warning is no longer shown."
NOT_SEALED = "The acknowledgement could not be recorded, so the warning stays. Try again."

log = structlog.get_logger(__name__)


class AcknowledgeForm(forms.Form):
    note = forms.CharField(
        max_length=500,
        help_text="What was found out, and what is done about it. It is kept in the activity log.",
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class VerifyForm(forms.Form):
    checkpoint = forms.CharField(
        label="Checkpoint stored elsewhere",
        required=False,
        max_length=100,
        help_text="As <code>manage.py audit_checkpoint</code> printed it: <code>number:seal</code>."
        " Also detects deleted recent records.",
        widget=forms.TextInput(
            attrs={"class": "mono", "autocomplete": "off", "spellcheck": "false"}
        ),
    )

    def clean_checkpoint(self) -> str:
        checkpoint: str = self.cleaned_data["checkpoint"]
        try:
            parse_checkpoint(checkpoint)
        except ValueError as error:
            raise ValidationError(str(error).replace("`", "")) from error
        return checkpoint


@require_http_methods(["GET", "HEAD", "POST"])
@auditors_only
def integrity(request: SignedInRequest) -> HttpResponse:
    """A POST requests a verification."""
    form = VerifyForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        checkpoint = form.cleaned_data["checkpoint"]
        found, is_new = verification.request(request.user.username, checkpoint)
        if not is_new:
            messages.info(request, ALREADY_RUNNING + (NOT_COMPARED if checkpoint else ""))
        return redirect("verification", found.pk)
    status_code = 422 if form.errors else 200
    return render(request, "ipadmin/integrity.html", _page(request, form), status=status_code)


@require_http_methods(["GET", "HEAD", "POST"])
@auditors_only
def verification_detail(request: SignedInRequest, verification_id: int) -> HttpResponse:
    """One verification. The page of a running one reloads its result until it has finished. A POST
    acknowledges a failed one."""
    (found,) = status.confirmed([get_object_or_404(AuditVerification, pk=verification_id)])
    done = status.acknowledgement()
    is_open = bool(found.finding) and not (done and done.covers(found))
    form = AcknowledgeForm(request.POST if request.method == "POST" and is_open else None)
    if form.is_valid():
        try:
            status.acknowledge(found, form.cleaned_data["note"], actor(request))
        except (DatabaseError, StopIteration):
            log.exception("acknowledgement_not_sealed", verification=found.pk)
            form.add_error(None, NOT_SEALED)
        else:
            messages.success(request, ACKNOWLEDGED)
            return redirect("verification", found.pk)
    context = {
        "verification": found,
        "result": integrity_texts.result(found),
        "facts": integrity_texts.verification_facts(found, done),
        "form": form if is_open else None,
        "worker_runs": not found.is_running or tasks.worker_is_running(),
    }
    template = "_verification.html" if wants_part(request) else "verification.html"
    status_code = 422 if form.errors else 200
    return render(request, f"ipadmin/{template}", context, status=status_code)


def _page(request: SignedInRequest, form: VerifyForm) -> dict[str, object]:
    verifications = status.verifications()
    chain, checkpoint_at = status.chain(), status.checkpoint_at()
    latest = next((each for each in verifications if not each.is_running), None)
    stream = status.stream()
    return {
        "form": form,
        "chain_facts": integrity_texts.chain_facts(chain, checkpoint_at),
        "chain_notices": integrity_texts.chain_notices(
            chain, status.checkpoint_warning(checkpoint_at)
        ),
        "verifications": [(each, integrity_texts.result(each)) for each in verifications],
        "is_limited": len(verifications) == status.MAX_VERIFICATIONS,
        "running": next((each for each in verifications if each.is_running), None),
        "latest": latest,
        "result": integrity_texts.result(latest) if latest else None,
        "schedule": integrity_texts.schedule(),
        "worker_runs": tasks.worker_is_running(),
        "stream_badge": integrity_texts.stream_badge(stream) if stream else None,
        "stream_facts": integrity_texts.stream_facts(stream) if stream else None,
    }
