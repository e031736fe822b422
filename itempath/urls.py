from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from accounts.urls import urlpatterns as account_urls
from connections.urls import urlpatterns as connection_urls
from itempath.api.handlers import UnknownPath
from itempath.health import healthz, readyz
from workitems.urls import urlpatterns as work_item_urls

description_urls = [
    re_path(r"^schema/?$", SpectacularAPIView.as_view(), name="schema"),
    re_path(r"^docs/?$", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
]

urlpatterns = [
    path("api/", include([*connection_urls, *work_item_urls, *account_urls, *description_urls, re_path(r"", UnknownPath.as_view())])),
    path("admin/", RedirectView.as_view(pattern_name="admin:connections_connection_changelist")),
    path("admin/", admin.site.urls),
    path("healthz", healthz),
    path("readyz", readyz),
]

handler400 = "itempath.api.handlers.bad_request"
handler500 = "itempath.api.handlers.server_error"
