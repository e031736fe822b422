"""HTTP as ItemPath's clients speak it: JSON whatever they accept, bounded bodies, and entity tags."""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import IO, Any

import orjson
from rest_framework.exceptions import ParseError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import JSONParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from core.api.errors import PayloadTooLarge
from core.bounds import MAX_ANONYMOUS_BODY, length_of

# Part of every tag. Raise it when the JSON of unchanged records changes, so that clients read them anew.
REPRESENTATION = "3"


class JSONNegotiation(BaseContentNegotiation):
    """Answers in JSON, whatever `Accept` and `format` say."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any:
        sent = request.content_type.partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == sent), None)

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)


class BoundedJSONParser(JSONParser):
    """Parses JSON of at most `DATA_UPLOAD_MAX_MEMORY_SIZE` bytes.

    Where no account is needed, as at a login, it takes at most `MAX_ANONYMOUS_BODY`. Raises `PayloadTooLarge`
    (413) and `ParseError` (400).
    """

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        context = parser_context or {}
        if not context["view"].authentication_classes and length_of(context["request"]) > MAX_ANONYMOUS_BODY:
            raise PayloadTooLarge
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise ParseError("The JSON is nested too deep.") from error


class JSONRenderer(BaseRenderer):
    """Writes JSON with orjson. Bytes are taken for JSON that is written already."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        if data is None:
            return b""
        return data if isinstance(data, bytes) else orjson.dumps(data, default=str)


def etag(*parts: str) -> str:
    """Return a weak entity tag (RFC 9110) that changes with any of `parts`."""
    digest = sha256("/".join((REPRESENTATION, *parts)).encode())
    return f'W/"{digest.hexdigest()[:24]}"'


def matches_etag(request: Request, tag: str) -> bool:
    """Return whether the client has the answer with this tag already (`If-None-Match`)."""
    known: str = request.META.get("HTTP_IF_NONE_MATCH", "")
    # All tags have the same length and stand in quotes, so none is a part of another.
    return known.strip() == "*" or tag.removeprefix("W/") in known
