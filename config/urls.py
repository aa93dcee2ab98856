from allauth.account import views as account
from django.db.transaction import atomic
from django.urls import include, path

from ipadmin import admin

urlpatterns = [
    path("", include("ipadmin.urls")),
    # Not all of allauth: there is no sign-up, and no mail server for a password reset.
    path("accounts/login/", account.login, name="account_login"),
    path("accounts/logout/", account.logout, name="account_logout"),
    # In a transaction: no change without a record in the audit log.
    path(
        "accounts/password/change/",
        atomic(account.password_change),
        name="account_change_password",
    ),
    path("admin/", admin.site.urls),
]

handler400 = "ipadmin.views.site.bad_request"
handler403 = "ipadmin.views.site.permission_denied"
handler404 = "ipadmin.views.site.page_not_found"
handler500 = "ipadmin.views.site.server_error"
# Used by allauth, not by Django.
handler429 = "ipadmin.views.site.too_many_requests"
