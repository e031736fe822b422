"""The OpenAPI description. Each process makes it once."""

import gzip
import hashlib
from functools import cache
from threading import Lock
from typing import Any, NamedTuple

from django.http import HttpResponse, HttpResponseNotModified
from django.utils.encoding import force_bytes
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer2, OpenApiYamlRenderer
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from core.api.http import JSONRenderer, etag, matches_etag

RENDERERS = {"yaml": OpenApiYamlRenderer, "json": OpenApiJsonRenderer2}
lock = Lock()


class Description(NamedTuple):
    """The description in one format, ready to be sent."""

    content: bytes
    compressed: bytes
    media_type: str
    tag: str


def describe(format: str) -> Description:
    """Return the description in `format`, one of `RENDERERS`. A second caller waits while it is made."""
    with lock:
        return make_description(format)


@cache
def make_description(format: str) -> Description:
    renderer = RENDERERS[format]()
    content = force_bytes(renderer.render(make_schema(), renderer_context={}))
    tag = etag("description", hashlib.sha256(content).hexdigest())
    return Description(content, gzip.compress(content, mtime=0), str(renderer.media_type), tag)


@cache
def make_schema() -> Any:
    return SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]


class DescriptionView(APIView):
    """The description in YAML; in JSON at `schema.json`, for `?format=json`, and if `Accept` names JSON."""

    authentication_classes = ()
    permission_classes = ()
    schema = None

    def get(self, request: Request, format: str | None = None) -> HttpResponse:
        found = describe(format or self.choose_format(request))
        headers = {"ETag": found.tag, "Cache-Control": "public, no-cache", "Vary": "Accept, Accept-Encoding"}
        if matches_etag(request, found.tag):
            return HttpResponseNotModified(headers=headers)
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
        content = found.compressed if "Content-Encoding" in headers else found.content
        return HttpResponse(content, content_type=found.media_type, headers=headers)

    def choose_format(self, request: Request) -> str:
        asked = request.query_params.get("format") or (
            "json" if "json" in request.headers.get("Accept", "") else ""
        )
        return asked if asked in RENDERERS else "yaml"


class DocsView(SpectacularSwaggerSplitView):
    """The page that shows the description. Other methods than GET and HEAD are answered in JSON."""

    def get_renderers(self) -> list[BaseRenderer]:
        renderers: list[BaseRenderer] = super().get_renderers()
        return renderers if self.request.method in ("GET", "HEAD") else [JSONRenderer()]
