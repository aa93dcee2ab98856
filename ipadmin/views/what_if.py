"""Sandbox only: let the next call to Katapult go wrong, to see what the site does."""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.views.decorators.http import require_http_methods

from ipadmin.access import SignedInRequest, operators_only
from ipadmin.services import what_if as service
from ipadmin.views.parts import wants_part


@require_http_methods(["GET", "HEAD", "POST"])
@operators_only
def what_if(request: SignedInRequest) -> HttpResponse:
    """The panel: what is armed, and what can be. A POST arms a `scenario` for a `call`, or clears
    all. `next` is the page that the panel was opened from."""
    if not settings.SANDBOX:
        raise Http404
    page = request.POST.get("next") or request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(page, {request.get_host()})
    context: dict[str, object] = {
        "next": page if is_ours else "",
        "calls": service.CALLS,
        "scenarios": service.SCENARIOS,
    }
    try:
        if request.method == "POST":
            _change(request)
            if not wants_part(request):
                query = f"?{urlencode({'next': page})}" if is_ours else ""
                return redirect(f"{request.path}{query}")
        context["armed"] = service.armed()
    except KeyError:
        return HttpResponseBadRequest()
    except service.SandboxSilent:
        context["is_silent"] = True
    template = "ipadmin/_what_if.html" if wants_part(request) else "ipadmin/what_if.html"
    return render(request, template, context)


def _change(request: SignedInRequest) -> None:
    """Raises KeyError for a form that the panel does not have."""
    if "clear" in request.POST:
        service.clear()
    else:
        service.arm(request.POST["scenario"], request.POST["call"])
