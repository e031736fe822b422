"""Shortcuts: where this project leaves Django's or DRF's own way because it is too slow.

Each one names its measured gain: how much longer a call takes the framework's own way. The first number is
for `/api/connections/1`, the second for `/api/connections?limit=20`, both in processor time of the server on
PostgreSQL. `bench/shortcuts.py` measures them. A shortcut that gains less than 3 % is not worth its code.
Some need a module of their own:

| module | shortcut | gain |
|---|---|---|
| `core.api.statements` | the SQL of a show is compiled once | 218 %, none |
| `core.api.list_queries` | a list call with the same arguments is compiled once | none, 245 % |
| `accounts.bearer_cache` | a bearer is looked up once in four seconds | 410 %, 325 % |
| `core.db.postgresql` | the health of a connection is checked once a second | 19 %, 16 % |
"""

import gc
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin


class JSONAnswer(HttpResponse):
    """JSON that is written already, with its entity tag. DRF's `Response` would look for a renderer.

    Gain: 5 %, 16 %.
    """

    def __init__(self, body: bytes, tag: str, status: int = 200) -> None:
        super().__init__(body, status=status, content_type="application/json", headers={"ETag": tag})


class PagesOnly(MiddlewareMixin):
    """Skips a middleware for calls of the API, which have a bearer and no session.

    Gain of the session, the user and the messages together: 10 %, 6 %.
    """

    def __call__(self, request: HttpRequest) -> Any:
        if request.path_info.startswith("/api/"):
            return self.get_response(request)
        return super().__call__(request)


class HTMLOnly:
    """Skips what a middleware does to answers that are not HTML.

    Gain of the Content-Security-Policy: 13 %, 7 %.
    """

    get_response: Any
    process_response: Any

    def __call__(self, request: HttpRequest) -> Any:
        response = self.get_response(request)  # the server is synchronous
        if response.get("Content-Type", "").startswith("text/html"):
            return self.process_response(request, response)
        return response


def collect_garbage_rarely() -> None:
    """Let the garbage collector skip what is loaded now, and run less often.

    Otherwise it visits every module again for each thousand records of a large page. Gain: 1 %, 3 %, and 6 %
    for a page of 1,000.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
