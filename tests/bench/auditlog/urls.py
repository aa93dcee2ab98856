from django.urls import include, path

from tests.bench.auditlog import export
from tests.bench.auditlog.admin import stock, tuned

urlpatterns = [
    path("stock/export.csv", export.stock),
    path("tuned/export.csv", export.tuned),
    path("stock/", stock.urls),
    path("tuned/", tuned.urls),
    path("", include("config.urls")),
]

handler400 = "ipadmin.views.site.bad_request"
handler403 = "ipadmin.views.site.permission_denied"
handler404 = "ipadmin.views.site.page_not_found"
handler500 = "ipadmin.views.site.server_error"
