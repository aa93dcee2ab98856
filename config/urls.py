from allauth.account import views as account
from allauth.mfa.base import views as mfa
from allauth.mfa.recovery_codes import views as recovery_codes
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as webauthn
from django.contrib.auth.decorators import login_not_required
from django.db.transaction import atomic
from django.urls import include, path
from django.views.decorators.http import require_safe
from django.views.generic import RedirectView

from ipadmin import federation
from ipadmin.views import sign_in
from ipadmin.views.account import PasskeyReauthenticateView

CODES = "account/recovery-codes/"
PASSKEYS = "account/passkeys/"
CONFIRM = "accounts/confirm/"
to_account = require_safe(RedirectView.as_view(pattern_name="account"))

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
    path("accounts/login/passkey/", webauthn.login_webauthn, name="mfa_login_webauthn"),
    path("accounts/login/second-factor/", mfa.authenticate, name="mfa_authenticate"),
    # Also ends a sign-in that waits for its second factor.
    path("accounts/logout/", login_not_required(account.logout), name="account_logout"),
    # In a transaction: no change without a record in the audit log.
    path(
        "accounts/password/change/",
        atomic(account.password_change),
        name="account_change_password",
    ),
    # Where allauth leads a person without a password.
    path("accounts/password/set/", to_account, name="account_set_password"),
    # Proofs of identity. No transaction: a POST that waited for one is carried out in it.
    path(CONFIRM, account.reauthenticate, name="account_reauthenticate"),
    path(CONFIRM + "code/", mfa.reauthenticate, name="mfa_reauthenticate"),
    path(
        CONFIRM + "passkey/",
        PasskeyReauthenticateView.as_view(),
        name="mfa_reauthenticate_webauthn",
    ),
    # Second factors. In a transaction: no change without a record in the audit log. The first two
    # are where allauth leads afterwards.
    path("account/factors/", to_account, name="mfa_index"),
    path(PASSKEYS, to_account, name="mfa_list_webauthn"),
    path(PASSKEYS + "add/", atomic(webauthn.add_webauthn), name="mfa_add_webauthn"),
    path(PASSKEYS + "<int:pk>/rename/", webauthn.edit_webauthn, name="mfa_edit_webauthn"),
    path(
        PASSKEYS + "<int:pk>/remove/", atomic(webauthn.remove_webauthn), name="mfa_remove_webauthn"
    ),
    path("account/app/add/", atomic(totp.activate_totp), name="mfa_activate_totp"),
    path("account/app/remove/", atomic(totp.deactivate_totp), name="mfa_deactivate_totp"),
    path(CODES, recovery_codes.view_recovery_codes, name="mfa_view_recovery_codes"),
    path(
        CODES + "generate/",
        atomic(recovery_codes.generate_recovery_codes),
        name="mfa_generate_recovery_codes",
    ),
]

handler400 = "ipadmin.views.site.bad_request"
handler403 = "ipadmin.views.site.permission_denied"
handler404 = "ipadmin.views.site.page_not_found"
handler500 = "ipadmin.views.site.server_error"
# Used by allauth, not by Django.
handler429 = "ipadmin.views.site.too_many_requests"
