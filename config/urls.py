from allauth.account import views as account
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("ipadmin.urls")),
    # Of allauth only what is offered: no sign-up, and without a mail server no reset by e-mail.
    path("accounts/login/", account.login, name="account_login"),
    path("accounts/logout/", account.logout, name="account_logout"),
    path("accounts/password/change/", account.password_change, name="account_change_password"),
    path("admin/", admin.site.urls),
]

handler400 = "ipadmin.views.site.bad_request"
handler403 = "ipadmin.views.site.permission_denied"
handler404 = "ipadmin.views.site.page_not_found"
handler500 = "ipadmin.views.site.server_error"
# Not Django's: allauth looks here for it.
handler429 = "ipadmin.views.site.too_many_requests"
