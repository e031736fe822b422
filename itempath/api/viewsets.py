"""The viewset that every readable resource declares itself with."""

from typing import Any

from django.db.models import QuerySet
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.status import HTTP_304_NOT_MODIFIED
from rest_framework.viewsets import ReadOnlyModelViewSet

from itempath.api.arguments import Arguments, header_list
from itempath.api.http import etag, holds
from itempath.api.pagination import LARGEST, Pagination, Window, read_tag, read_window
from itempath.api.rows import RowSerializer, state_of
from itempath.api.statements import Row, page_statement, row_statement

# Of an id in a path, zeros before it included.
MAX_DIGITS = 40


class ResourceViewSet(ReadOnlyModelViewSet[Any]):
    """Lists and shows the rows of `serializer_class` with ItemPath's conventions.

    A resource declares `queryset`, `serializer_class` and `filterset_class`, and nothing else.
    """

    lookup_value_regex = "[0-9]+"
    serializer_class: type[RowSerializer]
    paginator: Pagination
    arguments: Arguments
    window: Window

    @property
    def default_response_headers(self) -> dict[str, str]:
        return super().default_response_headers | {"Cache-Control": "private, no-cache", "Vary": "Accept-Encoding"}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.arguments = Arguments.of(request)

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        queryset = self.filter_queryset(self.get_queryset())
        self.window = read_window(self.arguments)
        self.check_arguments()
        if self.window.count_only:
            return self.answer_count(queryset.count())
        return self.held_page(queryset) or self.get_paginated_response(self.paginate_queryset(queryset))

    def answer_count(self, count: int) -> Response:
        tag = etag(b"count", str(count).encode())
        return self.held(tag) or Response({"count": count}, headers={"ETag": tag})

    def held_page(self, queryset: QuerySet[Any]) -> Response | None:
        """Return a 304 if the client holds the page already: the states of its rows tell."""
        if "HTTP_IF_NONE_MATCH" not in self.request.META:
            return None
        statement = page_statement(self.serializer_class.states, queryset, self.window.rows)
        return self.held(read_tag(statement.joined(), self.window.limit))

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.check_arguments()
        row = self.find_row(kwargs["pk"])
        tag = etag(b"one", state_of(row).encode())
        return self.held(tag) or Response(self.serializer_class.records([row])[0], headers={"ETag": tag})

    def find_row(self, pk: str) -> Row:
        """Return a row of the queryset. Raises `NotFound`."""
        if len(pk) > MAX_DIGITS or int(pk) > LARGEST:
            raise NotFound
        statement = row_statement(self.serializer_class.select, self.get_queryset(), int(pk))
        for batch in statement.batches():
            return batch[0]
        raise NotFound

    def check_arguments(self) -> None:
        """Refuse what is wrong with the arguments, and name those that nothing took."""
        self.arguments.check()
        if ignored := self.arguments.ignored():
            self.headers["X-Ignored-Parameters"] = header_list(ignored)

    def held(self, tag: str) -> Response | None:
        """Return a 304 if the client holds the answer that `tag` stands for."""
        return Response(status=HTTP_304_NOT_MODIFIED, headers={"ETag": tag}) if holds(self.request, tag) else None
