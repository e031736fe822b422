from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from accounts.urls import urlpatterns as account_urls
from connections.api.urls import urlpatterns as connection_urls
from core.api.description import DescriptionView, DocsView
from core.api.handlers import ApiRoot, UnknownPath
from workitems.urls import urlpatterns as work_item_urls


def unknown_page(request: HttpRequest) -> HttpResponse:
    raise Http404


description_urls = [
    re_path(r"^$", ApiRoot.as_view(), name="api"),
    re_path(r"^schema/?$", DescriptionView.as_view(), name="schema"),
    re_path(r"^schema\.(?P<format>json|yaml)$", DescriptionView.as_view()),
    re_path(r"^docs/?$", DocsView.as_view(url_name="schema"), name="docs"),
]

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("api", ApiRoot.as_view()),
    path(
        "api/",
        include(
            [
                *connection_urls,
                *work_item_urls,
                *account_urls,
                *description_urls,
                re_path(r"", UnknownPath.as_view()),
            ]
        ),
    ),
    path("admin/", RedirectView.as_view(pattern_name="admin:connections_connection_changelist")),
    # The admin's own pattern for these paths has two open-ended groups: matching a long path takes quadratic
    # time. The registry does not use them.
    re_path(r"^admin/r/", unknown_page),
    path("admin/", admin.site.urls),
]

handler400 = "core.error_pages.bad_request"
handler500 = "core.error_pages.server_error"
