"""Print what each shortcut for speed gains: `DATABASE_URL=… python bench/shortcuts.py`.

A shortcut leaves Django's or DRF's own way. For each of them, this calls the WSGI application with the
shortcut and in the framework's own way in turn, and compares the processor time of this process. The database
must be migrated and hold at least a thousand connections.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # replaces this folder, whose `profile` would hide Python's own
os.environ.update(API_RATE_PER_MINUTE="0", API_RATE_PER_DAY="0", DJANGO_SETTINGS_MODULE="itempath.settings")

if not os.environ.get("DATABASE_URL"):
    sys.exit("Set DATABASE_URL to a database that is migrated and filled.")

import django  # noqa: E402  # needs the path that is set above

django.setup()

import gc  # noqa: E402
import logging  # noqa: E402
import statistics  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from contextlib import ExitStack, contextmanager  # noqa: E402
from typing import Any  # noqa: E402
from unittest.mock import patch  # noqa: E402
from uuid import uuid4  # noqa: E402

from auditlog.context import disable_auditlog  # noqa: E402
from csp.middleware import CSPMiddleware  # noqa: E402
from django.utils.deprecation import MiddlewareMixin  # noqa: E402
from rest_framework.response import Response  # noqa: E402

from accounts import bearer_cache  # noqa: E402
from accounts.models import ApplicationToken, User  # noqa: E402
from accounts.roles import Role  # noqa: E402
from bench.profile import caller_of  # noqa: E402
from connections.api.views import ConnectionViewSet  # noqa: E402
from core.api import pagination, statements, viewsets  # noqa: E402
from core.db.postgresql import base as postgresql  # noqa: E402
from core.speed import HTMLOnly, PagesOnly, collect_garbage_rarely  # noqa: E402

CALLS = 200
ROUNDS = 11
ADDRESSES = ("/api/connections/1", "/api/connections?limit=20", "/api/connections?limit=1000")


def row_as_response(view: Any, row: Any, tag: str, status: int = 200) -> Response:
    """Answer a record as DRF does: a response that a renderer writes."""
    body = view.serializer_class.records([row])[0]
    return Response(body, status=status, headers={"ETag": tag})


def read_page(cls: Any, statement: Any, limit: int, serializer_class: Any) -> Any:
    page = cls(limit)
    page.records = []
    for rows in statement.batches():
        taken = rows[: page.remaining]
        page.remaining -= len(taken)
        page.has_next = len(rows) > len(taken)
        page.ids += [str(row[0]) for row in taken]
        page.versions += [str(row[-1]) for row in taken]
        page.records += serializer_class.records(taken)
    return page


def page_as_response(page: Any) -> Response:
    return Response(page.records, headers={"ETag": page.tag})


def compile_each_time(select: Any, queryset: Any, pk: int) -> Any:
    return statements.Statement.of(select(queryset.filter(pk=pk)))


@contextmanager
def collect_all() -> Iterator[None]:
    gc.unfreeze()
    gc.set_threshold(700, 10, 10)
    yield
    collect_garbage_rarely()


# The name of each shortcut, and the patches that bring the framework's own way back.
SHORTCUTS: dict[str, Callable[[], list[Any]]] = {
    "answers without a renderer": lambda: [
        patch.object(ConnectionViewSet, "answer_row", row_as_response),
        patch.object(pagination.Page, "read", classmethod(read_page)),
        patch.object(pagination.Page, "answer", page_as_response),
    ],
    "no session, user, messages for API calls": lambda: [
        patch.object(PagesOnly, "__call__", MiddlewareMixin.__call__)
    ],
    "no policy for answers that are no pages": lambda: [
        patch.object(HTMLOnly, "__call__", CSPMiddleware.__call__)
    ],
    "list calls compiled once": lambda: [patch.object(ConnectionViewSet, "same_for_everyone", False)],
    "shows compiled once": lambda: [patch.object(viewsets, "row_statement", compile_each_time)],
    "bearers recognized for four seconds": lambda: [patch.object(bearer_cache, "get", lambda bearer: None)],
    "PostgreSQL's health asked once a second": lambda: [
        patch.object(postgresql, "HEALTH_CHECK_INTERVAL", 0.0)
    ],
    "what is loaded is frozen for the garbage collector": lambda: [collect_all()],
}


def seconds(call: Callable[[], Any], patches: list[Any]) -> float:
    """Return the processor time of some calls, after one that fills the caches."""
    with ExitStack() as stack:
        for each in patches:
            stack.enter_context(each)
        call()
        begin = time.process_time()
        for _ in range(CALLS):
            call()
        return time.process_time() - begin


def gain(call: Callable[[], Any], own_way: Callable[[], list[Any]]) -> float:
    """Return how much longer a call takes the framework's own way: 0.1 is a tenth."""
    ratios = [seconds(call, own_way()) / seconds(call, []) for _ in range(ROUNDS)]
    return statistics.median(ratios) - 1


@contextmanager
def token() -> Iterator[str]:
    """Yield an application token of a reader, who is deleted at the end."""
    with disable_auditlog():
        user = User.objects.create_user(f"bench-{uuid4().hex[:8]}", type=User.Type.APPLICATION)
        user.set_role(Role.READER)
        try:
            yield ApplicationToken.issue(user)
        finally:
            user.delete()


def main() -> None:
    chosen = sys.argv[1:] or list(SHORTCUTS)
    logging.getLogger("accounts.access_log").setLevel(logging.INFO)
    print(f"| shortcut | {' | '.join(ADDRESSES)} |\n|---|{'---:|' * len(ADDRESSES)}")
    with token() as bearer:
        for name in chosen:
            gains = [gain(caller_of(address, bearer), SHORTCUTS[name]) for address in ADDRESSES]
            print(f"| {name} | {' | '.join(f'{each:+.1%}' for each in gains)} |", flush=True)


if __name__ == "__main__":
    main()
