"""Request bodies, whose parts are collected in bounded memory and work, however the client sends them."""

from threading import Lock
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from granian._granian import RSGIHeaders

# Bytes of each body that need no share of the budget, so that logins succeed while large bodies wait.
UNBUDGETED_SIZE = 16_384
# Bytes beyond these that all bodies of a process may hold together.
MAX_BUFFERED = 64 * 1_048_576
# Bytes of a body that are read and discarded after it proved too large: the client, still sending, sees the
# answer.
MAX_DISCARDED = 64 * 1_048_576
# Parts of one body. Each costs 0.05 ms of processor time, however few bytes it has.
MAX_PARTS = 300
# After a part of fewer bytes, the next read waits for `READ_DELAY` seconds, so that bytes that arrive
# meanwhile come as one part: no body of known length then reaches `MAX_PARTS`. Chunks never come as one part,
# so they are not waited for.
SMALL_PART = 4096
READ_DELAY = 0.04


class BodyRefused(Exception):
    """A body that cannot be used. `status` and `message` are those of the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Budget:
    """The bytes that all bodies of a process may still hold together. Several threads use it."""

    def __init__(self, limit: int = MAX_BUFFERED) -> None:
        self.left = limit
        self.lock = Lock()

    def reserve(self, size: int) -> None:
        """Reserve `size` bytes. Raises `BodyRefused` (503) if fewer are left."""
        with self.lock:
            if size > self.left:
                raise BodyRefused(503, "Too many large bodies are on their way at once; try again.")
            self.left -= size

    def release(self, size: int) -> None:
        with self.lock:
            self.left += size


def has_body(headers: "RSGIHeaders") -> bool:
    """Return whether the headers of a request announce a body."""
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


class Body:
    """The parts of one body that arrived so far. They hold a share of the budget until `release()`."""

    def __init__(self, headers: "RSGIHeaders", budget: Budget) -> None:
        # The announced length in bytes; `None` for a chunked body, which announces none.
        self.length = None if "transfer-encoding" in headers else int(headers.get("content-length", "0"))
        # One byte more than Django accepts, so that Django refuses a larger body with its usual answer.
        self.limit: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1
        self.budget = budget
        self.parts: list[bytes] = []
        self.part_count = 0
        # In bytes: received, kept in `parts`, and reserved from the budget.
        self.received = self.kept = self.reserved = 0

    def add(self, part: bytes) -> bool:
        """Add a part; return whether it was the last one to read. An empty part is the end of the body.

        Raises `BodyRefused` if all bodies together hold too much memory (503), or if this one has too many
        chunks (413).
        """
        self.received, self.part_count = self.received + len(part), self.part_count + 1
        if part and not self.is_full:
            self.keep(part)
        return not part or self.received == self.length or self.is_excessive

    def keep(self, part: bytes) -> None:
        if self.part_count > MAX_PARTS:
            raise BodyRefused(413, f"The body came in more than {MAX_PARTS} chunks.")
        self.parts.append(part)
        self.kept += len(part)
        needed = max(self.kept - UNBUDGETED_SIZE, 0)
        self.budget.reserve(needed - self.reserved)
        self.reserved = needed

    @property
    def is_full(self) -> bool:
        """Whether the body is too large. Further parts are discarded."""
        return self.kept >= self.limit

    @property
    def is_excessive(self) -> bool:
        """Whether so much of the body is discarded that reading ends before the body does."""
        return self.received > self.limit + MAX_DISCARDED or self.part_count > MAX_PARTS

    def delay_after(self, part: bytes) -> float:
        """Return the seconds to wait before the next part is read."""
        return READ_DELAY if self.length is not None and len(part) < SMALL_PART else 0

    def content(self, path: str) -> bytes:
        """Return the body of a request for `path`. Raises `BodyRefused` (400, 411) if it may be incomplete.

        When a client disconnects, Granian hands over what arrived as if it were the whole body. A form that
        lost its last fields that way would empty them. Whether a chunked body is complete cannot be seen at
        all; it is refused except under `/api/`, where programs send JSON, which does not parse if it is cut.
        """
        if self.length is None and not path.startswith("/api/"):
            raise BodyRefused(411, "A form needs a Content-Length.")
        if self.length is not None and self.kept < min(self.length, self.limit):
            raise BodyRefused(400, "The body did not come whole.")
        return b"".join(self.parts)[: self.limit]

    def release(self) -> None:
        """Return the body's share of the budget."""
        self.budget.release(self.reserved)
        self.reserved = 0
