"""Brings requests from Granian to the WSGI application, each on a thread that no client can hold."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import orjson
from django.conf import settings

from itempath.server.bodies import Body, Budget, Refused, announced_length, has_body, refuse_incomplete
from itempath.server.environ import Response, make_environ

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from granian._granian import RSGIHTTPProtocol
    from granian.rsgi import Scope

logger = logging.getLogger(__name__)


class Gateway:
    """A request without a body runs at once, on the thread that brings it: the quickest way, and the most common.

    A body is read by the event loop. Once it is whole, the request runs on a thread of its own kind: a login, most of
    whose time is the hash of a password, then holds no reader up. Database connections belong to threads, so there are
    few: `WEB_THREADS` of each kind.
    """

    def __init__(self, application: "WSGIApplication", loop: asyncio.AbstractEventLoop) -> None:
        self.application = application
        self.loop = loop
        self.budget = Budget()
        self.pool = ThreadPoolExecutor(settings.WEB_THREADS, "body")
        self.reading: set[asyncio.Task[None]] = set()

    def handle(self, request: Any) -> None:
        """Take a request from Granian, which looks neither at what this returns nor at what it raises."""
        try:
            if has_body(request.scope.headers):
                self.loop.call_soon_threadsafe(self.read, request.scope, request.proto)
            else:
                self.answer(request.scope, request.proto, b"")
        except BaseException:
            logger.exception("The server failed")

    def read(self, scope: "Scope", proto: "RSGIHTTPProtocol") -> None:
        task = self.loop.create_task(self.answer_with_body(scope, proto))
        self.reading.add(task)  # the loop itself keeps no task alive
        task.add_done_callback(self.reading.discard)

    async def answer_with_body(self, scope: "Scope", proto: "RSGIHTTPProtocol") -> None:
        length = announced_length(scope.headers)
        with Body(self.budget) as body:
            try:
                content = await body.read(proto, length)
                refuse_incomplete(length, scope.path, content)
            except Refused as refusal:
                return refuse(proto, refusal)
            await self.loop.run_in_executor(self.pool, self.answer, scope, proto, content)

    def answer(self, scope: "Scope", proto: "RSGIHTTPProtocol", content: bytes) -> None:
        """Run the application and send what it answers."""
        response = Response()
        try:
            body = self.application(make_environ(scope, content), response.start)
            try:
                response.send(proto, body)
            finally:
                if hasattr(body, "close"):
                    body.close()
        except Exception:
            logger.exception("The application failed")
            proto.response_empty(500, [])


def refuse(proto: "RSGIHTTPProtocol", refusal: Refused) -> None:
    """Answer without the application, and end the connection: the rest of the body may still be on its way."""
    headers = [("Content-Type", "application/json"), ("Connection", "close")]
    if refusal.status == 503:
        headers.append(("Retry-After", "5"))
    proto.response_bytes(refusal.status, headers, orjson.dumps({"msg": refusal.message, "errors": []}))
