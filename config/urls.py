from allauth.account import views as account
from django.urls import include, path

from ipadmin import admin, federation
from ipadmin.views import sign_in

urlpatterns = [
    path("", include("ipadmin.urls")),
    # Not all of allauth: there is no sign-up, and no mail server for a password reset.
    path("accounts/login/", account.login, name="account_login"),
    path("accounts/oidc/login/", sign_in.oidc_login, name="oidc_login"),
    path("accounts/oidc/prove/", sign_in.oidc_prove, name="oidc_prove"),
    path(
        "accounts/oidc/callback/",
        sign_in.oidc_callback,
        {"provider_id": federation.PROVIDER},
        name="openid_connect_callback",
    ),
    path("accounts/logout/", account.logout, name="account_logout"),
    path("accounts/password/change/", account.password_change, name="account_change_password"),
    path("admin/", admin.site.urls),
]

handler400 = "ipadmin.views.site.bad_request"
handler403 = "ipadmin.views.site.permission_denied"
handler404 = "ipadmin.views.site.page_not_found"
handler500 = "ipadmin.views.site.server_error"
# Used by allauth, not by Django.
handler429 = "ipadmin.views.site.too_many_requests"
