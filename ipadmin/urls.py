from django.urls import path

from ipadmin.views import (
    account,
    activity,
    address,
    addresses,
    audit,
    connections,
    export,
    integrity,
    invitation,
    machines,
    notifications,
    people,
    run_lists,
    runs,
    search,
    sessions,
    site,
    tokens,
    unallocate,
    undo,
    what_if,
)

# The URL, not the session, says which token, and so which organization, a page is for.
TOKEN_PATH = "tokens/<uuid:token_id>/"
ADDRESS_PATH = TOKEN_PATH + "addresses/<slug:address_id>/"
TEXT_PATH = "addresses/<str:address>/"
RUN_PATH = "runs/<uuid:run_id>/"
PERSON_PATH = "people/<int:person_id>/"

urlpatterns = [
    path("", site.home, name="home"),
    path("healthz", site.healthz, name="healthz"),
    path("account/", account.account, name="account"),
    path("account/sessions/", sessions.sessions, name="sessions"),
    path("account/stay/", sessions.stay, name="stay"),
    path("search/", search.search, name="search"),
    path("theme/", site.theme, name="theme"),
    path("time-zone/", site.time_zone, name="time_zone"),
    path("times/", site.times, name="times"),
    path("addresses/", addresses.addresses_home, name="addresses_home"),
    path(TEXT_PATH, address.address, {"tab": "now"}, name="address_now"),
    path(TEXT_PATH + "timeline/", address.address, {"tab": "timeline"}, name="address_timeline"),
    path(TEXT_PATH + "attempts/", address.address, {"tab": "attempts"}, name="address_attempts"),
    path("what-if/", what_if.what_if, name="what_if"),
    path("tokens/", tokens.tokens, name="tokens"),
    path("tokens/add/", tokens.token_add, name="token_add"),
    path("tokens/connect/", connections.connect, name="connect"),
    path("tokens/connected/", connections.connected, name="connected"),
    path(TOKEN_PATH, tokens.token, name="token"),
    path(TOKEN_PATH + "connect/", connections.connect, name="token_connect"),
    path(TOKEN_PATH + "organization/", tokens.token_organization, name="token_organization"),
    path(TOKEN_PATH + "check/", tokens.token_check, name="token_check"),
    path(TOKEN_PATH + "replace/", tokens.token_replace, name="token_replace"),
    path(TOKEN_PATH + "delete/", tokens.token_delete, name="token_delete"),
    path(TOKEN_PATH + "addresses/", addresses.addresses, name="addresses"),
    path(TOKEN_PATH + "addresses/read/", addresses.addresses_read, name="addresses_read"),
    path(TOKEN_PATH + "lookup/", search.lookup, name="lookup"),
    path(TOKEN_PATH + "runs/add/", runs.run_add, name="run_add"),
    path(TOKEN_PATH + "machines/<slug:machine_id>/", machines.machine, name="machine"),
    path(ADDRESS_PATH, address.address_by_id, name="address"),
    path(ADDRESS_PATH + "unallocate/", unallocate.unallocate, name="unallocate"),
    path("waiting/", run_lists.waiting, name="waiting"),
    path("runs/", run_lists.runs, name="runs"),
    path(RUN_PATH, runs.run, name="run"),
    path(RUN_PATH + "rows/", runs.run_rows, name="run_rows"),
    path(RUN_PATH + "start/", runs.run_start, name="run_start"),
    path(RUN_PATH + "retry/", runs.run_retry, name="run_retry"),
    path(RUN_PATH + "undo/", runs.run_undo, name="run_undo"),
    *(
        path(f"{RUN_PATH}{step}/", runs.run_step, {"step": step}, name=f"run_{step}")
        for step in runs.STEPS
    ),
    *(
        path(f"{RUN_PATH}{step}/", runs.run_decide, {"step": step}, name=f"run_{step}")
        for step in runs.DECISIONS
    ),
    path("audit/", audit.audit, name="audit"),
    path("people/", people.people, name="people"),
    path("people/invite/", people.person_invite, name="person_invite"),
    path(PERSON_PATH, people.person, name="person"),
    path(PERSON_PATH + "roles/", people.person_roles, name="person_roles"),
    *(
        path(f"{PERSON_PATH}{step}/", people.person_step, {"step": step}, name=f"person_{step}")
        for step in people.STEPS
    ),
    path("notifications/", notifications.notifications, name="notifications"),
    path("invitation/", invitation.invitation, name="invitation"),
    path("audit/activity/", activity.activity, name="activity"),
    path("audit/export/", export.audit_export, name="audit_export"),
    path("audit/integrity/", integrity.integrity, name="integrity"),
    path(
        "audit/integrity/<int:verification_id>/", integrity.verification_detail, name="verification"
    ),
    path("audit/<uuid:attempt_id>/", audit.audit_entry, name="audit_entry"),
    path("audit/<uuid:attempt_id>.json", audit.audit_entry_json, name="audit_entry_json"),
    path("audit/<uuid:attempt_id>/undo/", undo.undo, name="undo"),
    path("audit/<uuid:attempt_id>/result/", audit.attempt_result, name="attempt_result"),
]
