"""The viewsets that resources declare themselves with."""

from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar

import orjson
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.viewsets import ReadOnlyModelViewSet

from core.api.arguments import Arguments, header_list, raw_arguments
from core.api.http import etag, matches_etag
from core.api.list_queries import ListQuery, cache
from core.api.pagination import MAX_ID, Page, PageBounds, read_bounds, read_page_etag
from core.api.rows import RowSerializer
from core.api.statements import Row, row_statement
from core.speed import JSONAnswer

# Digits of an id in a path, with the zeros before it.
MAX_DIGITS = 40


class ResourceViewSet(ReadOnlyModelViewSet[Any]):
    """Lists and shows the rows of `serializer_class` with ItemPath's conventions.

    A resource declares `queryset`, `serializer_class` and `filterset_class`. The rest of DRF's viewsets
    works as usual: `get_queryset()`, `filter_queryset()`, `get_object()`, `@action` and the mixins.
    """

    lookup_value_regex = "[0-9]+"
    queryset: QuerySet[Any]
    serializer_class: type[RowSerializer]
    # Whether every caller gets the same answer for the same arguments. Then compiled list queries are
    # shared. The system check `core.E001` refuses it together with code that may look at the caller.
    same_for_everyone: ClassVar[bool] = False
    # Whether a list without `orderby` begins with the newest row, and `Link` names the next page by id: each
    # page of ten million rows then costs the same.
    newest_first: ClassVar[bool] = False
    # The lowest role for a method, where it is not Reader for safe methods and Manager for all others.
    # An `@action` may have its own.
    required_roles: Mapping[str, int] = MappingProxyType({})

    @property
    def default_response_headers(self) -> dict[str, str]:
        headers = {"Cache-Control": "private, no-cache", "Vary": "Accept-Encoding"}
        return super().default_response_headers | headers

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        # The view and the request refer to each other. With the response among them, a large answer would
        # stay in memory until the garbage collector runs.
        del self.response
        return response

    @cached_property
    def arguments(self) -> Arguments:
        """The arguments of the call. Raises `ParseError` (400) if the query string is not well-formed."""
        return Arguments.of(self.request)

    @property
    def bounds(self) -> PageBounds:
        """The rows that the call asks for."""
        return read_bounds(self.arguments)

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Filter and sort by the arguments of the call. Raises `Unprocessable` (422), with every fault."""
        found = super().filter_queryset(queryset)
        read_bounds(self.arguments)  # faults of the page are named together with those of the filters
        self.arguments.check()
        return found

    def get_object(self) -> Any:
        """Return the instance that the path names, if this caller may see it. List arguments do not apply.

        Raises `NotFound`, `PermissionDenied`.
        """
        found = get_object_or_404(self.get_queryset(), pk=read_id(self.kwargs["pk"]))
        self.check_object_permissions(self.request, found)
        return found

    def list(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:  # type: ignore[override]  # written without a renderer
        query = self.list_query()
        self.name_ignored(query.ignored, body=query.ignores_body)
        if query.bounds.count_only:
            return self.answer_count(query.queryset.count())
        return self.not_modified_page(query) or self.answer_page(query)

    def list_query(self) -> ListQuery:
        """Return the compiled list call: a shared one where the answer does not depend on the caller.

        Raises `ParseError` (400) and `Unprocessable` (422).
        """
        if not self.same_for_everyone:
            return self.compile_list_query()
        key = (type(self), *raw_arguments(self.request._request))
        found = cache.get(key)
        if found is None:
            found = self.compile_list_query()
            cache.put(key, found)
        return found

    def compile_list_query(self) -> ListQuery:
        base = self.get_queryset()
        found = self.filter_queryset(base)
        return ListQuery(
            self.serializer_class,
            self.arguments,
            base,
            found,
            self.bounds,
            pages_by_id=self.newest_first,
        )

    def answer_count(self, count: int) -> HttpResponse:
        tag = etag("count", str(count))
        return self.not_modified(tag) or JSONAnswer(orjson.dumps({"count": count}), tag)

    def not_modified_page(self, query: ListQuery) -> HttpResponse | None:
        """Return 304 if the client has the page already. The versions of its rows tell that."""
        if "HTTP_IF_NONE_MATCH" not in self.request.META:
            return None
        return self.not_modified(read_page_etag(query.versions, query.bounds.limit))

    def answer_page(self, query: ListQuery) -> HttpResponse:
        page = Page.read(query.rows, query.bounds.limit, self.serializer_class)
        answer = page.answer()
        if page.has_next and (link := query.link(page.ids[-1])):
            url = self.request.build_absolute_uri(self.request.path)
            answer["Link"] = f'<{url}?{link}>; rel="next"'
        return answer

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:  # type: ignore[override]  # as above
        self.take_no_arguments()
        row = self.find_row(read_id(kwargs["pk"]))
        tag = tag_of_row(row)
        return self.not_modified(tag) or self.answer_row(row, tag)

    def find_row(self, pk: int) -> Row:
        """Return a row of the queryset. Raises `NotFound`."""
        statement = row_statement(self.serializer_class.select, self.get_queryset(), pk)
        for batch in statement.batches():
            return batch[0]
        raise NotFound

    def answer_row(self, row: Row, tag: str, status: int = 200) -> JSONAnswer:
        """Answer one record, whose tag is known."""
        body = orjson.dumps(self.serializer_class.records([row])[0], default=str)
        return JSONAnswer(body, tag, status)

    def answer_instance(self, instance: Any, status: int = 200) -> JSONAnswer:
        """Answer a saved instance as a GET of it would: its row is read anew."""
        row = self.find_row(instance.pk)
        return self.answer_row(row, tag_of_row(row), status)

    def take_no_arguments(self) -> None:
        """Name the arguments of a call that takes none, or refuse them if the client asked for that."""
        if not any(raw_arguments(self.request._request)):
            return
        self.arguments.check()
        self.name_ignored(header_list(self.arguments.ignored()), body=self.arguments.ignores_body)

    def name_ignored(self, parameters: str, *, body: bool) -> None:
        """Name in headers what the client sent and nothing read."""
        if parameters:
            self.headers["X-Ignored-Parameters"] = parameters
        if body:
            self.headers["X-Ignored-Body"] = "1"

    def not_modified(self, tag: str) -> HttpResponse | None:
        """Return 304 if the client has the answer with this tag already."""
        return HttpResponseNotModified(headers={"ETag": tag}) if matches_etag(self.request, tag) else None


class WritableResourceViewSet(ResourceViewSet):
    """A resource that can also be created, changed and deleted. The answer is what a GET would say next.

    Its serializer says in `Meta` which fields can be written. A subclass overrides `perform_create()`,
    `perform_update()` and `perform_destroy()`, which run in one transaction with what they write.
    """

    @transaction.atomic
    def create(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        """201 with the new record. Raises `ValidationError` (422), and `Conflict` (409) at the edge."""
        self.take_no_arguments()
        serializer: Any = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        self.perform_create(serializer)
        answer = self.answer_instance(serializer.instance, 201)
        answer["Location"] = f"{request.path.rstrip('/')}/{serializer.instance.pk}"
        return answer

    @transaction.atomic
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        """200 with the changed record; fields that are not sent stay. Errors as `create`."""
        self.take_no_arguments()
        instance = self.get_object_to_write()
        serializer: Any = self.get_serializer(instance, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        self.perform_update(serializer)
        return self.answer_instance(serializer.instance)

    @transaction.atomic
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        """204. Raises `Conflict` (409) at the edge, which names the records that still use this one."""
        self.take_no_arguments()
        self.perform_destroy(self.get_object_to_write())
        answer = HttpResponse(status=204)
        del answer["Content-Type"]
        return answer

    def get_object_to_write(self) -> Any:
        """Return the instance that the path names as it is now, locked until the transaction ends.

        Without the lock, a write that was read before another one would undo it: `save()` writes all fields.
        """
        pk = self.get_object().pk
        return get_object_or_404(self.get_queryset().model._default_manager.select_for_update(), pk=pk)

    def perform_create(self, serializer: Any) -> None:
        serializer.save()

    def perform_update(self, serializer: Any) -> None:
        serializer.save()

    def perform_destroy(self, instance: Any) -> None:
        instance.delete()


def read_id(text: str) -> int:
    """Return the id that a path names. Raises `NotFound` for a number that no id can be."""
    if len(text) > MAX_DIGITS or int(text) > MAX_ID:
        raise NotFound
    return int(text)


def tag_of_row(row: Row) -> str:
    """Return the tag of one record: its id, which comes first in a row, and its version, which comes last."""
    return etag("one", str(row[0]), str(row[-1]))
