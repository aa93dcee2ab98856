"""Notifications and their delivery, for administrators."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from ipadmin.access import SignedInRequest, administrators_only
from ipadmin.services import notifications as service
from ipadmin.services import notify
from ipadmin.ui import notification_texts
from ipadmin.views.parts import wants_part


@require_http_methods(["GET", "HEAD", "POST"])
@administrators_only
def notifications(request: SignedInRequest) -> HttpResponse:
    """A POST requests a test, which the worker sends; the page follows it."""
    targets = notify.targets()
    if request.method == "POST":
        if targets:
            service.request_test()
            messages.success(request, notification_texts.TEST_REQUESTED)
        return redirect("notifications")
    deliveries = notify.deliveries()
    context = {
        "targets": notification_texts.targets(targets, deliveries),
        "deliveries": [notification_texts.row(each) for each in deliveries],
        "no_targets": notification_texts.NO_TARGETS,
        "example": notification_texts.EXAMPLE,
        "testing": notification_texts.TESTING if notify.is_testing() else "",
    }
    template = "_notifications.html" if wants_part(request) else "notifications.html"
    return render(request, f"ipadmin/{template}", context)
