"""System checks of the resources: declarations that would answer wrongly are refused at the start."""

from collections.abc import Iterator
from typing import Any

import django_filters
from django.core.checks import CheckMessage, Error, register

from core.api.filters import OperatorFilterBackend, OperatorFilterSet
from core.api.ordering import OrderingBackend
from core.api.viewsets import ResourceViewSet

# Methods that may look at the caller. Their results would be shared with every other caller.
CALLER_METHODS = {
    ResourceViewSet: ("get_queryset", "filter_queryset", "list_query", "compile_list_query"),
    OperatorFilterSet: ("__init__", "qs", "filter_queryset"),
}
SHARED_BACKENDS = (OperatorFilterBackend, OrderingBackend)


@register()
def check_resources(**kwargs: Any) -> list[CheckMessage]:
    """Check every resource that is declared."""
    return [message for view in resources(ResourceViewSet) for message in check_resource(view)]


def resources(base: type[ResourceViewSet]) -> Iterator[type[ResourceViewSet]]:
    """Yield the viewsets below `base` that declare a resource."""
    for view in base.__subclasses__():
        if getattr(view, "queryset", None) is not None:
            yield view
        yield from resources(view)


def check_resource(view: type[ResourceViewSet]) -> Iterator[CheckMessage]:
    reasons = list(reasons_to_depend_on_caller(view)) if view.same_for_everyone else []
    if reasons:
        yield Error(
            f"{view.__name__} says same_for_everyone, and {', '.join(reasons)} may look at the caller: "
            "one caller would get the rows of another.",
            hint="Remove same_for_everyone = True.",
            obj=view,
            id="core.E001",
        )
    if view.serializer_class.layout().columns[0].path not in ("pk", "id"):
        yield Error(
            f"The first field of {view.serializer_class.__name__} is not the id.",
            hint="Declare the id first: the tags and the links of pages are made of it.",
            obj=view,
            id="core.E002",
        )


def reasons_to_depend_on_caller(view: type[ResourceViewSet]) -> Iterator[str]:
    """Yield the names of what is written anew in a resource and may look at the caller."""
    filterset = getattr(view, "filterset_class", OperatorFilterSet)
    for subclass, base in ((view, ResourceViewSet), (filterset, OperatorFilterSet)):
        for name in CALLER_METHODS[base]:
            if getattr(subclass, name) is not getattr(base, name):
                yield f"{subclass.__name__}.{name}"
    for name, each in filterset.base_filters.items():
        if is_open_filter(each):
            yield f"the filter {filterset.__name__}.{name}"
    for backend in view.filter_backends:
        if backend not in SHARED_BACKENDS:
            yield backend.__name__


def is_open_filter(each: django_filters.Filter) -> bool:
    """Return whether a filter calls code of its own: a method, or choices that are made for each request."""
    return each.method is not None or callable(getattr(each, "queryset", None))
