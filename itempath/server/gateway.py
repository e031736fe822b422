"""Brings requests from Granian to the WSGI application, each on a thread that no client can hold.

A request without a body runs at once, on the thread that brings it. A body comes part by part, by callbacks on that
same thread, which waits for none of them. When it is whole, a request that only reads runs there too. All others, such
as logins, whose time is mostly the hash of a password, run on threads of their own, and hold no reader up. Database
connections belong to threads, so there are few: `WEB_THREADS` of each kind.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import orjson
from django.conf import settings

from itempath.server.bodies import Body, Budget, Refused, has_body
from itempath.server.environ import Response, make_environ

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from granian._granian import RSGIHTTPProtocol
    from granian.rsgi import Scope

logger = logging.getLogger(__name__)

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
SWEEP_INTERVAL = 0.5  # seconds


class Gateway:
    """One server process's way from requests to answers."""

    def __init__(self, application: "WSGIApplication", loop: asyncio.AbstractEventLoop) -> None:
        self.application = application
        self.loop = loop
        self.budget = Budget()
        self.pool = ThreadPoolExecutor(settings.WEB_THREADS, "write")
        self.waiting: set[Waiting] = set()
        loop.call_soon(self.sweep)

    def handle(self, request: Any) -> None:
        """Take a request from Granian, which looks neither at what this returns nor at what it raises."""
        try:
            if has_body(request.scope.headers):
                Waiting(self, request.scope, request.proto).read()
            else:
                self.answer(request.scope, request.proto, b"")
        except BaseException:
            logger.exception("The server failed")

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

    def sweep(self) -> None:
        """Refuse the bodies that did not come in time. Runs on the loop's thread, again and again."""
        self.loop.call_later(SWEEP_INTERVAL, self.sweep)
        latest = time.monotonic() - settings.BODY_TIMEOUT
        for request in list(self.waiting):
            if request.since < latest:
                request.expire()

    # What Granian asks of an event loop when a future of its own is done. Nothing else of a loop is used by it.

    def call_soon_threadsafe(self, callback: Callable[..., Any], *args: Any, context: Any = None) -> None:
        """Run `callback` on this thread, which brought what the future waited for."""
        callback(*args)

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Any = None) -> None:
        """Run `callback` for a future that was done before it was asked: elsewhere, so that calls do not pile up."""
        self.pool.submit(callback, *args)


class Waiting:
    """A request whose body is on its way. Whoever takes it out of `gateway.waiting` answers it."""

    def __init__(self, gateway: Gateway, scope: "Scope", proto: "RSGIHTTPProtocol") -> None:
        self.gateway = gateway
        self.scope = scope
        self.proto = proto
        self.body = Body(scope.headers, gateway.budget)
        self.since = time.monotonic()
        self.stream = aiter(proto)
        self.part: Any = None

    def read(self) -> None:
        self.gateway.waiting.add(self)
        self.read_part()

    def read_part(self) -> None:
        if self not in self.gateway.waiting:
            return  # it was refused during the pause
        self.part = anext(self.stream)
        self.part.add_done_callback(self.take)

    def take(self, part: Any) -> None:
        """Take a part that came; called by Granian, which drops what is raised."""
        if self not in self.gateway.waiting:
            self.part = None
            return
        try:
            if self.body.add(part.result()):
                self.finish()
            else:
                self.go_on(self.body.pause_after(part.result()))
        except Refused as refusal:
            self.refuse(refusal)
        except Exception:
            logger.exception("A body cannot be read")
            self.refuse(Refused(400, "The body did not come whole."))

    def go_on(self, pause: float) -> None:
        if pause:
            self.gateway.loop.call_soon_threadsafe(self.gateway.loop.call_later, pause, self.read_part)
        else:
            self.read_part()

    def finish(self) -> None:
        try:
            content = self.body.content(self.scope.path)
        except Refused as refusal:
            return self.refuse(refusal)
        if not self.leave():
            return None
        if self.scope.method.upper() in SAFE_METHODS:
            return self.answer(content)
        self.gateway.pool.submit(self.answer, content)
        return None

    def answer(self, content: bytes) -> None:
        self.gateway.answer(self.scope, self.proto, content)
        self.body.release()

    def leave(self) -> bool:
        """Stop waiting; return whether this call did it, and not another thread's."""
        try:
            self.gateway.waiting.remove(self)
        except KeyError:
            return False
        # A part knows who waits for it, and the collector cannot look into it: the connection would stay open for ever.
        part, self.part = self.part, None
        part.cancel()
        return True

    def expire(self) -> None:
        """Give up on a body that did not come in time; one that is too large is refused for that, by Django."""
        if self.body.is_full:
            self.gateway.pool.submit(
                self.finish
            )  # not on the loop's thread, which has no database connection
        else:
            self.refuse(Refused(408, f"The body did not come within {settings.BODY_TIMEOUT} seconds."))

    def refuse(self, refusal: Refused) -> None:
        """Answer without the application, and end the connection: the rest of the body may still be on its way."""
        if not self.leave():
            return
        self.body.release()
        headers = [("Content-Type", "application/json"), ("Connection", "close")]
        if refusal.status == 503:
            headers.append(("Retry-After", "5"))
        self.proto.response_bytes(
            refusal.status, headers, orjson.dumps({"msg": refusal.message, "errors": []})
        )
