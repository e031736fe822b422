"""Passes requests from Granian to the WSGI application, such that no client can hold up a thread.

A request without a body runs at once, on the thread of Granian that delivers it. A body arrives in parts,
each by a callback on that same thread, so no thread waits for a client. When the body is complete, a request
with a safe method runs on that thread, too. All others run on threads of their own and so do not delay reads:
a login, for example, spends most of its time on the hash of the password. Every thread has its own database
connection, so there are few threads: `WEB_THREADS` of each kind.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import orjson
from django.conf import settings

from itempath.server.bodies import Body, BodyRefused, Budget, has_body
from itempath.server.environ import Response, make_environ

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from granian._granian import RSGIHTTPProtocol
    from granian.rsgi import Scope

logger = logging.getLogger(__name__)

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# Seconds between two looks for bodies that are late.
TIMEOUT_CHECK_INTERVAL = 0.5


class Gateway:
    """Takes the requests of one server process from Granian and answers them."""

    def __init__(self, application: "WSGIApplication", loop: asyncio.AbstractEventLoop) -> None:
        self.application = application
        self.loop = loop
        self.budget = Budget()
        self.pool = ThreadPoolExecutor(settings.WEB_THREADS, "write")
        self.pending: set[PendingRequest] = set()
        loop.call_soon(self.expire_late_bodies)

    def handle(self, request: Any) -> None:
        """Take a request. Granian calls this, and ignores what it returns or raises."""
        try:
            if has_body(request.scope.headers):
                PendingRequest(self, request.scope, request.proto).read()
            else:
                self.answer(request.scope, request.proto, b"")
        except BaseException:
            logger.exception("The server failed")

    def answer(self, scope: "Scope", proto: "RSGIHTTPProtocol", content: bytes) -> None:
        """Run the application for a request with the body `content` and send its response."""
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

    def expire_late_bodies(self) -> None:
        """End the requests whose bodies take longer than `BODY_TIMEOUT`. Runs again and again on the loop."""
        self.loop.call_later(TIMEOUT_CHECK_INTERVAL, self.expire_late_bodies)
        latest = time.monotonic() - settings.BODY_TIMEOUT
        for request in list(self.pending):
            if request.started < latest:
                request.expire()

    # Granian's futures run their callbacks by these two methods of an event loop, and use no others of it.

    def call_soon_threadsafe(self, callback: Callable[..., Any], *args: Any, context: Any = None) -> None:
        """Run `callback` on this thread: it is the one that delivers the result of the future."""
        callback(*args)

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Any = None) -> None:
        """Run `callback` on another thread.

        Granian calls this for a future that was done before the callback was added. If these callbacks ran on
        this thread, each would read the next part inside the one before, and exhaust the stack.
        """
        self.pool.submit(callback, *args)


class PendingRequest:
    """A request whose body is arriving. The thread that removes it from `gateway.pending` answers it."""

    def __init__(self, gateway: Gateway, scope: "Scope", proto: "RSGIHTTPProtocol") -> None:
        self.gateway = gateway
        self.scope = scope
        self.proto = proto
        self.body = Body(scope.headers, gateway.budget)
        self.started = time.monotonic()
        self.stream = aiter(proto)
        self.part: Any = None

    def read(self) -> None:
        self.gateway.pending.add(self)
        self.read_part()

    def read_part(self) -> None:
        if self not in self.gateway.pending:
            return  # it was refused during the delay
        self.part = anext(self.stream)
        self.part.add_done_callback(self.receive)

    def receive(self, part: Any) -> None:
        """Take a part that arrived. Granian calls this, and ignores what it raises."""
        if self not in self.gateway.pending:
            self.part = None
            return
        try:
            if self.body.add(part.result()):
                self.finish()
            else:
                self.read_after(self.body.delay_after(part.result()))
        except BodyRefused as refusal:
            self.refuse(refusal)
        except Exception:
            logger.exception("A body cannot be read")
            self.refuse(BodyRefused(400, "The body did not come whole."))

    def read_after(self, delay: float) -> None:
        if delay:
            self.gateway.loop.call_soon_threadsafe(self.gateway.loop.call_later, delay, self.read_part)
        else:
            self.read_part()

    def finish(self) -> None:
        """Answer the request, as its body is complete or will not be read further."""
        try:
            content = self.body.content(self.scope.path)
        except BodyRefused as refusal:
            return self.refuse(refusal)
        if not self.claim():
            return None
        if self.scope.method.upper() in SAFE_METHODS:
            return self.answer(content)
        self.gateway.pool.submit(self.answer, content)
        return None

    def answer(self, content: bytes) -> None:
        self.gateway.answer(self.scope, self.proto, content)
        self.body.release()

    def claim(self) -> bool:
        """Remove the request from the pending ones; return whether this call did so, and must answer it."""
        try:
            self.gateway.pending.remove(self)
        except KeyError:
            return False
        # The future refers to this object by its callback, and the garbage collector cannot look into
        # Granian's futures. Without this, the cycle would keep the connection open forever.
        part, self.part = self.part, None
        part.cancel()
        return True

    def expire(self) -> None:
        """End the request, as its body is late. If it is too large already, Django refuses it for that."""
        if self.body.is_full:
            # Not on this thread: it runs the event loop, and has no database connection.
            self.gateway.pool.submit(self.finish)
        else:
            self.refuse(BodyRefused(408, f"The body did not come within {settings.BODY_TIMEOUT} seconds."))

    def refuse(self, refusal: BodyRefused) -> None:
        """Answer without the application, and close the connection: more of the body may arrive on it."""
        if not self.claim():
            return
        self.body.release()
        headers = [("Content-Type", "application/json"), ("Connection", "close")]
        if refusal.status == 503:
            headers.append(("Retry-After", "5"))
        content = orjson.dumps({"msg": refusal.message, "errors": []})
        self.proto.response_bytes(refusal.status, headers, content)
