"""System checks of the resources: declarations that would answer wrongly are refused at the start."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import django_filters
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from rest_framework.permissions import BasePermission

from core.api.filters import KINDS, OperatorFilterBackend, OperatorFilterSet
from core.api.ordering import OrderingBackend
from core.api.viewsets import ResourceViewSet

# Methods that may look at the caller. Their results would be shared with every other caller.
CALLER_METHODS = {
    ResourceViewSet: ("get_queryset", "filter_queryset", "list_query", "compile_list_query"),
    OperatorFilterSet: ("__init__", "qs", "filter_queryset"),
}
SHARED_BACKENDS = (OperatorFilterBackend, OrderingBackend)
SHARED_FILTERS = tuple(filter_class for _, filter_class in KINDS)


@register()
def check_resources(**kwargs: Any) -> list[CheckMessage]:
    """Check every resource that is declared."""
    import_module(settings.ROOT_URLCONF)  # the views are declared in modules that this one imports
    return [message for view in resources(ResourceViewSet) for message in check_resource(view)]


def resources(base: type[ResourceViewSet]) -> Iterator[type[ResourceViewSet]]:
    """Yield the viewsets below `base` that declare a resource."""
    for view in base.__subclasses__():
        if getattr(view, "serializer_class", None) is not None:
            yield view
        yield from resources(view)


def check_resource(view: type[ResourceViewSet]) -> Iterator[CheckMessage]:
    """Yield what is wrong with the declaration of a resource."""
    reasons = list(reasons_to_depend_on_caller(view)) if view.same_for_everyone else []
    if reasons:
        yield Error(
            f"{view.__name__} says same_for_everyone, and {', '.join(reasons)} may look at the caller: "
            "one caller would get the rows of another.",
            hint="Remove same_for_everyone = True.",
            obj=view,
            id="core.E001",
        )
    yield from check_serializer(view)
    yield from check_permissions(view)


def check_serializer(view: type[ResourceViewSet]) -> Iterator[CheckMessage]:
    serializer_class = view.serializer_class
    if serializer_class.layout().columns[0].path not in ("pk", "id"):
        yield Error(
            f"The first field of {serializer_class.__name__} is not the id.",
            hint="Declare the id first: the tags and the links of pages are made of it.",
            obj=view,
            id="core.E002",
        )
    if hasattr(serializer_class, "Meta") and serializer_class.version_path == "pk":
        yield Error(
            f"{serializer_class.__name__} can be written, and its version_path is the primary key.",
            hint="Name a column that changes with every change: clients would hear 304 after one.",
            obj=view,
            id="core.E003",
        )


def check_permissions(view: type[ResourceViewSet]) -> Iterator[CheckMessage]:
    for permission in view.permission_classes:
        method = getattr(permission, "has_object_permission", None)
        if method not in (None, BasePermission.has_object_permission):
            yield Error(
                f"{view.__name__} asks {permission} about each instance, and a show builds none.",
                hint="Leave out in get_queryset() what the caller may not see.",
                obj=view,
                id="core.E004",
            )


def reasons_to_depend_on_caller(view: type[ResourceViewSet]) -> Iterator[str]:
    """Yield the names of what a resource overrides and may look at the caller."""
    filterset = getattr(view, "filterset_class", None) or OperatorFilterSet
    for subclass, base in ((view, ResourceViewSet), (filterset, OperatorFilterSet)):
        for name in CALLER_METHODS[base]:
            if getattr(subclass, name) is not getattr(base, name):
                yield f"{subclass.__name__}.{name}"
    for name, each in filterset.base_filters.items():
        if not is_shared_filter(each):
            yield f"the filter {filterset.__name__}.{name}"
    for backend in view.filter_backends:
        if backend not in SHARED_BACKENDS:
            yield backend.__name__


def is_shared_filter(each: django_filters.Filter) -> bool:
    """Return whether a filter is one of the API's own kinds, which read nothing but the argument."""
    return type(each) in SHARED_FILTERS and each.method is None
