"""The OpenAPI description: what the serializers and filters do not say of themselves."""

from typing import Any, Literal

from django.conf import settings
from drf_spectacular.extensions import OpenApiFilterExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import build_basic_type, build_parameter_type
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema_serializer
from rest_framework import serializers

from core.api.filters import OperatorFilter
from core.api.ordering import query_parameter
from core.api.viewsets import ResourceViewSet

HEADER: Literal["header"] = "header"
MOMENT = "2026-05-07T13:30:00.602998"


class FaultSerializer(serializers.Serializer[Any]):
    message = serializers.CharField(help_text="What would be accepted.")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A bad argument",
            {
                "msg": "limit: Takes an integer from 1 to 20000.",
                "errors": [{"limit": {"message": "Takes an integer from 1 to 20000."}}],
            },
        )
    ]
)
class ErrorSerializer(serializers.Serializer[Any]):
    """Every error: one sentence, and one object for each bad field, named as the client spelt it."""

    msg = serializers.CharField()
    # Typed as the property of that name, which a declared field is not.
    errors = serializers.ListField(child=serializers.DictField(child=FaultSerializer()))  # type: ignore[assignment]


ERRORS = {
    "400": "Not well-formed: the query string, a Host, a body that is needed.",
    "401": "No bearer, or one that is malformed, expired, revoked or of the wrong kind.",
    "403": "The role does not allow it.",
    "404": "No such record.",
    "405": "The method is not offered here; `Allow` names those that are.",
    "409": "Records that others stored do not allow it; the message names them.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "422": "A bad argument or field; every bad one is named.",
    "429": "Too many calls; `Retry-After` says when to come back.",
    "500": "A bug; the message has the request id.",
    "503": "The database cannot be reached; `Retry-After` says when to come back.",
}
READING = ("400", "401", "403", "404", "422", "429", "500", "503")
POSTING = ("400", "401", "403", "404", "413", "415", "422", "429", "500", "503")

WRITING = (*POSTING[:4], "409", *POSTING[4:])
VERBS = {"GET": "Show", "POST": "Create", "PATCH": "Change", "DELETE": "Delete"}
DONE = {"201": "Created.", "204": "Deleted."}

TEXT_RESPONSES = [200, 304, *map(int, ERRORS)]
EVERY_CALL = [
    OpenApiParameter(
        "X-Request-ID", str, HEADER, description="Kept if it is sane, and sent back; one is made otherwise."
    ),
    OpenApiParameter("X-Request-ID", str, HEADER, response=TEXT_RESPONSES, description="Leads to the log."),
    OpenApiParameter("Retry-After", int, HEADER, response=[429, 503], description="Seconds."),
]
EVERY_READ = [
    OpenApiParameter(
        "If-None-Match",
        str,
        HEADER,
        description="The `ETag` of an earlier answer: 304 if it still holds.",
    ),
    OpenApiParameter(
        "Prefer",
        str,
        HEADER,
        description="`handling=strict` refuses unknown arguments.",
        enum=["handling=strict"],
    ),
    OpenApiParameter(
        "ETag",
        str,
        HEADER,
        response=[200, 304],
        description="A weak tag that changes with every shown field.",
    ),
    OpenApiParameter(
        "X-Ignored-Parameters", str, HEADER, response=[200], description="Arguments that nothing knows."
    ),
    OpenApiParameter(
        "X-Ignored-Body", str, HEADER, response=[200], description="1: a body was sent and not read."
    ),
]
ID = OpenApiParameter("id", OpenApiTypes.INT64, OpenApiParameter.PATH, description="The id of the record.")
LIST_ONLY = [
    OpenApiParameter("Link", str, HEADER, response=[200], description='The next page: `<…>; rel="next"`.')
]


class PageDescription:
    """Describes the arguments of pages to drf-spectacular, which looks for them at a paginator.

    There is none: a list reads the arguments itself (`pagination.py`).
    """

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        integers = {
            "limit": (
                f"Rows on a page, at most {settings.API_MAX_LIMIT}.",
                {"minimum": 1, "maximum": settings.API_MAX_LIMIT},
            ),
            "page": ("Counted from zero, in `limit`s.", {"minimum": 0}),
            "offset": ("Rows to leave out, in place of `page`.", {"minimum": 0}),
        }
        described = [
            query_parameter(name, text, {"type": "integer", **bounds})
            for name, (text, bounds) in integers.items()
        ]
        text = 'Answer `{"count": n}` instead of rows.'
        return [*described, query_parameter("countOnly", text, {"type": "boolean"})]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return schema  # a bare array


