"""What is taken of a request's body: in bounded time, memory and work, however its client sends it."""

from threading import Lock
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from granian._granian import RSGIHeaders

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
PAUSE = 0.04  # seconds


class Refused(Exception):
    """A body that cannot be used. `status` is that of the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Budget:
    """The bytes that may still wait in all bodies together. Used by several threads."""

    def __init__(self, limit: int = MAX_WAITING) -> None:
        self.left = limit
        self.lock = Lock()

    def take(self, size: int) -> None:
        """Reserve `size` bytes. Raises `Refused` (503) if there are not so many left."""
        with self.lock:
            if size > self.left:
                raise Refused(503, "Too many large bodies are on their way at once; try again.")
            self.left -= size

    def give_back(self, size: int) -> None:
        with self.lock:
            self.left += size


def has_body(headers: "RSGIHeaders") -> bool:
    """Say whether a request announces a body."""
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


class Body:
    """The parts of one body that came so far, and what they hold of the budget until `release`."""

    def __init__(self, headers: "RSGIHeaders", budget: Budget) -> None:
        # In bytes, as announced; `None` for a body in chunks, which says no length.
        self.length = None if "transfer-encoding" in headers else int(headers.get("content-length", "0"))
        # One byte more than what is taken: Django then refuses the body as too large.
        self.limit: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1
        self.budget = budget
        self.parts: list[bytes] = []
        self.kept = self.seen = self.count = self.held = 0

    def add(self, part: bytes) -> bool:
        """Take a part; return whether it was the last one. An empty part is the end, also one that came too soon.

        Raises `Refused` if all bodies hold too much memory (503), or this one comes in too many chunks (413).
        """
        self.seen, self.count = self.seen + len(part), self.count + 1
        if part and not self.is_full:
            self.keep(part)
        return (
            not part
            or self.seen == self.length
            or self.seen > self.limit + MAX_DROPPED
            or self.count > MAX_PARTS
        )

    def keep(self, part: bytes) -> None:
        if self.count > MAX_PARTS:
            raise Refused(413, f"The body came in more than {MAX_PARTS} chunks.")
        self.parts.append(part)
        self.kept += len(part)
        wanted = max(self.kept - FREE, 0)
        self.budget.take(wanted - self.held)
        self.held = wanted

    @property
    def is_full(self) -> bool:
        """Whether the body is too large: what still comes of it is dropped."""
        return self.kept >= self.limit

    def pause_after(self, part: bytes) -> float:
        """Return the seconds to wait before the next part is read."""
        return PAUSE if self.length is not None and len(part) < SMALL_PART else 0

    def content(self, path: str) -> bytes:
        """Return the body of a request for `path`. Raises `Refused` (400, 411) if only a part of it came.

        The server hands over the part of a body that came before its client went away like a whole one: a form without
        its last fields would empty them. In chunks a part cannot be told from the whole, and only programs send such,
        JSON to the API.
        """
        if self.length is None and not path.startswith("/api/"):
            raise Refused(411, "A form needs a Content-Length.")
        if self.length is not None and self.kept < min(self.length, self.limit):
            raise Refused(400, "The body did not come whole.")
        return b"".join(self.parts)[: self.limit]

    def release(self) -> None:
        """Give back what the body holds of the budget."""
        self.budget.give_back(self.held)
        self.held = 0
