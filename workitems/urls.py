from django.urls import re_path

from workitems.views import ChangeLinks, ShowLinks

# The name of an item type. The registry has `connections/{number}`: a path that goes on with a number alone
# is left to it, and so gets errors of the registry's shape.
OWNER = r"^connections/(?P<owner>[0-9]*[^0-9/][^/]*)"

urlpatterns = [
    re_path(rf"{OWNER}/(?P<id>[^/]+)/?$", ChangeLinks.as_view()),
    re_path(rf"{OWNER}/(?P<info>[^/]+)/(?P<id>[^/]+)/?$", ShowLinks.as_view()),
]