class RegistrySchema(AutoSchema):
    """Adds the headers and errors that every call has, and the two forms of a list's answer."""

    error_serializer: type[serializers.Serializer[Any]] = ErrorSerializer

    @property
    def errors(self) -> dict[str, str]:
        """What each error status of the call means."""
        if self.writes:
            return {status: ERRORS[status] for status in WRITING}
        return {status: ERRORS[status] for status in (READING if self.method == "GET" else POSTING)}

    @property
    def reads(self) -> bool:
        """Whether the call lists or shows a resource."""
        return isinstance(self.view, ResourceViewSet) and self.method == "GET"

    @property
    def writes(self) -> bool:
        """Whether the call creates, changes or deletes a record."""
        return isinstance(self.view, ResourceViewSet) and self.method != "GET"

    def _get_paginator(self) -> PageDescription | None:
        return PageDescription() if self.reads else None

    def get_summary(self) -> str | None:
        if not isinstance(self.view, ResourceViewSet):
            return None
        names = self.view.queryset.model._meta
        if self.reads and self._is_list_view():
            return f"List {names.verbose_name_plural}"
        article = "an" if str(names.verbose_name)[0] in "aeiou" else "a"
        return f"{VERBS.get(self.method, self.method)} {article} {names.verbose_name}"

    def get_auth(self) -> list[dict[str, list[str]]]:
        """Name the one scheme of all bearers: a client sends each of them in the same header."""
        return [{"bearer": []}] if self.view.authentication_classes else [{}]

    def get_paginated_name(self, serializer_name: str) -> str:
        return f"{serializer_name}List"

    def get_override_parameters(self) -> list[Any]:
        own = [*super().get_override_parameters(), *EVERY_CALL, *(EVERY_READ if self.reads else [])]
        if self.reads and self._is_list_view():
            return own + LIST_ONLY
        return own + ([ID] if (self.reads or self.writes) and getattr(self.view, "detail", False) else [])

    def _map_serializer_field(self, field: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Call integers what they are: generated clients take 32 bits otherwise, and ids go up to 2^53."""
        schema: dict[str, Any] = super()._map_serializer_field(field, *args, **kwargs)
        return schema | {"format": "int64"} if isinstance(field, serializers.IntegerField) else schema

    def _get_response_bodies(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(*args, **kwargs)
        if self.reads:
            bodies["304"] = self._get_response_for_code(None, "304") | {
                "description": "What the client holds is current."
            }
        if self.reads and self._is_list_view():
            self.offer_count(bodies["200"])
        for status, body in bodies.items():
            if status.startswith("2"):
                body["description"] = DONE.get(status, "Done.")
        for status, meaning in self.errors.items():
            bodies.setdefault(status, self._get_response_for_code(self.error_serializer, status))
            bodies[status]["description"] = meaning
        return bodies

    def offer_count(self, body: dict[str, Any]) -> None:
        counted = {"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]}
        content = body["content"]["application/json"]
        content["schema"] = {"oneOf": [content["schema"], counted]}


class OperatorFilterExtension(OpenApiFilterExtension):
    target_class = "core.api.filters.OperatorFilterBackend"
    priority = 1

    def get_schema_operation_parameters(
        self, auto_schema: Any, *args: Any, **kwargs: Any
    ) -> list[dict[str, Any]]:
        filters = auto_schema.view.filterset_class.base_filters
        return [self.describe(name, each) for name, each in filters.items()]

    def describe(self, name: str, each: OperatorFilter) -> dict[str, Any]:
        operators = ", ".join(f"`[{operator}]`" for operator in each.operators)
        schema = {"type": "array", "items": build_basic_type(OpenApiTypes.STR)}
        text = (
            f"{each.accepted}, `null` or `[not]null`; with an operator before it: {operators}. "
            f"For example `{each.example}`. A repeated argument applies every time."
        )
        parameter: dict[str, Any] = build_parameter_type(
            name=name,
            schema=schema,
            location=OpenApiParameter.QUERY,
            description=text,
            explode=True,
            style="form",
        )
        return parameter


class MomentExtension(OpenApiSerializerFieldExtension):
    target_class = "core.api.rows.MomentField"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        return {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$", "example": MOMENT}


def drop_trailing_slash(endpoints: list[tuple[str, str, str, Any]]) -> list[tuple[str, str, str, Any]]:
    """Describe each path as ItemPath writes it; the optional slash would show as a needed one."""
    return [(path.rstrip("/"), regex, method, callback) for path, regex, method, callback in endpoints]
