from django.urls import re_path

from workitems.views import ChangeLinks, ShowLinks

# A word, beside the registry's `connections/{number}`: what begins with a number is the registry's, and has its error shape.
OWNER = r"^connections/(?P<owner>[0-9]*[^0-9/][^/]*)"

urlpatterns = [
    re_path(rf"{OWNER}/(?P<id>[^/]+)/?$", ChangeLinks.as_view()),
    re_path(rf"{OWNER}/(?P<info>[^/]+)/(?P<id>[^/]+)/?$", ShowLinks.as_view()),
]
