"""The viewset that every readable resource declares itself with."""

from typing import Any

import orjson
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.http.response import HttpResponseBase
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.viewsets import ReadOnlyModelViewSet

from core.api.arguments import Arguments, header_list, sent
from core.api.http import JSONAnswer, etag, matches_etag
from core.api.list_queries import ListQuery, list_query_of
from core.api.pagination import LARGEST, Page, Pagination, read_page_etag
from core.api.rows import RowSerializer
from core.api.statements import Row, row_statement

# Of an id in a path, zeros before it included.
MAX_DIGITS = 40


class ResourceViewSet(ReadOnlyModelViewSet[Any]):
    """Lists and shows the rows of `serializer_class` with ItemPath's conventions.

    A resource declares `queryset`, `serializer_class` and `filterset_class`, and nothing else.
    """

    lookup_value_regex = "[0-9]+"
    queryset: QuerySet[Any]
    serializer_class: type[RowSerializer]
    paginator: Pagination
    arguments: Arguments

    @property
    def default_response_headers(self) -> dict[str, str]:
        return super().default_response_headers | {
            "Cache-Control": "private, no-cache",
            "Vary": "Accept-Encoding",
        }

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        del (
            self.response
        )  # view and request know each other: a large answer would stay until the garbage collector comes
        return response

    def get_queryset(self) -> QuerySet[Any]:
        """Return the class's own queryset: it is only narrowed and sorted, which copies it, and never evaluated."""
        return self.queryset

    def list(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:  # type: ignore[override]  # written without a renderer
        query = list_query_of(self)
        self.name_ignored(query.ignored, body=query.ignores_body)
        if query.bounds.count_only:
            return self.answer_count(query.queryset.count())
        return self.not_modified_page(query) or self.answer_page(query)

    def answer_count(self, count: int) -> HttpResponse:
        tag = etag("count", str(count))
        return self.not_modified(tag) or JSONAnswer(orjson.dumps({"count": count}), tag)

    def not_modified_page(self, query: ListQuery) -> HttpResponse | None:
        """Return a 304 if the client matches_etag the page already: the states of its rows tell."""
        if "HTTP_IF_NONE_MATCH" not in self.request.META:
            return None
        return self.not_modified(read_page_etag(query.states, query.bounds.limit))

    def answer_page(self, query: ListQuery) -> HttpResponse:
        page = Page.read(query.rows, query.bounds.limit, self.serializer_class)
        answer = page.answer()
        if page.has_next and query.next_query:
            answer["Link"] = (
                f'<{self.request.build_absolute_uri(self.request.path)}?{query.next_query}>; rel="next"'
            )
        return answer

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:  # type: ignore[override]  # as above
        self.read_arguments()
        row = self.find_row(kwargs["pk"])
        tag = etag("one", str(row[0]), str(row[-1]))
        return self.not_modified(tag) or JSONAnswer(
            orjson.dumps(self.serializer_class.records([row])[0]), tag
        )

    def find_row(self, pk: str) -> Row:
        """Return a row of the queryset. Raises `NotFound`."""
        if len(pk) > MAX_DIGITS or int(pk) > LARGEST:
            raise NotFound
        statement = row_statement(self.serializer_class.select, self.get_queryset(), int(pk))
        for batch in statement.batches():
            return batch[0]
        raise NotFound

    def read_arguments(self) -> None:
        """Name the arguments of a call that takes none, or refuse them if the client asked for that."""
        if not any(sent(self.request._request)):
            return
        arguments = Arguments.of(self.request)
        arguments.check()
        self.name_ignored(header_list(arguments.ignored()), body=arguments.ignores_body)

    def name_ignored(self, parameters: str, *, body: bool) -> None:
        """Name in headers what was sent and not looked at."""
        if parameters:
            self.headers["X-Ignored-Parameters"] = parameters
        if body:
            self.headers["X-Ignored-Body"] = "1"

    def not_modified(self, tag: str) -> HttpResponse | None:
        """Return a 304 if the client matches_etag the answer that `tag` stands for."""
        return HttpResponseNotModified(headers={"ETag": tag}) if matches_etag(self.request, tag) else None
