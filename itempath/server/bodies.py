"""Bodies of requests: read by the event loop, in bounded time and memory, so that a slow client holds no thread."""

import asyncio
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings

if TYPE_CHECKING:
    from granian._granian import RSGIHeaders, RSGIHTTPProtocol

# Bytes of each body that are always taken: logins come through while large bodies wait.
FREE = 16_384
# Bytes beyond them that all bodies of a process may hold together.
MAX_WAITING = 64 * 1_048_576
# Bytes of a body that is too large which are read and dropped, so that its client, still sending, sees the answer.
MAX_DROPPED = 64 * 1_048_576
# Parts of one body: each costs 0.05 ms of the processor, however few bytes it brings.
MAX_PARTS = 300
# After a part of fewer bytes the next one is waited for, so that what comes meanwhile comes together: no body whose
# length is known reaches `MAX_PARTS`. In chunks nothing comes together, and a pause would only be a delay.
SMALL_PART = 4096
PAUSE = 0.025  # seconds


class Refused(Exception):
    """A body that cannot be used. `status` is that of the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Budget:
    """The bytes that may still wait in all bodies together."""

    def __init__(self, limit: int = MAX_WAITING) -> None:
        self.left = limit

    def take(self, size: int) -> None:
        """Reserve `size` bytes. Raises `Refused` (503) if there are not so many left."""
        if size > self.left:
            raise Refused(503, "Too many large bodies are on their way at once; try again.")
        self.left -= size


def has_body(headers: "RSGIHeaders") -> bool:
    """Say whether a request announces a body."""
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


def announced_length(headers: "RSGIHeaders") -> int | None:
    """Return the length of a body in bytes; `None` for one in chunks."""
    return None if "transfer-encoding" in headers else int(headers.get("content-length", "0"))


class Body:
    """One body on its way. Holds a part of the budget for as long as its block lasts."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.parts: list[bytes] = []
        self.size = 0
        self.held = 0
        self.limit: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: Any) -> None:
        self.budget.left += self.held

    async def read(self, proto: "RSGIHTTPProtocol", length: int | None) -> bytes:
        """Return the body, or one byte more of it than what is taken: Django then refuses it as too large.

        `length` is what the client announced, in bytes. Raises `Refused` if the body does not come within
        `BODY_TIMEOUT` seconds (408), comes in too many chunks (413), or all bodies hold too much memory (503).
        """
        try:
            async with asyncio.timeout(settings.BODY_TIMEOUT):
                await self.collect(proto, length)
        except TimeoutError:
            if self.size < self.limit:  # else it is refused as too large, whatever was still to come
                raise Refused(408, f"The body did not come within {settings.BODY_TIMEOUT} seconds.") from None
        return b"".join(self.parts)[: self.limit]

    async def collect(self, proto: "RSGIHTTPProtocol", length: int | None) -> None:
        seen = count = 0
        async for part in proto:
            if not part:  # the end, also one that came too soon
                return
            seen, count = seen + len(part), count + 1
            if self.size < self.limit:
                self.keep(part, count)
            if seen == length or seen > self.limit + MAX_DROPPED or count > MAX_PARTS:
                return
            if length is not None and len(part) < SMALL_PART:
                await asyncio.sleep(PAUSE)

    def keep(self, part: bytes, count: int) -> None:
        if count > MAX_PARTS:
            raise Refused(413, f"The body came in more than {MAX_PARTS} chunks.")
        self.parts.append(part)
        self.size += len(part)
        wanted = max(self.size - FREE, 0)
        self.budget.take(wanted - self.held)
        self.held = wanted


def refuse_incomplete(length: int | None, path: str, body: bytes) -> None:
    """Refuse a body of which only a part came. Raises `Refused` (400, 411).

    The server hands over the part of a body that came before its client went away like a whole one: a form without its
    last fields would empty them. In chunks a part cannot be told from the whole, and only programs send such, JSON to
    the API.
    """
    if length is None and not path.startswith("/api/"):
        raise Refused(411, "A form needs a Content-Length.")
    if length is not None and len(body) < min(length, settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1):
        raise Refused(400, "The body did not come whole.")
